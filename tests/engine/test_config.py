"""A config is read whole: defaults filled in, every bad field named by its path."""

import json
import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import ConfigError, parse_config, required_series
from engine.errors import ConfigProblem
from tests.support.markets import config
from tests.support.patience import PATIENCE_SECONDS


def problems(raw: Any) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as refused:
        parse_config(raw)
    return refused.value.problems


def paths(raw: Any) -> list[str]:
    return [problem.path for problem in problems(raw)]


def test_defaults_are_filled_in() -> None:
    echo = parse_config(config(startingCapital=5000)).to_document()
    assert echo == {
        "strategyId": "smaCross",
        "symbol": "SPY",
        "timeframe": "1d",
        "startDate": "2020-01-01",
        "endDate": "2030-01-01",
        "startingCapital": 5000.0,
        "pricePath": [],
        "maxCycles": 0,
        "label": None,
        "parameters": {"fast": 10, "slow": 20},
        "execution": {
            "fillOn": "nextOpen",
            "feeRate": 0.0,
            "feePerTrade": 0.0,
            "slippageRate": 0.0,
            "sizing": {"type": "equityFraction", "value": 1.0, "wholeUnits": False},
            "direction": "long",
            "stopLoss": None,
            "takeProfit": None,
            "trailingStop": None,
            "intrabar": "pessimistic",
            "closeAtEnd": False,
        },
        "regime": {"lookback": 10, "upThreshold": 0.03, "downThreshold": -0.03},
        "annualization": "auto",
    }


def test_the_number_of_bars_a_year_takes_the_place_of_auto() -> None:
    assert parse_config(config()).to_document(252.0)["annualization"] == 252.0


RULES = {
    "indicators": {"slow": {"type": "sma", "period": 20}},
    "entry": {"all": [{"above": ["close", "slow"]}, {"not": {"rising": ["close", 3]}}]},
    "exit": {"crossesBelow": ["close", "slow"]},
}
SLEEVES = [
    {"weight": 0.5, "config": {"strategyId": "wheel", "symbol": "QQQ"}},
    {"weight": 0.25, "config": {"strategyId": "rules", "parameters": RULES}},
]


