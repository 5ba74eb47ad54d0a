"""The kernel and a plain reading of the rules agree on every bar and every trade."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.candles import Candles
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import SizingKind
from engine.levels import Intrabar
from engine.simulation import ExitReason, Simulation
from tests.support.plain_fills import PlainRules, PlainRun, plain_run

CAPITAL = 10_000.0
REASONS = {
    "open": ExitReason.OPEN,
    "signal": ExitReason.SIGNAL,
    "stopLoss": ExitReason.STOP_LOSS,
    "takeProfit": ExitReason.TAKE_PROFIT,
    "trailingStop": ExitReason.TRAILING_STOP,
    "endOfData": ExitReason.END_OF_DATA,
    "ruin": ExitReason.RUIN,
}
INTRABAR = {
    "pessimistic": Intrabar.PESSIMISTIC,
    "optimistic": Intrabar.OPTIMISTIC,
    "nearestExtreme": Intrabar.NEAREST_EXTREME,
}
SIZING = {
    "equityFraction": SizingKind.EQUITY_FRACTION,
    "notional": SizingKind.NOTIONAL,
    "units": SizingKind.UNITS,
}


def fill_rules(plain: PlainRules) -> FillRules:
    return FillRules(
        fill_on_close=plain.fill_on == "close",
        fee_rate=plain.fee_rate,
        fee_per_trade=plain.fee_per_trade,
        slippage_rate=plain.slippage,
        sizing=SIZING[plain.sizing],
        size=plain.size,
        whole_units=plain.whole_units,
        stop_loss=plain.stop_loss or 0.0,
        take_profit=plain.take_profit or 0.0,
        trailing_stop=plain.trailing_stop or 0.0,
        intrabar=INTRABAR[plain.intrabar],
        close_at_end=plain.close_at_end,
        max_cycles=plain.max_cycles or 0,
    )


def random_path(seed: int, bars: int, ticks: bool, volatility: float) -> Candles:
    """A random walk with gaps; in ticks, so that levels are touched exactly, or not."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, volatility, bars)
    close = 100.0 * np.exp(np.cumsum(steps))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, volatility / 2, bars))
    reach = np.abs(rng.normal(0.0, volatility / 2, (2, bars)))
    if ticks:
        close, open_ = (np.maximum(np.round(prices), 1.0) for prices in (close, open_))
    high = np.maximum(open_, close) * (1.0 + reach[0])
    low = np.minimum(open_, close) * (1.0 - np.minimum(reach[1], 0.9))
    if ticks:
        high, low = np.ceil(high), np.maximum(np.floor(low), 1.0)
    times = np.arange(bars, dtype=np.int64) * 86_400_000
    return Candles("TEST", "1d", times, open_, high, low, close, np.zeros(bars))


def random_signals(seed: int, bars: int, density: float, sides: str) -> Signals:
    rng = np.random.default_rng(seed)
    masks = rng.random((4, bars)) < density
    if sides == "long":
        masks[2:] = False
    if sides == "short":
        masks[:2] = False
    return Signals(
        long_entry=masks[0], long_exit=masks[1], short_entry=masks[2], short_exit=masks[3]
    )


def run_both(
    candles: Candles, signals: Signals, plain: PlainRules, chunk_bars: int = 10_000
) -> tuple[Simulation, PlainRun]:
    bars = list(
        zip(
            candles.open.tolist(),
            candles.high.tolist(),
            candles.low.tolist(),
            candles.close.tolist(),
            strict=True,
        )
    )
    rows = list(
        zip(
            signals.long_entry.tolist(),
            signals.long_exit.tolist(),
            signals.short_entry.tolist(),
            signals.short_exit.tolist(),
            strict=True,
        )
    )
    simulation = simulate_fills(signals, candles, fill_rules(plain), CAPITAL, chunk_bars=chunk_bars)
    return simulation, plain_run(bars, rows, plain, CAPITAL)


