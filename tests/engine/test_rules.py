"""Conditions are true, false or undefined exactly where a slow reading of them says so."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.candles import Candles
from engine.indicator_outputs import outputs
from engine.rules import Evaluation
from engine.rules_parameters import Condition, RulesParameters
from tests.support.plain_rules import condition_at

INDICATORS: dict[str, Any] = {
    "fast": {"type": "sma", "period": 2},
    "slow": {"type": "sma", "period": 5},
    "late": {"type": "ema", "period": 30},
    "never": {"type": "wma", "period": 1_000},
    "trend": {"type": "supertrend", "period": 3, "multiplier": 1},
    "bands": {"type": "bollinger", "period": 4},
    "osc": {"type": "stochRsi", "period": 3},
}
OPERANDS = [
    "open",
    "close",
    "volume",
    "fast",
    "slow",
    "late",
    "never",
    "trend.value",
    "trend.direction",
    "bands.lower",
    "osc",
    "osc.k",
    "osc.d",
    0,
    100.0,
    50,
]


def some_candles(seed: int, bars: int) -> Candles:
    """Whole prices close together, so that ties are frequent."""
    rng = np.random.default_rng(seed)
    close = 100.0 + np.cumsum(rng.integers(-1, 2, bars))
    open_ = 100.0 + np.cumsum(rng.integers(-1, 2, bars))
    high, low = np.maximum(open_, close) + 1, np.minimum(open_, close) - 1
    times = np.arange(bars, dtype=np.int64) * 60_000
    volume = rng.integers(0, 3, bars).astype(np.float64)
    return Candles("TEST", "1m", times, open_, high, low, close, volume)


def rules(entry: dict[str, Any], **others: Any) -> RulesParameters:
    never = {"above": [0, 1]}
    return RulesParameters.model_validate(
        {"indicators": INDICATORS, "entry": entry, "exit": never, **others}
    )


def named_values(parameters: RulesParameters, candles: Candles) -> dict[str, list[float]]:
    values = {name: getattr(candles, name) for name in ("open", "close", "volume")}
    for name, indicator in parameters.indicators.items():
        for output, series in outputs(indicator, candles).items():
            values[name + output] = series
    return {name: series.tolist() for name, series in values.items()}


def verdicts(entry: dict[str, Any], candles: Candles) -> list[bool | None]:
    parameters = rules(entry)
    truth = Evaluation(parameters, candles).truth(parameters.entry)
    assert not (truth.true & truth.false).any()
    return [
        True if true else False if false else None
        for true, false in zip(truth.true, truth.false, strict=True)
    ]


operands = st.sampled_from(OPERANDS)
leaves = st.one_of(
    st.builds(
        lambda kind, a, b: {kind: [a, b]},
        st.sampled_from(["crossesAbove", "crossesBelow", "above", "below"]),
        operands,
        operands,
    ),
    st.builds(
        lambda kind, a, bars: {kind: [a, bars]},
        st.sampled_from(["rising", "falling"]),
        operands,
        st.sampled_from([1, 2, 3, 100]),
    ),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(
            lambda kind, parts: {kind: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=6,
)


def depth(condition: dict[str, Any]) -> int:
    [(kind, body)] = condition.items()
    if kind == "not":
        return 1 + depth(body)
    if kind in ("all", "any"):
        return 1 + max(depth(part) for part in body)
    return 1


@settings(max_examples=400, deadline=None)
@given(
    entry=conditions.filter(lambda one: depth(one) <= 8),
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(1, 60),
)
def test_conditions_agree_with_a_plain_reading(entry: dict[str, Any], seed: int, bars: int) -> None:
    candles = some_candles(seed, bars)
    series = named_values(rules(entry), candles)
    expected = [condition_at(entry, bar, series) for bar in range(bars)]
    assert verdicts(entry, candles) == expected


def closes(*prices: float) -> Candles:
    times = [60_000 * bar for bar in range(len(prices))]
    return Candles.from_closes("TEST", "1m", times, prices)


def test_crossing_needs_the_bar_before_at_or_below() -> None:
    candles = closes(9, 10, 11, 11, 10, 9, 11)
    assert verdicts({"crossesAbove": ["close", 10]}, candles) == [
        None, False, True, False, False, False, True
    ]  # fmt: skip
    assert verdicts({"crossesBelow": ["close", 10]}, candles) == [
        None, False, False, False, False, True, False
    ]  # fmt: skip


def test_rising_counts_steps() -> None:
    candles = closes(1, 2, 3, 3, 4, 5)
    assert verdicts({"rising": ["close", 2]}, candles) == [None, None, True, False, False, True]
    assert verdicts({"falling": ["close", 1]}, candles) == [None, False, False, False, False, False]


def test_undefined_is_neither_true_nor_false() -> None:
    candles = closes(1, 2, 3)
    undefined = {"above": ["never", 0]}
    true, false = {"above": [1, 0]}, {"above": [0, 1]}
    for entry, expected in (
        (undefined, None),
        ({"not": undefined}, None),
        ({"all": [true, undefined]}, None),
        ({"all": [false, undefined]}, False),
        ({"any": [true, undefined]}, True),
        ({"any": [false, undefined]}, None),
        ({"not": {"all": [false, undefined]}}, True),
    ):
        assert verdicts(entry, candles) == [expected] * 3, entry


def test_a_signal_fires_only_on_true() -> None:
    candles = closes(1, 2, 3)
    parameters = rules({"not": {"above": ["never", 0]}})
    evaluation = Evaluation(parameters, candles)
    assert not evaluation.fires(parameters.entry).any()
    assert not evaluation.fires(None).any()
    assert evaluation.fires(Condition.model_validate({"above": [1, 0]})).all()


def test_only_silent_indicators_that_are_used_are_named() -> None:
    candles = closes(1, 2, 3)
    parameters = rules({"all": [{"above": ["never", "slow"]}, {"above": ["fast", "close"]}]})
    evaluation = Evaluation(parameters, candles)
    evaluation.fires(parameters.entry)
    assert evaluation.never_defined([parameters.entry]) == ["never", "slow"]


@pytest.mark.parametrize(
    ("indicator", "names"),
    [
        ({"type": "sma", "period": 3}, {""}),
        ({"type": "ema", "period": 3}, {""}),
        ({"type": "wma", "period": 3}, {""}),
        ({"type": "rsi"}, {""}),
        ({"type": "macd"}, {".macd", ".signal", ".histogram"}),
        ({"type": "bollinger"}, {".upper", ".middle", ".lower"}),
        ({"type": "atr"}, {""}),
        ({"type": "supertrend"}, {".value", ".direction"}),
        ({"type": "donchian"}, {".upper", ".lower"}),
        ({"type": "stochastic"}, {".k", ".d"}),
        ({"type": "stochRsi"}, {"", ".k", ".d"}),
        ({"type": "roc"}, {""}),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_every_indicator_has_its_outputs(indicator: dict[str, Any], names: set[str]) -> None:
    candles = some_candles(1, 80)
    never = {"above": [0, 1]}
    parameters = RulesParameters.model_validate(
        {"indicators": {"one": indicator}, "entry": never, "exit": never}
    )
    found = outputs(parameters.indicators["one"], candles)
    assert set(found) == names
    for values in found.values():
        assert len(values) == 80
        assert not np.isnan(values[-1])


def test_an_indicator_looks_at_its_source() -> None:
    candles = some_candles(1, 30)
    parameters = RulesParameters.model_validate(
        {
            "indicators": {"one": {"type": "sma", "period": 1, "source": "high"}},
            "entry": {"above": ["one", 0]},
            "exit": {"above": ["one", 0]},
        }
    )
    np.testing.assert_array_equal(outputs(parameters.indicators["one"], candles)[""], candles.high)