@pytest.mark.parametrize(
    "raw",
    [
        config(),
        config("buyAndHold", maxCycles=3, label="a name", annualization=365),
        config("rules", parameters=RULES, execution={"stopLoss": 0.1, "direction": "both"}),
        config("wheel", parameters={"dte": {"target": 30, "min": 20, "max": 40}}),
        config("rsi", pricePath=[1, 2.5, 3]),
        config("portfolio", parameters={"sleeves": SLEEVES}, regime={"lookback": 5}),
    ],
    ids=lambda raw: str(raw["strategyId"]),
)
def test_an_echo_is_a_config_that_means_the_same(raw: dict[str, Any]) -> None:
    parsed = parse_config(raw)
    echo = json.loads(json.dumps(parsed.to_document(), allow_nan=False))
    assert parse_config(echo) == parsed
    assert parse_config(echo).to_document() == echo


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_config(config()).starting_capital = 1.0  # type: ignore[misc]  # what is refused


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"strategyId": "martingale"}, "strategyId"),
        ({"strategyId": None}, "strategyId"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "../SPY"}, "symbol"),
        ({"symbol": "/SPY"}, "symbol"),
        ({"symbol": "SPY "}, "symbol"),
        ({"symbol": "A" * 33}, "symbol"),
        ({"symbol": "SPÝ"}, "symbol"),
        ({"symbol": "SPY\n"}, "symbol"),
        ({"symbol": 5}, "symbol"),
        ({"timeframe": "2d"}, "timeframe"),
        ({"startDate": "2020-02-30"}, "startDate"),
        ({"startDate": 20200101}, "startDate"),
        ({"endDate": "soon"}, "endDate"),
        ({"endDate": None}, "endDate"),
        ({"startingCapital": 0}, "startingCapital"),
        ({"startingCapital": -5.0}, "startingCapital"),
        ({"startingCapital": True}, "startingCapital"),
        ({"startingCapital": "1000"}, "startingCapital"),
        ({"startingCapital": float("nan")}, "startingCapital"),
        ({"startingCapital": float("inf")}, "startingCapital"),
        ({"startingCapital": 10**400}, "startingCapital"),
        ({"startingCapital": 1.1e100}, "startingCapital"),
        ({"pricePath": [1.0, -1.0]}, "pricePath.1"),
        ({"pricePath": [0]}, "pricePath.0"),
        ({"pricePath": [1, float("nan")]}, "pricePath.1"),
        ({"pricePath": [1, "2"]}, "pricePath.1"),
        ({"pricePath": [1, None]}, "pricePath.1"),
        ({"pricePath": 5}, "pricePath"),
        ({"maxCycles": -1}, "maxCycles"),
        ({"maxCycles": 1.5}, "maxCycles"),
        ({"maxCycles": True}, "maxCycles"),
        ({"maxCycles": "3"}, "maxCycles"),
        ({"label": "x" * 201}, "label"),
        ({"label": 5}, "label"),
        ({"annualization": "daily"}, "annualization"),
        ({"annualization": 0}, "annualization"),
        ({"annualization": True}, "annualization"),
        ({"parameters": [1]}, "parameters"),
        ({"parameters": {"fast": "ten"}}, "parameters.fast"),
        ({"parameters": {"quick": 10}}, "parameters.quick"),
        ({"execution": {"fillOn": "open"}}, "execution.fillOn"),
        ({"execution": {"feeRate": -0.1}}, "execution.feeRate"),
        ({"execution": {"feeRate": 1}}, "execution.feeRate"),
        ({"execution": {"slippageRate": 1.5}}, "execution.slippageRate"),
        ({"execution": {"feePerTrade": -1}}, "execution.feePerTrade"),
        ({"execution": {"sizing": {"type": "shares"}}}, "execution.sizing.type"),
        ({"execution": {"sizing": {"value": 1.5}}}, "execution.sizing.value"),
        ({"execution": {"sizing": {"type": "units", "value": 0}}}, "execution.sizing.value"),
        ({"execution": {"sizing": {"wholeUnits": 1}}}, "execution.sizing.wholeUnits"),
        ({"execution": {"direction": "flat"}}, "execution.direction"),
        ({"execution": {"stopLoss": 0}}, "execution.stopLoss"),
        ({"execution": {"takeProfit": -0.1}}, "execution.takeProfit"),
        ({"execution": {"trailingStop": "5%"}}, "execution.trailingStop"),
        ({"execution": {"intrabar": "random"}}, "execution.intrabar"),
        ({"execution": {"closeAtEnd": 1}}, "execution.closeAtEnd"),
        ({"execution": {"fill_on": "close"}}, "execution.fill_on"),
        ({"regime": {"lookback": 0}}, "regime.lookback"),
        ({"regime": {"lookback": 2.5}}, "regime.lookback"),
        ({"regime": {"upThreshold": "3%"}}, "regime.upThreshold"),
        ({"regime": {"upThreshold": -0.1}}, "regime.downThreshold"),
        ({"startegyId": "smaCross"}, "startegyId"),
        ({"start_date": "2020-01-01"}, "start_date"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], path: str) -> None:
    assert paths(config(**changes)) == [path]


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "BTC/USDT"},
        {"symbol": "^GSPC"},
        {"symbol": "BRK.B"},
        {"symbol": "EURUSD=X"},
        {"startDate": "2020-01-01T10:00:00+02:00"},
        {"startDate": "2020-01-01", "endDate": "2020-01-01"},
        {"startingCapital": 1},
        {"startingCapital": 1e100},
        {"maxCycles": 0},
        {"maxCycles": None},
        {"maxCycles": 2.0},
        {"pricePath": []},
        {"pricePath": None},
        {"pricePath": (1, 2)},
        {"label": None},
        {"label": "x" * 200},
        {"annualization": 252},
        {"parameters": {"fast": 5.0}},
        {"execution": {}},
        {"execution": {"sizing": {"type": "notional", "value": 5000}}},
        {"execution": {"stopLoss": None, "takeProfit": 3}},
        {"regime": {"upThreshold": 0, "downThreshold": 0}},
    ],
)
def test_what_is_taken(changes: dict[str, Any]) -> None:
    parse_config(config(**changes))


def test_every_bad_field_is_named_at_once() -> None:
    raw = config(
        "wheel",
        symbol="..",
        endDate="2019-12-31",
        colour="red",
        parameters={"put": {"delta": 3}, "spread": -1, "foo": {}},
        execution={"feeRate": 0.1, "stopLoss": 0.2},
        regime={"lookback": 0},
    )
    assert sorted(paths(raw)) == [
        "colour",
        "endDate",
        "execution.feeRate",
        "execution.stopLoss",
        "parameters.foo",
        "parameters.put.delta",
        "parameters.spread",
        "regime.lookback",
        "symbol",
    ]


def test_missing_fields_are_named() -> None:
    assert paths({}) == ["strategyId", "symbol", "startDate", "endDate", "startingCapital"]
    assert all(problem.got == "nothing" for problem in problems({}))


@pytest.mark.parametrize("raw", [None, [], "config", 5, True])
def test_what_is_no_object_is_refused(raw: Any) -> None:
    assert paths(raw) == ["config"]


