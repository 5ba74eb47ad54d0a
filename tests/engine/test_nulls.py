"""An optional key of a config may be null, which means the same as leaving the key out."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import numpy as np
import pytest

import engine
from engine import indicator_parameters as indicators
from engine import preset_parameters as presets
from engine import wheel_parameters as wheel
from engine.config import BacktestConfig, Envelope
from engine.execution import Execution, Sizing
from engine.model import Model
from engine.portfolio_parameters import (
    PortfolioDraft,
    PortfolioParameters,
    Sleeve,
    SleeveDraft,
)
from engine.regimes import RegimeRule
from engine.rules_parameters import Condition, RulesParameters
from engine.sweeps.overrides import overridden
from engine.sweeps.reading import Reader
from engine.sweeps.rows import Variant
from tests.support.markets import config

ABOVE = {"above": ["close", 1]}
#: The keys that each kind of object requires, with a sound value.
REQUIRED: dict[type[Model], dict[str, Any]] = {
    Envelope: {key: value for key, value in config().items() if key != "parameters"},
    Execution: {},
    Sizing: {},
    RegimeRule: {},
    wheel.WheelParameters: {},
    wheel.ByMoneyness: {"moneyness": 0.1},
    wheel.ByDelta: {"delta": 0.3},
    wheel.DteWindow: {"target": 30, "min": 20, "max": 45},
    wheel.ConstantVolatility: {},
    wheel.RealizedVolatility: {"model": "realized"},
    wheel.SeriesVolatility: {"model": "series", "symbol": "VIX"},
    RulesParameters: {"entry": ABOVE, "exit": ABOVE},
    Condition: ABOVE,
    presets.BuyAndHoldParameters: {},
    presets.CrossParameters: {},
    presets.RsiParameters: {},
    presets.MacdParameters: {},
    presets.BollingerParameters: {},
    presets.SupertrendParameters: {},
    presets.DonchianParameters: {},
    indicators.Average: {"type": "sma", "period": 3},
    indicators.Rsi: {"type": "rsi"},
    indicators.FastAndSlow: {"fast": 3, "slow": 5},
    indicators.Macd: {"type": "macd"},
    indicators.Bollinger: {"type": "bollinger"},
    indicators.Atr: {"type": "atr"},
    indicators.Supertrend: {"type": "supertrend"},
    indicators.Donchian: {"type": "donchian"},
    indicators.Stochastic: {"type": "stochastic"},
    indicators.StochRsi: {"type": "stochRsi"},
    indicators.Roc: {"type": "roc"},
    SleeveDraft: {"weight": 0.5, "config": {}},
    PortfolioDraft: {"sleeves": [{}]},
}
#: Made by the engine of what was read.
NOT_READ = {BacktestConfig, Sleeve, PortfolioParameters}

OPTIONAL = [
    (model, field.alias or name)
    for model, required in REQUIRED.items()
    for name, field in model.model_fields.items()
    if (field.alias or name) not in required
]


@cache
def schema_of(model: type[Model]) -> dict[str, Any]:
    return model.model_json_schema()


def kinds_of(model: type[Model]) -> Iterator[type[Model]]:
    for kind in model.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def test_every_kind_of_object_is_in_the_table() -> None:
    known = {kind for kind in kinds_of(Model) if kind.__module__.startswith("engine.")}
    assert known == REQUIRED.keys() | NOT_READ


@pytest.mark.parametrize(
    ("model", "key"), OPTIONAL, ids=[f"{model.__name__}-{key}" for model, key in OPTIONAL]
)
def test_null_is_absent(model: type[Model], key: str) -> None:
    required = REQUIRED[model]
    assert model.model_validate({**required, key: None}) == model.model_validate(required)
    jsonschema.validate({**required, key: None}, schema_of(model))


@pytest.mark.parametrize("model", REQUIRED, ids=lambda model: model.__name__)
def test_all_optional_keys_may_be_null_at_once(model: type[Model]) -> None:
    required = REQUIRED[model]
    nulls = {key: None for kind, key in OPTIONAL if kind is model}
    assert model.model_validate({**nulls, **required}) == model.model_validate(required)


@pytest.mark.parametrize("key", Envelope.model_json_schema()["required"])
def test_null_in_a_required_key_is_an_error(key: str) -> None:
    with pytest.raises(engine.ConfigError) as refused:
        engine.parse_config(config(**{key: None}))
    assert (refused.value.problems[0].path, refused.value.problems[0].got) == (key, "null")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**REQUIRED[Envelope], key: None}, schema_of(Envelope))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"stray": None}, "stray"),
        ({"parameters": {"stray": None}}, "parameters.stray"),
        ({"execution": {"stray": None}}, "execution.stray"),
    ],
)
def test_an_unknown_key_is_an_error_also_as_null(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(engine.ConfigError) as refused:
        engine.parse_config(config(**changes))
    assert [problem.path for problem in refused.value.problems] == [path]


@pytest.mark.parametrize(
    ("with_null", "without"),
    [
        (config(parameters=None), config()),
        (config("buyAndHold", parameters=None), config("buyAndHold")),
        (
            config("wheel", parameters={"put": {"delta": 0.3, "moneyness": None}}),
            config("wheel", parameters={"put": {"delta": 0.3}}),
        ),
        (
            config("wheel", parameters={"dte": 20, "expiries": None}),
            config("wheel", parameters={"dte": 20}),
        ),
        (
            config(
                "wheel",
                parameters={
                    "dte": {"target": 30, "min": 20, "max": 45, "expiries": None},
                    "expiries": "weekly",
                },
            ),
            config(
                "wheel",
                parameters={"dte": {"target": 30, "min": 20, "max": 45, "expiries": "weekly"}},
            ),
        ),
        (
            config("rules", parameters={"entry": {**ABOVE, "not": None}, "exit": ABOVE}),
            config("rules", parameters={"entry": ABOVE, "exit": ABOVE}),
        ),
        (config(pricePath=np.arange(1.0, 4.0), label=None), config(pricePath=[1.0, 2.0, 3.0])),
    ],
    ids=["parameters", "no parameters", "strike", "days", "window", "condition", "array"],
)
def test_objects_around_may_be_null_too(with_null: dict[str, Any], without: dict[str, Any]) -> None:
    assert engine.parse_config(with_null) == engine.parse_config(without)


def test_a_null_condition_beside_the_deepest_one_is_no_level() -> None:
    condition: dict[str, Any] = {**ABOVE, "not": None}
    for _ in range(7):
        condition = {"not": condition}
    engine.parse_config(config("rules", parameters={"entry": condition, "exit": ABOVE}))


def test_an_amount_is_required_of_a_size_in_units() -> None:
    with pytest.raises(engine.ConfigError, match=r"execution\.sizing\.value: .* got null"):
        engine.parse_config(config(execution={"sizing": {"type": "units", "value": None}}))


def sleeve_of(own: dict[str, Any]) -> BacktestConfig:
    sleeves = [{"weight": 0.5, "config": {"strategyId": "buyAndHold", **own}}]
    raw = config(
        "portfolio",
        parameters={"sleeves": sleeves},
        timeframe="1h",
        pricePath=[1.0, 2.0, 3.0],
        maxCycles=7,
        execution={"feeRate": 0.01},
        regime={"lookback": 5},
        annualization=300,
    )
    parameters = engine.parse_config(raw).parameters
    assert isinstance(parameters, PortfolioParameters)
    return parameters.sleeves[0].config


@pytest.mark.parametrize(
    "key",
    [
        *("symbol", "timeframe", "startDate", "endDate", "startingCapital", "execution"),
        *("regime", "annualization", "label", "parameters"),
    ],
)
def test_a_sleeve_inherits_what_it_has_as_null(key: str) -> None:
    assert sleeve_of({key: None}) == sleeve_of({})


def test_a_sleeve_has_neither_path_nor_bound_where_it_says_null() -> None:
    """As it always had: a stored config keeps its numbers."""
    assert sleeve_of({"pricePath": None}).price_path is None
    assert sleeve_of({"maxCycles": None}).max_cycles is None


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("parameters", {}),
        ("parameters.fast", 10),
        ("execution", {}),
        ("execution.feeRate", 0.0),
        ("timeframe", "1d"),
    ],
)
@pytest.mark.parametrize("nulls", [{}, {"parameters": None, "execution": None}], ids=str)
def test_a_variant_that_sets_null_has_the_default(
    nulls: dict[str, Any], path: str, default: Any
) -> None:
    base = config(timeframe="1h", execution={"feeRate": 0.01}, parameters={"fast": 3}) | nulls
    reader = Reader(base)
    expected = engine.parse_config(overridden(base, {path: default}))
    for index in range(2):
        variant = reader.read(index, {path: None})
        assert isinstance(variant, Variant)
        assert variant.parameters == expected.parameters
        assert variant.frame.config.execution == expected.execution
        assert variant.frame.config.timeframe == expected.timeframe


def test_a_config_full_of_nulls_has_the_digest_of_the_bare_one() -> None:
    bare = config(pricePath=[100.0 + bar % 7 for bar in range(60)])
    nulls = {
        key: None
        for model, key in OPTIONAL
        if model is Envelope and key not in bare and key != "pricePath"
    }
    execution = {key: None for model, key in OPTIONAL if model is Execution}
    full = {**nulls, **bare, "execution": execution}
    assert engine.run_backtest(full).result_digest == engine.run_backtest(bare).result_digest
