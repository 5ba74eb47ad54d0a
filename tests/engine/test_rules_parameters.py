"""Bad rules are refused by path; good ones come back with their defaults filled in."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from engine import run_backtest, run_sweep
from engine.errors import ConfigError, ConfigProblem
from engine.parsing import parse_config
from engine.presets import as_rules, written_out
from engine.rules_parameters import RulesParameters
from engine.strategies import PARAMETERS
from tests.support.markets import config, walk
from tests.support.random_variants import PRESETS, random_preset

GOOD = {"above": ["close", 1]}


def parse(strategy: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as echoed."""
    parsed = parse_config(
        {
            "strategyId": strategy,
            "symbol": "SPY",
            "startDate": "2024-01-01",
            "endDate": "2024-02-01",
            "startingCapital": 1_000,
            "parameters": parameters,
        }
    )
    echoed: dict[str, Any] = parsed.to_document()["parameters"]
    return echoed


def problems(strategy: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """What was expected, by path."""
    with pytest.raises(ConfigError) as caught:
        parse(strategy, parameters)
    return {problem.path: problem.expected for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("strategy", "defaults"),
    [
        ("buyAndHold", {}),
        ("smaCross", {"fast": 10, "slow": 20}),
        ("emaCross", {"fast": 10, "slow": 20}),
        ("rsi", {"period": 14, "lower": 30.0, "upper": 70.0}),
        ("macd", {"fast": 12, "slow": 26, "signal": 9}),
        ("bollinger", {"period": 20, "deviations": 2.0}),
        ("supertrend", {"period": 10, "multiplier": 3.0}),
        ("donchian", {"entry": 20, "exit": 10}),
    ],
)
def test_presets_have_defaults_and_refuse_unknown_keys(
    strategy: str, defaults: dict[str, Any]
) -> None:
    assert parse(strategy, {}) == defaults
    assert problems(strategy, {"bogus": 1}) == {"parameters.bogus": "no such key"}


@pytest.mark.parametrize(
    ("strategy", "parameters", "path"),
    [
        ("smaCross", {"fast": 20, "slow": 20}, "slow"),
        ("smaCross", {"fast": 30}, "slow"),
        ("emaCross", {"fast": 9, "slow": 3}, "slow"),
        ("macd", {"fast": 26, "slow": 12}, "slow"),
        ("macd", {"signal": 0}, "signal"),
        ("smaCross", {"fast": 0}, "fast"),
        ("smaCross", {"fast": -3}, "fast"),
        ("smaCross", {"fast": 2.5}, "fast"),
        ("smaCross", {"fast": True}, "fast"),
        ("smaCross", {"fast": "5"}, "fast"),
        ("smaCross", {"slow": 2**31}, "slow"),
        ("rsi", {"lower": 70, "upper": 30}, "upper"),
        ("rsi", {"lower": -1}, "lower"),
        ("rsi", {"upper": 101}, "upper"),
        ("rsi", {"period": 0}, "period"),
        ("bollinger", {"deviations": 0}, "deviations"),
        ("bollinger", {"deviations": float("nan")}, "deviations"),
        ("supertrend", {"multiplier": -1}, "multiplier"),
        ("donchian", {"entry": 0}, "entry"),
        ("donchian", {"exit": 1.5}, "exit"),
    ],
)
def test_bad_preset_parameters_are_named(
    strategy: str, parameters: dict[str, Any], path: str
) -> None:
    assert set(problems(strategy, parameters)) == {f"parameters.{path}"}


def test_whole_floats_are_whole_numbers() -> None:
    assert parse("smaCross", {"fast": 5.0, "slow": 20.0}) == {"fast": 5, "slow": 20}


def test_rules_are_echoed_as_they_were_written() -> None:
    written = {
        "indicators": {"fast": {"type": "sma", "period": 3}, "m": {"type": "macd"}},
        "entry": {"all": [{"crossesAbove": ["fast", "close"]}, {"not": {"rising": ["m.macd", 2]}}]},
        "exit": {"any": [{"below": ["volume", 5]}]},
    }
    assert parse("rules", written) == {
        "indicators": {
            "fast": {"type": "sma", "period": 3, "source": "close"},
            "m": {"type": "macd", "fast": 12, "slow": 26, "signal": 9, "source": "close"},
        },
        "entry": written["entry"],
        "exit": {"any": [{"below": ["volume", 5.0]}]},
        "shortEntry": None,
        "shortExit": None,
    }


def test_an_echo_can_be_sent_again() -> None:
    echo = parse("rules", {"entry": GOOD, "exit": {"not": GOOD}, "shortEntry": GOOD})
    assert parse("rules", echo) == echo


@pytest.mark.parametrize("key", ["entry", "exit"])
def test_entry_and_exit_are_required(key: str) -> None:
    other = {"entry": GOOD, "exit": GOOD}
    del other[key]
    assert problems("rules", other) == {f"parameters.{key}": "a value"}


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"above": ["nope", 1]}, "above.0"),
        ({"above": [1, "close.upper"]}, "above.1"),
        ({"above": ["trend", 1]}, "above.0"),
        ({"above": ["trend.upper", 1]}, "above.0"),
        ({"above": ["fast.value", 1]}, "above.0"),
        ({"above": ["close", True]}, "above.1"),
        ({"above": ["close", None]}, "above.1"),
        ({"above": ["close", float("inf")]}, "above.1"),
        ({"above": ["close", 10**400]}, "above.1"),
        ({"above": ["close", {}]}, "above.1"),
        ({"above": ["close"]}, "above"),
        ({"above": ["close", 1, 2]}, "above"),
        ({"above": "close"}, "above"),
        ({"above": None}, ""),
        ({"rising": ["close", 0]}, "rising.1"),
        ({"rising": ["close", "x"]}, "rising.1"),
        ({"rising": ["close"]}, "rising"),
        ({"all": []}, "all"),
        ({"any": {}}, "any"),
        ({"all": [GOOD, {"any": [{"below": ["nope", 1]}]}]}, "all.1.any.0.below.0"),
        ({"not": {"not": {"above": ["nope", 1]}}}, "not.not.above.0"),
        ({"not": []}, "not"),
        ({}, ""),
        ({**GOOD, "below": [1, 2]}, ""),
        ({"exec": "import os"}, "exec"),
        ("close > open", ""),
        (None, ""),
        (7, ""),
    ],
    ids=str,
)
def test_a_bad_condition_is_named_by_its_path(entry: Any, path: str) -> None:
    indicators = {
        "fast": {"type": "sma", "period": 3},
        "trend": {"type": "supertrend"},
    }
    found = problems("rules", {"indicators": indicators, "entry": entry, "exit": GOOD})
    assert set(found) == {f"parameters.entry.{path}".rstrip(".")}