@pytest.mark.parametrize("key", ["startDate", "endDate"])
@pytest.mark.parametrize(
    ("value", "got"),
    [
        (20000301, "20000301"),
        (None, "null"),
        (date(2000, 3, 1), "a value of type date"),
        ([2000, 3, 1], "a list of 3"),
        ("2000-3-1", "'2000-3-1'"),
    ],
)
def test_a_date_that_is_none_is_told_what_one_looks_like(key: str, value: Any, got: str) -> None:
    expected = "an ISO date (2024-01-31) or date-time (2024-01-31T15:30:00Z)"
    assert problems(config(**{key: value})) == [ConfigProblem(key, expected, got)]


def test_an_unknown_key_is_named_and_quoted() -> None:
    (problem,) = problems(config(leverage=3))
    assert str(problem) == "leverage: expected no such key, got the unknown key 'leverage'"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2020-01-02", "2020-01-01"),
        ("2020-01-01T12:00", "2020-01-01T11:59"),
        ("2020-01-01T23:00-05:00", "2020-01-01"),
    ],
)
def test_dates_in_reverse_are_refused(start: str, end: str) -> None:
    assert paths(config(startDate=start, endDate=end)) == ["endDate"]


def test_the_wheel_takes_no_execution_settings_but_the_defaults() -> None:
    echo = parse_config(config("wheel")).to_document()
    parse_config(config("wheel", execution=echo["execution"]))
    assert paths(config("wheel", execution={"sizing": {"wholeUnits": True}})) == [
        "execution.sizing"
    ]


def test_a_price_path_must_end_before_the_calendar_does() -> None:
    raw = config(pricePath=[1.0] * 60, startDate="9999-12-01", endDate="9999-12-31")
    assert paths(raw) == ["pricePath"]
    parse_config({**raw, "pricePath": [1.0] * 31})


def test_messages_are_bounded() -> None:
    raw = config(pricePath=["x" * 50] * 5000, **{"k" * 5000: 1})
    with pytest.raises(ConfigError) as refused:
        parse_config(raw)
    assert len(refused.value.problems) == 5001
    assert len(str(refused.value)) < 5000
    assert "and 4981 more" in str(refused.value)


def test_long_paths_do_not_make_a_long_message() -> None:
    found = [ConfigProblem("a." * 1000, "a number", "'x'")] * 30
    message = str(ConfigError(found))
    assert len(message) < 4_100
    assert message.endswith("…; and 10 more")


def portfolio(*sleeves: Any, **changes: Any) -> dict[str, Any]:
    return config("portfolio", parameters={"sleeves": list(sleeves)}, **changes)


def sleeve(weight: Any = 0.5, strategy: str = "buyAndHold", **changes: Any) -> dict[str, Any]:
    return {"weight": weight, "config": {"strategyId": strategy, **changes}}


def test_a_sleeve_inherits_what_it_does_not_set() -> None:
    raw = portfolio(
        sleeve(0.25, symbol="QQQ"),
        sleeve(0.5, execution={"feeRate": 0.002}, startDate="2021-01-01"),
        execution={"feeRate": 0.001},
        regime={"lookback": 5},
        maxCycles=7,
        annualization=300,
        timeframe="1h",
    )
    first, second = [part["config"] for part in echoed_sleeves(raw)]
    assert (first["symbol"], second["symbol"]) == ("QQQ", "SPY")
    assert (first["startDate"], second["startDate"]) == ("2020-01-01", "2021-01-01")
    assert first["execution"]["feeRate"] == 0.001
    assert second["execution"]["feeRate"] == 0.002
    assert (first["startingCapital"], second["startingCapital"]) == (2500.0, 5000.0)
    for part in (first, second):
        assert part["regime"]["lookback"] == 5
        assert part["maxCycles"] == 7
        assert part["annualization"] == 300
        assert part["timeframe"] == "1h"


def echoed_sleeves(raw: dict[str, Any]) -> list[dict[str, Any]]:
    sleeves: list[dict[str, Any]] = parse_config(raw).to_document()["parameters"]["sleeves"]
    return sleeves


def test_a_sleeves_capital_is_its_weight_times_the_portfolios() -> None:
    (part,) = echoed_sleeves(portfolio(sleeve(0.5, startingCapital=123)))
    assert part["config"]["startingCapital"] == 5000.0