def assert_same(simulation: Simulation, expected: PlainRun, candles: Candles) -> None:
    scale = max(CAPITAL, max(abs(value) for value in expected.equity))
    np.testing.assert_allclose(simulation.equity, expected.equity, rtol=0, atol=1e-12 * scale)
    assert simulation.holds_position.tolist() == expected.holds
    assert simulation.fees_paid == pytest.approx(expected.account.fees, rel=1e-12, abs=1e-9)
    trades, cycles = simulation.trades, simulation.cycles
    assert len(trades) == len(expected.account.trades) == len(cycles)
    last_close = float(candles.close[-1])
    for row, trade in enumerate(expected.account.trades):
        is_open = trade.exit_bar is None
        assert trades.side[row] == (1 if trade.side == "long" else -1)
        assert trades.quantity[row] == pytest.approx(trade.units, rel=1e-12)
        assert trades.entry_index[row] == trade.entry_bar
        assert trades.entry_price[row] == trade.entry_price
        assert trades.exit_index[row] == (-1 if is_open else trade.exit_bar)
        assert trades.exit_reason[row] == REASONS[trade.reason]
        assert trades.ambiguous[row] == trade.ambiguous
        price = last_close if trade.exit_price is None else trade.exit_price
        if is_open:
            assert math.isnan(trades.exit_price[row])
        else:
            assert trades.exit_price[row] == pytest.approx(price, rel=1e-15)
        assert trades.fees[row] == pytest.approx(trade.entry_fee + trade.exit_fee, rel=1e-12)
        notional = trade.units * trade.entry_price
        assert trades.pnl[row] == pytest.approx(trade.profit(price), abs=1e-11 * scale)
        # Units for the last of the cash carry the rounding of all that was spent before.
        assert trades.trade_return[row] == pytest.approx(
            trade.profit(price) / notional,
            abs=1e-11 * max(1.0, scale / notional),
            rel=1e-14 * max(1.0, scale / notional),
        )
        lowest = min(trade.seen + trade.lows) / trade.entry_price - 1
        highest = max(trade.seen + trade.highs) / trade.entry_price - 1
        worst, best = (lowest, highest) if trade.side == "long" else (-highest, -lowest)
        assert trades.mae[row] == pytest.approx(worst, abs=1e-12)
        assert trades.mfe[row] == pytest.approx(best, abs=1e-12)
        assert trades.mae[row] <= 0.0 <= trades.mfe[row]
        assert cycles.completed[row] == (not is_open)
        assert cycles.start_index[row] == trade.entry_bar
        assert cycles.end_index[row] == (len(candles) - 1 if is_open else trade.exit_bar)
        after = expected.equity[-1] if trade.cash_after is None else trade.cash_after
        assert cycles.start_equity[row] == pytest.approx(trade.cash_before, abs=1e-12 * scale)
        assert cycles.end_equity[row] == pytest.approx(after, abs=1e-12 * scale)
    noted = [note for note in simulation.notes if "zero units" in note]
    if expected.account.unfilled:
        assert noted[0].startswith(f"{expected.account.unfilled} entr")
    else:
        assert noted == []
    assert any(note.startswith("Ruin") for note in simulation.notes) == expected.account.ruined


@st.composite
def execution_settings(draw: st.DrawFn) -> PlainRules:
    def maybe(values: list[float]) -> st.SearchStrategy[float | None]:
        return st.none() | st.sampled_from(values)

    sizing, size = draw(
        st.sampled_from(
            [
                ("equityFraction", 1.0),
                ("equityFraction", 0.37),
                ("notional", 2_500.0),
                ("notional", 50_000.0),
                ("units", 7.5),
                ("units", 1_000.0),
                ("units", 0.4),
            ]
        )
    )
    return PlainRules(
        fill_on=draw(st.sampled_from(["nextOpen", "close"])),
        fee_rate=draw(st.sampled_from([0.0, 0.001, 0.05])),
        fee_per_trade=draw(st.sampled_from([0.0, 1.5, 907.3])),
        slippage=draw(st.sampled_from([0.0, 0.0005, 0.03])),
        sizing=sizing,
        size=size,
        whole_units=draw(st.booleans()),
        stop_loss=draw(maybe([0.01, 0.05, 0.5])),
        take_profit=draw(maybe([0.01, 0.05, 0.5])),
        trailing_stop=draw(maybe([0.01, 0.05, 0.3])),
        intrabar=draw(st.sampled_from(sorted(INTRABAR))),
        close_at_end=draw(st.booleans()),
        max_cycles=draw(st.sampled_from([None, 0, 1, 5])),
    )


@settings(max_examples=600, deadline=None)
@given(
    plain=execution_settings(),
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(1, 150),
    ticks=st.booleans(),
    volatility=st.sampled_from([0.0, 0.01, 0.04, 0.3]),
    density=st.sampled_from([0.05, 0.3, 0.9]),
    sides=st.sampled_from(["long", "short", "both"]),
    chunk_bars=st.sampled_from([1, 7, 10_000]),
)
@example(
    # The sixth trade is made of what little cash the fees have left.
    plain=PlainRules(
        fill_on="close",
        fee_rate=0.05,
        fee_per_trade=907.3,
        slippage=0.0,
        sizing="units",
        size=0.4,
        whole_units=False,
        stop_loss=None,
        take_profit=None,
        trailing_stop=0.01,
        intrabar="nearestExtreme",
        close_at_end=False,
        max_cycles=None,
    ),
    seed=150,
    bars=150,
    ticks=False,
    volatility=0.01,
    density=0.9,
    sides="long",
    chunk_bars=1,
)
def test_kernel_agrees_with_the_plain_reading(
    plain: PlainRules,
    seed: int,
    bars: int,
    ticks: bool,
    volatility: float,
    density: float,
    sides: str,
    chunk_bars: int,
) -> None:
    candles = random_path(seed, bars, ticks, volatility)
    signals = random_signals(seed + 1, bars, density, sides)
    simulation, expected = run_both(candles, signals, plain, chunk_bars)
    assert_same(simulation, expected, candles)