def test_an_unknown_operand_is_answered_with_the_known_ones() -> None:
    indicators = {"trend": {"type": "supertrend"}}
    entry = {"above": ["trend", 1]}
    found = problems("rules", {"indicators": indicators, "entry": entry, "exit": GOOD})
    assert found["parameters.entry.above.0"] == (
        "a number or one of open, high, low, close, volume, trend.direction, trend.value"
    )


def test_all_bad_fields_are_listed_at_once() -> None:
    found = problems(
        "rules",
        {
            "indicators": {"a": {"type": "sma"}, "b": {"type": "magic"}, "high": {"type": "rsi"}},
            "entry": {"above": ["zzz", "b.anything"]},
            "exit": {"above": ["a", "a"]},
            "shortExit": 5,
            "bogus": 1,
        },
    )
    assert set(found) == {
        "parameters.indicators.a.period",
        "parameters.indicators.b.type",
        "parameters.indicators.high",
        "parameters.entry.above.0",
        "parameters.shortExit",
        "parameters.bogus",
    }


@pytest.mark.parametrize(
    "name", ["close", "volume", "a.b", ".", "", " ", " a", "a ", "a\nb", "a\u200bb", "x" * 65]
)
def test_bad_indicator_names(name: str) -> None:
    indicators = {name: {"type": "rsi"}}
    found = problems("rules", {"indicators": indicators, "entry": GOOD, "exit": GOOD})
    assert list(found) == [f"parameters.indicators.{name}"]


@pytest.mark.parametrize("name", ["1st", "20", "sma-20", "a b", "Ä", "😀", "x" * 64])
def test_a_name_means_the_same_whatever_its_letters(name: str) -> None:
    def rules(average: str) -> dict[str, Any]:
        return {
            "indicators": {
                average: {"type": "sma", "period": 5},
                f"{average[-1]}2": {"type": "macd", "fast": 3, "slow": 6, "signal": 2},
            },
            "entry": {"crossesAbove": ["close", average]},
            "exit": {"below": [f"{average[-1]}2.macd", 0]},
        }

    found = run_backtest(config("rules", parameters=rules(name)), walk(120))
    usual = run_backtest(config("rules", parameters=rules("average")), walk(120))
    assert len(usual.trades) > 3
    assert found.result_digest == usual.result_digest
    sweep = run_sweep(config("rules"), [{"parameters": rules(name)}], walk(120), keep_best=0)
    assert sweep.summary_digest(0) == usual.summary_digest


TYPES = "sma, ema, wma, rsi, macd, bollinger, atr, supertrend, donchian, stochastic, stochRsi, roc"