def test_a_price_path_is_inherited() -> None:
    raw = portfolio(sleeve(), sleeve(pricePath=[5, 6]), pricePath=[1, 2, 3])
    assert [part["config"]["pricePath"] for part in echoed_sleeves(raw)] == [
        [1.0, 2.0, 3.0],
        [5.0, 6.0],
    ]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (portfolio(), "parameters.sleeves"),
        (config("portfolio"), "parameters.sleeves"),
        (portfolio(sleeve(0.6), sleeve(0.5)), "parameters.sleeves"),
        (portfolio(sleeve(0)), "parameters.sleeves.0.weight"),
        (portfolio(sleeve(), sleeve("half")), "parameters.sleeves.1.weight"),
        (portfolio({"weight": 1}), "parameters.sleeves.0.config"),
        (portfolio({"weight": 1, "config": {}}), "parameters.sleeves.0.config.strategyId"),
        (portfolio(sleeve(strategy="portfolio")), "parameters.sleeves.0.config.strategyId"),
        (portfolio(sleeve(symbol="..")), "parameters.sleeves.0.config.symbol"),
        (portfolio(sleeve(foo=1)), "parameters.sleeves.0.config.foo"),
        (
            portfolio(sleeve(startingCapital=0)),
            "parameters.sleeves.0.config.startingCapital",
        ),
        (
            portfolio(sleeve(), sleeve(startingCapital="100")),
            "parameters.sleeves.1.config.startingCapital",
        ),
        (
            portfolio(sleeve(strategy="rsi", parameters={"period": 0})),
            "parameters.sleeves.0.config.parameters.period",
        ),
        (
            portfolio(sleeve(strategy="wheel"), execution={"feeRate": 0.1}),
            "parameters.sleeves.0.config.execution.feeRate",
        ),
        (portfolio(sleeve(endDate="2019-01-01")), "parameters.sleeves.0.config.endDate"),
    ],
)
def test_a_bad_sleeve_is_named(raw: dict[str, Any], path: str) -> None:
    assert paths(raw) == [path]


def test_every_sleeve_is_looked_at() -> None:
    raw = portfolio(sleeve(0, symbol=".."), "cash", {"weight": 2}, sleeve(foo=1))
    assert sorted(paths(raw)) == [
        "parameters.sleeves.0.config.symbol",
        "parameters.sleeves.0.weight",
        "parameters.sleeves.1",
        "parameters.sleeves.2.config",
        "parameters.sleeves.2.weight",
        "parameters.sleeves.3.config.foo",
    ]


def test_one_symbol_may_have_several_timeframes() -> None:
    config = parse_config(portfolio(sleeve(), sleeve(timeframe="1h")))
    assert [(one.symbol, one.timeframe) for one in required_series(config)] == [
        ("SPY", "1d"),
        ("SPY", "1h"),
    ]


def test_only_no_rebalancing_is_known() -> None:
    raw = portfolio(sleeve())
    raw["parameters"]["rebalance"] = "monthly"
    assert paths(raw) == ["parameters.rebalance"]


def test_a_bad_field_of_the_portfolio_is_named_once() -> None:
    assert paths(portfolio(sleeve(), sleeve(), symbol="..")) == ["symbol"]


def test_weights_that_add_up_to_one_but_for_rounding_are_taken() -> None:
    parse_config(portfolio(*[sleeve(0.7), sleeve(0.2), sleeve(0.1)]))
    parse_config(portfolio(*[sleeve(0.1)] * 10))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [*parse_config(config()).to_document(), "parameters", "execution", "regime", "other"]
)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.dictionaries(KEYS, JSON, max_size=4),
    strategy=st.sampled_from(["smaCross", "wheel", "rules", "portfolio", "buyAndHold"]),
)
def test_whatever_is_sent_either_parses_or_is_explained(
    changes: dict[str, Any], strategy: str
) -> None:
    try:
        echo = parse_config({**config(strategy), **changes}).to_document()
    except ConfigError as error:
        found = error.problems
    else:
        json.dumps(echo, allow_nan=False)
        return
    assert found
    assert all(problem.path and problem.expected for problem in found)
    assert max(len(str(problem)) for problem in found) < 2000


def test_checking_a_config_loads_no_compiler() -> None:
    script = (
        "import sys, engine; engine.parse_config("
        "{'strategyId': 'wheel', 'symbol': 'SPY', 'startDate': '2020-01-01',"
        " 'endDate': '2021-01-01', 'startingCapital': 1}); print('numba' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert found.stdout.strip() == "False"


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    """A script makes its periods by ``arange``."""
    usual = config(strategyId="smaCross", parameters={"fast": 3, "slow": 8}, maxCycles=2)
    made = {"fast": np.arange(3, 4)[0], "slow": np.uint8(8)}
    found = parse_config({**usual, "parameters": made, "maxCycles": np.int32(2)})
    assert found.to_document() == parse_config(usual).to_document()
    assert type(found.to_document()["parameters"]["fast"]) is int
    assert paths({**usual, "parameters": {"fast": np.float64(3.5), "slow": np.True_}}) == [
        "parameters.fast",
        "parameters.slow",
    ]