def columns_of(simulation: Simulation) -> dict[str, np.ndarray]:
    columns = {"equity": simulation.equity, "holds": simulation.holds_position}
    for name in ("trades", "cycles"):
        table = getattr(simulation, name)
        columns |= {f"{name}.{field}": getattr(table, field) for field in table.__slots__}
    return columns


@pytest.mark.parametrize("seed", range(20))
def test_chunk_size_changes_no_bit(seed: int) -> None:
    candles = random_path(seed, 400, seed % 2 == 0, 0.03)
    signals = random_signals(seed, 400, 0.2, "both")
    rules = FillRules(
        fill_on_close=seed % 3 == 0, fee_rate=0.001, stop_loss=0.03, trailing_stop=0.05
    )
    whole = columns_of(simulate_fills(signals, candles, rules, CAPITAL))
    for chunk_bars in (1, 3, 64, 399):
        cut = columns_of(simulate_fills(signals, candles, rules, CAPITAL, chunk_bars=chunk_bars))
        for name, column in whole.items():
            np.testing.assert_array_equal(column, cut[name], err_msg=name)


@pytest.mark.parametrize("seed", range(10))
def test_a_prefix_knows_nothing_of_later_bars(seed: int) -> None:
    candles = random_path(seed, 300, True, 0.03)
    signals = random_signals(seed, 300, 0.2, "both")
    rules = FillRules(fill_on_close=seed % 2 == 0, fee_rate=0.001, stop_loss=0.03, take_profit=0.02)
    whole = simulate_fills(signals, candles, rules, CAPITAL)
    for cut in (1, 50, 299):
        part = Signals(
            long_entry=signals.long_entry[:cut],
            long_exit=signals.long_exit[:cut],
            short_entry=signals.short_entry[:cut],
            short_exit=signals.short_exit[:cut],
        )
        prefix = simulate_fills(part, candles.rows(0, cut), rules, CAPITAL)
        np.testing.assert_array_equal(prefix.equity, whole.equity[:cut])
        closed = prefix.trades.exit_index >= 0
        np.testing.assert_array_equal(
            prefix.trades.exit_price[closed], whole.trades.exit_price[: int(closed.sum())]
        )


@pytest.mark.parametrize("sides", ["long", "short", "both"])
def test_equity_is_what_the_trades_earned_on_every_bar(sides: str) -> None:
    candles = random_path(3, 500, False, 0.02)
    signals = random_signals(4, 500, 0.2, sides)
    rules = FillRules(fee_rate=0.002, slippage_rate=0.001, stop_loss=0.04, size=0.5)
    run = simulate_fills(signals, candles, rules, CAPITAL)
    trades = run.trades
    for bar in range(500):
        earned = 0.0
        for row in range(len(trades)):
            entered = trades.entry_index[row] <= bar
            left = trades.exit_index[row] != -1 and trades.exit_index[row] <= bar
            if left:
                earned += trades.pnl[row]
            elif entered:
                entry_fee = trades.quantity[row] * trades.entry_price[row] * 0.002
                gain = candles.close[bar] - trades.entry_price[row]
                earned += trades.side[row] * trades.quantity[row] * gain - entry_fee
        assert run.equity[bar] == pytest.approx(CAPITAL + earned, abs=1e-8)
    assert run.fees_paid == pytest.approx(trades.fees.sum(), rel=1e-12)


_PRINT_BITS = """
from tests.engine.test_fills_against_plain_reading import *
for seed in range(6):
    candles = random_path(seed, 200, seed % 2 == 0, 0.05)
    signals = random_signals(seed, 200, 0.3, "both")
    rules = FillRules(fill_on_close=seed % 2 == 1, fee_rate=0.001, fee_per_trade=1.0, size=0.9,
        slippage_rate=0.001, stop_loss=0.03, take_profit=0.05, trailing_stop=0.04,
        whole_units=seed % 3 == 0)
    for name, column in columns_of(simulate_fills(signals, candles, rules, CAPITAL)).items():
        print(seed, name, column.tobytes().hex())
"""


def test_without_the_compiler_the_bits_are_the_same() -> None:
    def bits(**extra: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", _PRINT_BITS],
            env={**os.environ, **extra},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    compiled = bits()
    assert len(compiled) > 10_000
    assert bits(NUMBA_DISABLE_JIT="1") == compiled
