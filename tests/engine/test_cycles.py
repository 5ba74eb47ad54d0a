import numpy as np
import pytest
from numpy.typing import NDArray

from engine.cycles import CycleAverages, averages, describe
from engine.regimes import Regime
from tests.support.accounts import cycles
from tests.support.markets import DAY, NEW_YEAR, every

HOUR = DAY // 24
UP, DOWN, FLAT, NONE = Regime.UPTREND, Regime.DOWNTREND, Regime.SIDEWAYS, Regime.NONE


def regimes(*bars: Regime) -> NDArray[np.int64]:
    return np.array(bars, dtype=np.int64)


def test_a_cycle_is_described_by_its_ends() -> None:
    table = cycles({"start_index": 1, "end_index": 3, "start_equity": 80.0, "end_equity": 100.0})
    columns = describe(table, every("1d", 5), regimes(NONE, UP, UP, DOWN, DOWN))
    assert columns.cycle_return.tolist() == [0.25]
    assert columns.duration_days.tolist() == [2]
    assert columns.dominant_regime.tolist() == [UP]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [(0, 23 * HOUR, 0), (23 * HOUR, 25 * HOUR, 1), (5 * HOUR, DAY + 4 * HOUR, 1)],
)
def test_durations_are_differences_of_utc_dates(start: int, end: int, days: int) -> None:
    columns = describe(cycles({}), NEW_YEAR + np.array([start, end]), regimes(NONE, NONE))
    assert columns.duration_days.tolist() == [days]


def test_averages_are_over_completed_cycles() -> None:
    table = cycles(
        {"end_equity": 110.0, "end_index": 1},
        {"end_equity": 90.0, "end_index": 3, "had_assignment": True},
        {"end_equity": 200.0, "end_index": 4, "had_assignment": True, "completed": False},
    )
    columns = describe(table, every("1d", 5), regimes(UP, UP, DOWN, DOWN, DOWN))
    found = averages(table, columns)
    assert found.count == 2
    assert found.avg_return == pytest.approx(0.0, abs=1e-15)
    assert found.avg_duration_days == 2.0
    assert found.assignment_rate == 0.5


def test_a_regime_is_averaged_over_its_own_completed_cycles() -> None:
    table = cycles(
        {"start_index": 0, "end_index": 1, "end_equity": 110.0},
        {"start_index": 2, "end_index": 3, "end_equity": 90.0, "had_assignment": True},
        {"start_index": 2, "end_index": 3, "end_equity": 120.0},
        {"start_index": 2, "end_index": 3, "end_equity": 300.0, "completed": False},
        {"start_index": 4, "end_index": 4, "end_equity": 500.0, "had_assignment": True},
    )
    columns = describe(table, every("1d", 5), regimes(UP, UP, DOWN, DOWN, NONE))
    assert averages(table, columns, UP) == CycleAverages(1, pytest.approx(0.1), 1.0, 0.0)
    assert averages(table, columns, DOWN) == CycleAverages(2, pytest.approx(0.05), 1.0, 0.5)
    assert averages(table, columns, FLAT) == CycleAverages(0, 0.0, 0.0, 0.0)


def test_averages_of_no_cycles_are_zero() -> None:
    table = cycles()
    columns = describe(table, every("1d", 5), regimes(*[NONE] * 5))
    assert averages(table, columns) == CycleAverages(0, 0.0, 0.0, 0.0)
