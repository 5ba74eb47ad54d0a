"""Levels and the bars that touch them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.levels import Intrabar, exit_in_bar, fixed_levels, touched_bar, trailing_level
from engine.simulation import ExitReason

ticks = st.integers(90, 110)
paths = st.lists(st.tuples(ticks, ticks, ticks), min_size=1, max_size=30)
distances = st.sampled_from([0.0, 0.01, 0.05])


@pytest.mark.parametrize(("side", "stop", "target"), [(1, 95.0, 110.0), (-1, -105.0, -90.0)])
def test_the_stop_lies_below_and_the_target_above(side: int, stop: float, target: float) -> None:
    assert fixed_levels(side, 100.0, 0.05, 0.1) == pytest.approx((stop, target))
    assert fixed_levels(side, 100.0, 0.0, 0.0) == (-math.inf, math.inf)


@pytest.mark.parametrize(("side", "level"), [(1, 108.0), (-1, -132.0)])
def test_the_trailing_stop_follows_the_best_price(side: int, level: float) -> None:
    assert trailing_level(side, 120.0, 0.1) == pytest.approx(level)
    assert trailing_level(side, 120.0, 0.0) == -math.inf


@settings(deadline=None)
@given(
    path=paths,
    side=st.sampled_from([1, -1]),
    stop_loss=distances,
    take_profit=distances,
    trailing=distances,
)
def test_the_touched_bar_is_the_first_with_an_exit(
    path: list[tuple[int, int, int]],
    side: int,
    stop_loss: float,
    take_profit: float,
    trailing: float,
) -> None:
    """Prices are whole, so that levels are met exactly; an open may lie outside its bar's range."""
    open_ = np.array([float(one) for one, _, _ in path])
    low = np.array([float(min(a, b)) for _, a, b in path])
    high = np.array([float(max(a, b)) for _, a, b in path])
    stop, target = fixed_levels(side, 100.0, stop_loss, take_profit)
    expected, lowest, highest = len(path), 100.0, 100.0
    for bar in range(len(path)):
        level = trailing_level(side, highest if side > 0 else lowest, trailing)
        reason, _, _ = exit_in_bar(
            side, open_[bar], high[bar], low[bar], stop, target, level, 0.0, 0
        )
        if reason:
            expected = bar
            break
        lowest, highest = min(lowest, low[bar]), max(highest, high[bar])
    found = touched_bar(0, len(path), side, open_, high, low, stop, target, trailing, 100.0, 100.0)
    assert found == (expected, lowest, highest)


@pytest.mark.parametrize(
    ("policy", "reason", "price"),
    [
        (Intrabar.PESSIMISTIC, ExitReason.STOP_LOSS, 95.0 * 0.99),
        (Intrabar.OPTIMISTIC, ExitReason.TAKE_PROFIT, 110.0),
        (Intrabar.NEAREST_EXTREME, ExitReason.STOP_LOSS, 95.0 * 0.99),
    ],
)
def test_a_bar_that_touches_both_asks_the_policy(
    policy: Intrabar, reason: ExitReason, price: float
) -> None:
    found = exit_in_bar(1, 100.0, 111.0, 94.0, 95.0, 110.0, -math.inf, 0.01, int(policy))
    assert found == (int(reason), pytest.approx(price), True)


@pytest.mark.parametrize("policy", list(Intrabar))
def test_an_open_beyond_a_level_asks_nobody(policy: Intrabar) -> None:
    found = exit_in_bar(1, 112.0, 113.0, 94.0, 95.0, 110.0, -math.inf, 0.01, int(policy))
    assert found == (int(ExitReason.TAKE_PROFIT), 112.0, False)
    found = exit_in_bar(1, 90.0, 113.0, 89.0, 95.0, 110.0, 94.0, 0.5, int(policy))
    assert found == (int(ExitReason.STOP_LOSS), 45.0, False)


def test_the_tighter_stop_is_live_and_a_tie_is_the_fixed_one() -> None:
    bar = (100.0, 100.0, 90.0)
    found = exit_in_bar(1, *bar, 95.0, math.inf, 96.0, 0.0, 0)
    assert found == (int(ExitReason.TRAILING_STOP), 96.0, False)
    found = exit_in_bar(1, *bar, 95.0, math.inf, 95.0, 0.0, 0)
    assert found == (int(ExitReason.STOP_LOSS), 95.0, False)


def test_a_bar_between_the_levels_is_no_exit() -> None:
    assert exit_in_bar(1, 100.0, 101.0, 99.0, 95.0, 105.0, 90.0, 0.0, 0) == (0, 0.0, False)