def only_problem(rules: dict[str, Any]) -> ConfigProblem:
    with pytest.raises(ConfigError) as refused:
        parse("rules", {"exit": GOOD, **rules})
    (found,) = refused.value.problems
    return found


@pytest.mark.parametrize(
    ("indicator", "got"),
    [
        ({}, "nothing"),
        ({"period": 3}, "nothing"),
        ({"type": None}, "null"),
        ({"type": ["sma"]}, "a list of 1"),
        ({"type": "SMA"}, "'SMA'"),
        ({"type": "hma", "period": 3}, "'hma'"),
        ({"type": "\x1b" * 90}, f"'{chr(92)}x1b{f'{chr(92)}x1b' * 59}'…"),
    ],
    ids=str,
)
def test_an_indicator_of_no_known_type_is_told_its_type(indicator: Any, got: str) -> None:
    found = only_problem({"indicators": {"trend": indicator}, "entry": GOOD})
    path = "parameters.indicators.trend.type"
    assert found == ConfigProblem(path, f"one of {TYPES}", got)


@pytest.mark.parametrize(
    ("indicator", "got"), [(None, "null"), ("sma", "'sma'"), ([], "a list of 0")]
)
def test_what_is_no_indicator_is_told_at_its_name(indicator: Any, got: str) -> None:
    found = only_problem({"indicators": {"a": indicator}, "entry": GOOD})
    expected = f"an object whose type is one of {TYPES}"
    assert found == ConfigProblem("parameters.indicators.a", expected, got)


@pytest.mark.parametrize(
    ("condition", "got"),
    [
        ({}, "an object of 0 keys"),
        ({"above": ["close", 1], "below": ["close", 2]}, "the keys 'above', 'below'"),
        ({"above": None}, "the key 'above' with null"),
        (
            {"above": ["close", 1], "not": None, "below": ["close", 2]},
            "the keys 'above', 'below'",
        ),
        (
            dict.fromkeys("abcdefgh"),
            "the keys 'a', 'b', 'c', 'd', 'e' and 3 more",
        ),
        ({"a\nb": 1, "k" * 90: 2}, f"the keys 'a{chr(92)}nb', '{'k' * 60}'…"),
    ],
    ids=["none", "two", "null", "a null beside two", "many", "odd"],
)
@pytest.mark.parametrize(("wrap", "path"), [(None, "entry"), ("not", "entry.not")])
def test_a_condition_of_other_than_one_key_is_told_its_keys(
    condition: dict[str, Any], got: str, wrap: str | None, path: str
) -> None:
    found = only_problem({"entry": {wrap: condition} if wrap else condition})
    assert (found.path, found.got) == (f"parameters.{path}", got)
    assert found.expected == (
        "an object with exactly one of crossesAbove, crossesBelow, above, below, rising, falling, "
        "all, any, not"
    )


@pytest.mark.parametrize(
    ("indicator", "field"),
    [
        ({"type": "sma", "period": 0}, "period"),
        ({"type": "sma", "period": 3, "source": "bid"}, "source"),
        ({"type": "atr", "source": "close"}, "source"),
        ({"type": "macd", "fast": 30}, "slow"),
        ({"type": "stochastic", "fastK": 0}, "fastK"),
        ({"type": "stochRsi", "slowK": 3}, "slowK"),
        ({"type": "bollinger", "deviations": "2"}, "deviations"),
    ],
)
def test_bad_indicator_fields(indicator: dict[str, Any], field: str) -> None:
    found = problems("rules", {"indicators": {"a": indicator}, "entry": GOOD, "exit": GOOD})
    assert list(found) == [f"parameters.indicators.a.{field}"]


def nested(levels: int, kind: str) -> dict[str, Any]:
    condition: dict[str, Any] = GOOD
    for _ in range(levels - 1):
        condition = {"not": condition} if kind == "not" else {kind: [GOOD, condition]}
    return condition


@pytest.mark.parametrize("kind", ["not", "all", "any"])
def test_conditions_nest_eight_deep_and_no_deeper(kind: str) -> None:
    parse("rules", {"entry": nested(8, kind), "exit": GOOD})
    found = problems("rules", {"entry": GOOD, "exit": nested(9, kind)})
    assert found == {"parameters.exit": "conditions nested at most 8 deep"}


@pytest.mark.parametrize("strategy", [*PRESETS, "buyAndHold"])
def test_rules_that_share_their_conditions_are_those_that_were_read(strategy: str) -> None:
    """A preset's conditions are read once; its periods and thresholds are each run's own."""
    chance = random.Random(strategy)
    for _ in range(30):
        try:
            parameters = PARAMETERS[strategy].model_validate(random_preset(chance, strategy))
        except ValidationError:
            continue
        raw = written_out(strategy, parameters)
        assert as_rules(strategy, parameters) == RulesParameters.model_validate(raw)
