from typing import Any

import pytest
from pydantic import ValidationError

from engine.errors import ConfigProblem
from engine.problems import problems_from
from engine.wheel_parameters import WheelParameters

DEFAULTS = {
    "contracts": 1,
    "contractSize": 100,
    "dte": 30,
    "put": {"moneyness": 0.0},
    "call": {"moneyness": 0.02},
    "callFloor": "none",
    "strikeStep": 0,
    "volatility": {"model": "constant", "value": 0.25},
    "riskFreeRate": 0,
    "dividendYield": 0,
    "cashRate": 0,
    "commissionPerContract": 0,
    "assignmentFee": 0,
    "spread": 0,
    "closeAtProfit": None,
    "closeAtDte": None,
    "earlyAssignment": "none",
}


def read(raw: dict[str, Any]) -> dict[str, Any]:
    return WheelParameters.model_validate(raw).model_dump(by_alias=True)


def paths(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        WheelParameters.model_validate(raw)
    return [problem.path for problem in problems_from(refused.value, raw)]


def test_every_default() -> None:
    assert read({}) == DEFAULTS


@pytest.mark.parametrize(
    "given",
    [
        {"contracts": "max"},
        {"contracts": 7},
        {"contractSize": 0.1},
        {"dte": 1},
        {"dte": {"target": 30, "min": 20, "max": 45, "expiries": "monthly"}},
        {"put": {"delta": 0.3}},
        {"put": {"moneyness": -0.05}},
        {"call": {"delta": 0.25}},
        {"callFloor": "costBasis"},
        {"strikeStep": 2.5},
        {"volatility": {"model": "constant", "value": 0.0}},
        {"volatility": {"model": "realized", "window": 60, "scale": 1.2}},
        {"volatility": {"model": "series", "symbol": "VIX", "scale": 0.87}},
        {"riskFreeRate": -0.01},
        {"dividendYield": 0.02},
        {"cashRate": 0.05},
        {"commissionPerContract": 0.65},
        {"assignmentFee": 5},
        {"spread": 0.02},
        {"closeAtProfit": 0.5},
        {"closeAtDte": 21},
        {"earlyAssignment": "deepInTheMoney"},
    ],
)
def test_what_is_given_is_kept_and_the_rest_filled_in(given: dict[str, Any]) -> None:
    assert read(given) == {**DEFAULTS, **given}


def test_parts_of_a_choice_have_defaults_too() -> None:
    assert read({"volatility": {"model": "constant"}})["volatility"]["value"] == 0.25
    realized = {"model": "realized", "window": 30, "scale": 1.0}
    assert read({"volatility": {"model": "realized"}})["volatility"] == realized
    window = {"target": 30, "min": 20, "max": 45}
    assert read({"dte": window})["dte"] == {**window, "expiries": "any"}
    series = {"model": "series", "symbol": "VIX"}
    assert read({"volatility": series})["volatility"] == {**series, "scale": 1.0}


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert read({"contracts": 2.0, "dte": 30.0}) == {**DEFAULTS, "contracts": 2}


def test_expiries_may_stand_beside_the_window() -> None:
    window = {"target": 30, "min": 20, "max": 45}
    beside = read({"dte": window, "expiries": "weekly"})
    assert beside == read({"dte": {**window, "expiries": "weekly"}})


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"contracts": 0}, "contracts"),
        ({"contracts": 1.5}, "contracts"),
        ({"contracts": True}, "contracts"),
        ({"contracts": "all"}, "contracts"),
        ({"contractSize": 0}, "contractSize"),
        ({"contractSize": float("inf")}, "contractSize"),
        ({"contractSize": 1e-300}, "contractSize"),
        ({"commissionPerContract": 1e300}, "commissionPerContract"),
        ({"dte": 0}, "dte"),
        ({"dte": 5_000}, "dte"),
        ({"dte": "30"}, "dte"),
        ({"dte": {"target": 30, "min": 40, "max": 45}}, "dte"),
        ({"dte": {"target": 50, "min": 40, "max": 45}}, "dte"),
        ({"dte": {"target": 30, "min": 20}}, "dte.max"),
        ({"dte": {"target": 30, "min": 0, "max": 40}}, "dte.min"),
        ({"dte": {"target": 30, "min": 20, "max": 45, "expiries": "daily"}}, "dte.expiries"),
        ({"expiries": "weekly"}, "expiries"),
        ({"dte": 30, "expiries": "weekly"}, "expiries"),
        ({"put": {}}, "put"),
        ({"put": 0.3}, "put"),
        ({"put": {"moneyness": 0.0, "delta": 0.3}}, "put"),
        ({"put": {"moneyness": None, "delta": None}}, "put"),
        ({"put": {"delta": None}}, "put.delta"),
        ({"put": {"delta": 0.3, "strike": None}}, "put.strike"),
        ({"put": {"delta": 0}}, "put.delta"),
        ({"put": {"delta": 1}}, "put.delta"),
        ({"put": {"delta": -0.3}}, "put.delta"),
        ({"call": {"delta": 1.5}}, "call.delta"),
        ({"call": {"moneyness": float("nan")}}, "call.moneyness"),
        ({"call": {"moneyness": 0.02, "strike": 5}}, "call.strike"),
        ({"callFloor": "cost"}, "callFloor"),
        ({"strikeStep": -1}, "strikeStep"),
        ({"volatility": 0.25}, "volatility"),
        ({"volatility": {"value": 0.25}}, "volatility.model"),
        ({"volatility": {"model": "garch"}}, "volatility.model"),
        ({"volatility": {"model": ["constant"]}}, "volatility.model"),
        ({"volatility": {"model": "constant", "value": -0.1}}, "volatility.value"),
        ({"volatility": {"model": "constant", "window": 30}}, "volatility.window"),
        ({"volatility": {"model": "realized", "window": 1}}, "volatility.window"),
        ({"volatility": {"model": "realized", "scale": 0}}, "volatility.scale"),
        ({"volatility": {"model": "series"}}, "volatility.symbol"),
        ({"volatility": {"model": "series", "symbol": "../VIX"}}, "volatility.symbol"),
        ({"riskFreeRate": 5}, "riskFreeRate"),
        ({"dividendYield": -0.01}, "dividendYield"),
        ({"cashRate": "0.05"}, "cashRate"),
        ({"commissionPerContract": -1}, "commissionPerContract"),
        ({"assignmentFee": "5"}, "assignmentFee"),
        ({"spread": 1.1}, "spread"),
        ({"closeAtProfit": 0}, "closeAtProfit"),
        ({"closeAtProfit": 50}, "closeAtProfit"),
        ({"closeAtDte": -1}, "closeAtDte"),
        ({"earlyAssignment": True}, "earlyAssignment"),
        ({"strikestep": 1}, "strikestep"),
        ({"strike_step": 1}, "strike_step"),
    ],
)
def test_a_bad_value_is_refused_with_its_path(raw: dict[str, Any], path: str) -> None:
    assert paths(raw) == [path]


@pytest.mark.parametrize(
    ("volatility", "problem"),
    [
        ({"model": "garch"}, ("volatility.model", "constant, realized or series", "'garch'")),
        ({"value": 0.25}, ("volatility.model", "constant, realized or series", "nothing")),
        ({"model": None}, ("volatility.model", "constant, realized or series", "null")),
        (0.25, ("volatility", "an object whose model is constant, realized or series", "0.25")),
    ],
    ids=str,
)
def test_a_volatility_of_no_known_model_is_told_its_model(
    volatility: Any, problem: tuple[str, str, str]
) -> None:
    raw = {"volatility": volatility}
    with pytest.raises(ValidationError) as refused:
        WheelParameters.model_validate(raw)
    assert problems_from(refused.value, raw) == [ConfigProblem(*problem)]


def test_every_bad_field_is_named_at_once() -> None:
    raw = {"contracts": 0, "put": {"delta": 2}, "volatility": {"model": "x"}, "unknown": 1}
    assert paths(raw) == ["contracts", "put.delta", "volatility.model", "unknown"]


def test_parameters_cannot_be_changed() -> None:
    parameters = WheelParameters()
    with pytest.raises(ValidationError):
        parameters.spread = 0.5  # type: ignore[misc]  # what is refused
