"""What must hold of every run, whatever the market: no look into the future, no unit of money."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import BacktestResult, Candles, run_backtest
from engine.pricing import option_value
from engine.result import CycleStats, Trade
from tests.support.markets import DAY, NEW_YEAR, config, every, walk
from tests.support.strategy_runs import RUNS, run, sleeves_of

every_run = pytest.mark.parametrize("raw", RUNS.values(), ids=RUNS.keys())
seeds = st.integers(0, 10_000)
some = settings(max_examples=10, deadline=None)

#: After 400 years the calendar repeats itself, weekdays included.
CALENDAR = 146_097
MONEY = ("finalEquity", "peakEquity", "expectancy", "feesPaid", "premiumCollected")
ALL_TIME = {"startDate": "0001-01-01", "endDate": "9999-12-31"}


def amounts(raw: Any, factor: float) -> Any:
    """A config in another currency, of which one unit is worth 1 ÷ ``factor``."""
    if isinstance(raw, list):
        return [amounts(item, factor) for item in raw]
    if not isinstance(raw, dict):
        return raw
    scaled = {key: amounts(value, factor) for key, value in raw.items()}
    money = ["startingCapital", "feePerTrade", "commissionPerContract", "assignmentFee"]
    if raw.get("type") == "notional":
        money.append("value")
    for key in (*money, "strikeStep"):
        if key in raw:
            scaled[key] = raw[key] * factor
    return scaled


def parameter(raw: dict[str, Any], key: str) -> Any:
    return raw.get("parameters", {}).get(key)


def by_sleeve(found: BacktestResult, raw: dict[str, Any]) -> list[list[CycleStats]]:
    count = len(sleeves_of(raw))
    return [[c for c in found.cycles if (c.sleeve or 0) == place] for place in range(count)]


@every_run
@some
@given(seed=seeds, kept=st.integers(1, 119))
def test_the_past_does_not_know_the_future(raw: dict[str, Any], seed: int, kept: int) -> None:
    candles = walk(120, seed)
    whole, prefix = run(raw, candles), run(raw, candles.rows(0, kept))
    assert whole.equity_curve[:kept] == prefix.equity_curve
    ended = [trade for trade in prefix.trades if trade.exit_index is not None]
    assert ended == [
        trade for trade in whole.trades if trade.exit_index is not None and trade.exit_index < kept
    ]
    begun = [trade.entry_index for trade in prefix.trades]
    assert begun == [trade.entry_index for trade in whole.trades if trade.entry_index < kept]
    for one, other in zip(whole.regime_segments, prefix.regime_segments, strict=False):
        assert one.start_index == other.start_index
        assert one.regime == other.regime


@every_run
@some
@given(seed=seeds, power=st.integers(-6, 10))
def test_a_change_of_currency_changes_money_only(
    raw: dict[str, Any], seed: int, power: int
) -> None:
    """Powers of two, because they scale every price without rounding."""
    factor = 2.0**power
    candles = walk(120, seed)
    columns = {name: getattr(candles, name) * factor for name in ("open", "high", "low", "close")}
    one, other = run(raw, candles), run(amounts(raw, factor), replace(candles, **columns))
    assert other.equity_curve == [equity * factor for equity in one.equity_curve]
    assert [trade.trade_return for trade in other.trades] == [
        trade.trade_return for trade in one.trades
    ]
    assert [trade.pnl for trade in other.trades] == [trade.pnl * factor for trade in one.trades]
    figures, others = (found.metrics.model_dump(by_alias=True) for found in (one, other))
    assert others == {
        name: value * factor if name in MONEY and value is not None else value
        for name, value in figures.items()
    }


def assert_the_same_but_for_the_dates(
    raw: dict[str, Any], candles: Candles, moved_days: int
) -> None:
    moved = replace(candles, times=candles.times + moved_days * DAY)
    one, other = run(raw, candles, **ALL_TIME), run(raw, moved, **ALL_TIME)
    dates = {"entry_time", "exit_time", "expiry"}
    assert other.equity_curve == one.equity_curve
    assert [trade.model_dump(exclude=dates) for trade in other.trades] == [
        trade.model_dump(exclude=dates) for trade in one.trades
    ]
    assert other.cycles == one.cycles
    assert other.metrics == one.metrics


@pytest.mark.parametrize(
    "raw", [pytest.param(raw, id=name) for name, raw in RUNS.items() if name != "monthly wheel"]
)
@settings(max_examples=8, deadline=None)
@given(seed=seeds, weeks=st.integers(-50_000, 50_000))
def test_the_calendar_date_makes_no_difference(raw: dict[str, Any], seed: int, weeks: int) -> None:
    """Whole weeks, because options may expire on Fridays."""
    assert_the_same_but_for_the_dates(raw, walk(100, seed), weeks * 7)


@pytest.mark.parametrize("cycles", [-5, -1, 1, 19])
def test_the_century_makes_no_difference_to_third_fridays(cycles: int) -> None:
    assert_the_same_but_for_the_dates(RUNS["monthly wheel"], walk(300, 3), cycles * CALENDAR)


def worth(trade: Trade, bar: int, candles: Candles, raw: dict[str, Any]) -> float:
    """What a trade has added to its account by the close of ``bar``."""
    if bar < trade.entry_index:
        return 0.0
    if trade.exit_index is not None and bar >= trade.exit_index:
        return trade.pnl
    close = float(candles.close[bar])
    if trade.instrument == "position":
        execution = raw.get("execution", {})
        fee = trade.quantity * trade.entry_price * execution.get("feeRate", 0.0)
        fee += execution.get("feePerTrade", 0.0)
        sign = 1.0 if trade.side == "long" else -1.0
        return sign * trade.quantity * (close - trade.entry_price) - fee
    if trade.instrument == "shares":
        fee = parameter(raw, "assignmentFee") or 0.0
        return trade.quantity * (close - trade.entry_price) - fee
    assert trade.strike is not None
    assert trade.expiry is not None
    days = np.datetime64(trade.expiry[:10], "D").astype(np.int64) - candles.times[bar] // DAY
    left = int(days) / 365.0
    is_put = trade.instrument == "put"
    model = option_value(is_put, close, trade.strike, left, 0.0, 0.0, 0.25)
    size = parameter(raw, "contractSize") or 100.0
    fee = trade.quantity * (parameter(raw, "commissionPerContract") or 0.0)
    return trade.quantity * size * (trade.entry_price - model) - fee


BALANCED = {
    name: raw
    for name, raw in RUNS.items()
    if parameter(raw, "volatility") is None and parameter(raw, "cashRate") is None
}


@pytest.mark.parametrize("raw", BALANCED.values(), ids=BALANCED.keys())
@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_the_account_balances_on_every_bar(raw: dict[str, Any], seed: int) -> None:
    """Equity is the capital and what each trade has made, marked at every close."""
    candles = walk(120, seed)
    found = run(raw, candles)
    configs = [own for _, own in sleeves_of(raw)]
    for bar, equity in enumerate(found.equity_curve):
        made = sum(worth(trade, bar, candles, configs[trade.sleeve or 0]) for trade in found.trades)
        assert equity == pytest.approx(raw["startingCapital"] + made, abs=1e-6)


@every_run
@some
@given(seed=seeds)
def test_profits_of_trades_are_what_the_account_gained(raw: dict[str, Any], seed: int) -> None:
    found = run(raw, walk(120, seed))
    assert found.metrics.fees_paid == pytest.approx(sum(trade.fees for trade in found.trades))
    gained = found.equity_curve[-1] - raw["startingCapital"]
    made = sum(trade.pnl for trade in found.trades)
    if parameter(raw, "cashRate"):
        assert gained >= made - 1e-6, "interest is in no trade"
    else:
        assert gained == pytest.approx(made, abs=1e-6)


FREE = {
    name: amounts(raw, 0.0) | {"startingCapital": raw["startingCapital"]}
    for name, raw in RUNS.items()
    if not parameter(raw, "spread") and name != "wheel by a series"
}


def without_rates(raw: Any) -> Any:
    if isinstance(raw, list):
        return [without_rates(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    return {
        key: 4_000.0 if key == "value" and not value else without_rates(value)
        for key, value in raw.items()
        if key not in ("feeRate", "slippageRate")
    }


@pytest.mark.parametrize("raw", FREE.values(), ids=FREE.keys())
@pytest.mark.parametrize("price", [100.0, 0.1, 77.77])
def test_a_flat_price_without_costs_loses_nothing(raw: dict[str, Any], price: float) -> None:
    """A written option gains: its time value runs off (unless its volatility rises meanwhile)."""
    times = every("1d", 200)
    flat = Candles.from_closes("SPY", "1d", times, np.full(len(times), price))
    found = run(without_rates(raw), flat)
    curve = np.array([raw["startingCapital"], *found.equity_curve])
    assert np.diff(curve).min() >= -1e-9 * raw["startingCapital"]
    if not any(trade.instrument == "put" for trade in found.trades) and not parameter(
        raw, "cashRate"
    ):
        assert curve == pytest.approx(raw["startingCapital"], rel=1e-12)


@every_run
@some
@given(seed=seeds)
def test_cycles_follow_one_another(raw: dict[str, Any], seed: int) -> None:
    found = run(raw, walk(120, seed))
    gained = 0.0
    for (capital, _), cycles in zip(sleeves_of(raw), by_sleeve(found, raw), strict=True):
        assert all(cycle.completed for cycle in cycles[:-1])
        equity = capital
        for cycle in cycles:
            if not parameter(raw, "cashRate"):
                assert cycle.start_equity == pytest.approx(equity)
            assert cycle.cycle_return == cycle.end_equity / cycle.start_equity - 1.0
            equity = cycle.end_equity
        for one, following in pairwise(cycles):
            assert one.start_index <= one.end_index <= following.start_index
        gained += equity - capital
    if not parameter(raw, "cashRate"):
        assert found.equity_curve[-1] == pytest.approx(raw["startingCapital"] + gained)
    completed = [cycle for cycle in found.cycles if cycle.completed]
    assert found.cycles_completed == len(completed)
    assert [cycle.index for cycle in found.cycles] == list(range(len(found.cycles)))


@every_run
@some
@given(seed=seeds)
def test_cycles_cover_the_bars_with_a_position_and_no_others(
    raw: dict[str, Any], seed: int
) -> None:
    """A bar ends with a position if and only if it lies in a cycle that is not over by then."""
    found = run(raw, walk(120, seed))
    held = np.zeros(found.bars, dtype=bool)
    for cycle in found.cycles:
        held[cycle.start_index : cycle.end_index + (not cycle.completed)] = True
    assert found.metrics.exposure == np.count_nonzero(held) / found.bars


@every_run
@some
@given(seed=seeds, lookback=st.integers(1, 130))
def test_regimes_partition_the_bars_that_have_one(
    raw: dict[str, Any], seed: int, lookback: int
) -> None:
    rule = {"lookback": lookback, "upThreshold": 0.02, "downThreshold": -0.02}
    found = run(raw, walk(120, seed), regime=rule)
    segments = found.regime_segments
    covered = [bar for s in segments for bar in range(s.start_index, s.end_index + 1)]
    assert covered == list(range(lookback, 120))
    assert all(one.regime != other.regime for one, other in pairwise(segments))
    assert [segment.start_date for segment in segments] == [
        found.equity_timestamps[segment.start_index] for segment in segments
    ]


@every_run
@some
@given(seed=seeds)
def test_regimes_partition_the_completed_cycles(raw: dict[str, Any], seed: int) -> None:
    found = run(raw, walk(120, seed), regime={"lookback": 5})
    completed = [cycle for cycle in found.cycles if cycle.completed]
    counts = Counter(cycle.dominant_regime for cycle in completed)
    averages = {
        "uptrend": (found.uptrend_avg_cycle_return, found.uptrend_assignment_rate),
        "downtrend": (found.downtrend_avg_cycle_return, found.downtrend_assignment_rate),
        "sideways": (found.sideways_avg_cycle_return, found.sideways_assignment_rate),
    }
    returns = sum(counts[regime] * averages[regime][0] for regime in averages)
    assigned = sum(counts[regime] * averages[regime][1] for regime in averages)
    without = [cycle for cycle in completed if cycle.dominant_regime is None]
    returns += sum(cycle.cycle_return for cycle in without)
    assigned += sum(cycle.had_assignment for cycle in without)
    assert returns == pytest.approx(found.avg_cycle_return * len(completed), abs=1e-12)
    assert assigned == pytest.approx(found.assignment_rate * len(completed))


@every_run
def test_regimes_do_not_touch_the_account(raw: dict[str, Any]) -> None:
    one = run(raw, walk(120))
    other = run(raw, walk(120), regime={"lookback": 3, "upThreshold": 0.5, "downThreshold": -0.5})
    assert other.equity_curve == one.equity_curve
    assert other.metrics == one.metrics


@every_run
def test_exits_come_after_entries(raw: dict[str, Any]) -> None:
    found = run(raw, walk(400, 7))
    assert found.trades
    for trade in found.trades:
        assert (trade.exit_index is None) == (trade.exit_reason is None)
        if trade.exit_index is not None:
            assert trade.exit_index >= trade.entry_index
        assert trade.mae <= 0.0 <= trade.mfe


def test_bars_after_the_end_date_make_no_difference() -> None:
    candles = walk(200)
    raw = config(endDate="2020-04-09", startDate="2020-01-01")
    assert run_backtest(raw, candles).result_digest == (
        run_backtest(raw, candles.rows(0, 100)).result_digest
    )


@every_run
def test_the_curve_is_finite_and_starts_from_the_capital(raw: dict[str, Any]) -> None:
    found = run(raw, walk(120, 3))
    assert np.isfinite(found.equity_curve).all()
    assert found.equity_curve[0] == pytest.approx(raw["startingCapital"], rel=0.05)
    assert found.equity_timestamps[0] == str(np.datetime64(NEW_YEAR, "ms"))[:19] + "Z"
