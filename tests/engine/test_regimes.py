from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.regimes import (
    Regime,
    RegimeRule,
    dominant_regimes,
    regimes_of,
    segments_of,
)

UP, DOWN, FLAT, NONE = Regime.UPTREND, Regime.DOWNTREND, Regime.SIDEWAYS, Regime.NONE


def rule(lookback: int = 1, up: float = 0.03, down: float = -0.03) -> RegimeRule:
    return RegimeRule.model_validate(
        {"lookback": lookback, "upThreshold": up, "downThreshold": down}
    )


def regimes(closes: list[float], used: RegimeRule) -> list[int]:
    return regimes_of(np.array(closes), used).tolist()


def test_the_return_over_the_lookback_decides() -> None:
    assert regimes([100, 104, 104, 100, 100], rule(2)) == [NONE, NONE, UP, DOWN, DOWN]


def test_touching_a_threshold_is_beyond_it() -> None:
    assert regimes([100, 125], rule(1, up=0.25)) == [NONE, UP]
    assert regimes([100, 75], rule(1, down=-0.25)) == [NONE, DOWN]
    assert regimes([100, 124.99], rule(1, up=0.25, down=-0.25)) == [NONE, FLAT]


def test_up_wins_where_both_thresholds_meet() -> None:
    assert regimes([100, 100], rule(1, up=0.0, down=0.0)) == [NONE, UP]


@pytest.mark.parametrize("bars", range(4))
def test_too_few_bars_have_no_regime(bars: int) -> None:
    found = regimes_of(np.full(bars, 100.0), rule(3))
    assert found.tolist() == [NONE] * bars
    assert len(segments_of(found)) == 0


def test_a_lookback_of_any_length_may_be_asked_for() -> None:
    regimes = regimes_of(np.array([1.0, 2.0]), RegimeRule(lookback=10**30))
    assert regimes.tolist() == [Regime.NONE, Regime.NONE]


def test_equal_neighbours_are_one_segment() -> None:
    found = np.array([NONE, NONE, UP, UP, FLAT, UP], dtype=np.int64)
    segments = segments_of(found)
    assert segments.regime.tolist() == [UP, FLAT, UP]
    assert segments.start_index.tolist() == [2, 4, 5]
    assert segments.end_index.tolist() == [3, 4, 5]


@settings(deadline=None)
@given(
    closes=st.lists(st.floats(50.0, 150.0), max_size=80),
    lookback=st.integers(1, 20),
)
def test_segments_partition_the_bars_that_have_a_regime(closes: list[float], lookback: int) -> None:
    found = regimes_of(np.array(closes), rule(lookback))
    segments = segments_of(found)
    starts, ends = segments.start_index.tolist(), segments.end_index.tolist()
    if len(closes) <= lookback:
        assert starts == ends == []
        return
    assert starts[0] == lookback
    assert ends[-1] == len(closes) - 1
    assert starts[1:] == [end + 1 for end in ends[:-1]]
    assert (np.diff(segments.regime) != 0).all()
    for regime, start, end in zip(segments.regime, starts, ends, strict=True):
        assert set(found[start : end + 1]) == {regime}


@settings(deadline=None)
@given(closes=st.lists(st.floats(50.0, 150.0), min_size=12, max_size=40), bar=st.integers(0, 11))
def test_a_regime_depends_on_two_closes(closes: list[float], bar: int) -> None:
    found = regimes(closes, rule(5))[bar]
    if bar < 5:
        assert found == NONE
        return
    change = closes[bar] / closes[bar - 5] - 1.0
    assert found == (UP if change >= 0.03 else DOWN if change <= -0.03 else FLAT)


def dominant(found: list[Regime], start: int, end: int) -> int:
    column = np.array(found, dtype=np.int64)
    return int(dominant_regimes(column, np.array([start]), np.array([end]))[0])


def test_the_regime_with_most_bars_is_dominant() -> None:
    assert dominant([NONE, UP, UP, DOWN, FLAT], 0, 4) == UP
    assert dominant([NONE, UP, UP, DOWN, FLAT], 3, 3) == DOWN


def test_bars_of_a_regime_are_summed_over_its_segments() -> None:
    assert dominant([UP, DOWN, DOWN, UP, FLAT, UP, DOWN], 0, 5) == UP


def test_of_equals_the_latest_wins() -> None:
    assert dominant([UP, UP, DOWN, DOWN], 0, 3) == DOWN
    assert dominant([DOWN, UP, UP, DOWN], 0, 3) == DOWN
    assert dominant([UP, UP, DOWN, DOWN, FLAT], 0, 4) == DOWN


def test_without_a_regime_none_is_dominant() -> None:
    assert dominant([NONE, NONE, UP], 0, 1) == NONE


@settings(deadline=None)
@given(
    found=st.lists(st.sampled_from([UP, DOWN, FLAT]), min_size=1, max_size=30),
    lead=st.integers(0, 5),
    data=st.data(),
)
def test_dominance_is_counting(found: list[Regime], lead: int, data: st.DataObject) -> None:
    bars = [NONE] * lead + found
    start = data.draw(st.integers(0, len(bars) - 1))
    end = data.draw(st.integers(start, len(bars) - 1))
    inside = [regime for regime in bars[start : end + 1] if regime is not NONE]
    counts = Counter(inside)
    most = max(counts.values(), default=0)
    expected = next((regime for regime in reversed(inside) if counts[regime] == most), NONE)
    assert dominant(bars, start, end) == expected
