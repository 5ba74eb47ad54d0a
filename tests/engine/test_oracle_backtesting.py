"""The fill kernel against backtesting.py: next-open fills with stops and targets on real bars."""

import warnings

import numpy as np
import pytest

from engine.candles import Candles
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import SizingKind
from engine.simulation import BoolArray, ExitReason

with warnings.catch_warnings():
    # backtesting.py and its plotting libraries use what newer pandas and bokeh deprecate.
    warnings.simplefilter("ignore")
    from backtesting import Backtest, Strategy
    from backtesting.test import GOOG

CAPITAL = 1_000_000.0
UNITS = 10
FEE = 0.002


def google() -> Candles:
    columns = [GOOG[name].to_numpy(np.float64) for name in ("Open", "High", "Low", "Close")]
    times = GOOG.index.to_numpy().astype("datetime64[ms]").astype(np.int64)
    return Candles("GOOG", "1d", times, *columns, GOOG["Volume"].to_numpy(np.float64))


def random_signals(candles: Candles, seed: int, stop: float) -> tuple[BoolArray, BoolArray]:
    """Entries and exits; none before bar 1, and no entry before a gap that leaps over the stop.

    backtesting.py acts from bar 1 on and refuses orders whose stop is beyond the last close.
    """
    masks = np.random.default_rng(seed).random((2, len(candles))) < 0.06
    masks[:, 0] = False
    gap = np.abs(candles.open[1:] / candles.close[:-1] - 1.0)
    masks[0, :-1] &= gap < stop / 2
    return masks[0] & ~masks[1], masks[1]


def theirs(
    candles: Candles, entries: BoolArray, exits: BoolArray, side: int, stop: float, target: float
) -> Backtest:
    class Scripted(Strategy):  # type: ignore[misc]  # the library has no types
        def init(self) -> None:
            pass

        def next(self) -> None:
            bar = len(self.data) - 1
            if self.position:
                if exits[bar]:
                    self.position.close()
            elif entries[bar] and bar + 1 < len(candles):
                fill = candles.open[bar + 1]
                levels = {"sl": fill * (1 - side * stop), "tp": fill * (1 + side * target)}
                (self.buy if side > 0 else self.sell)(size=UNITS, **levels)

    return Backtest(GOOG, Scripted, cash=CAPITAL, commission=FEE)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize(("stop", "target"), [(0.03, 0.05), (0.06, 0.04), (0.02, 0.02)])
@pytest.mark.parametrize("seed", range(3))
def test_equity_and_trades_agree_on_google(
    seed: int, stop: float, target: float, side: int
) -> None:
    candles = google()
    entries, exits = random_signals(candles, seed, stop)
    nowhere = np.zeros(len(candles), np.bool_)
    signals = Signals(
        long_entry=entries if side > 0 else nowhere,
        long_exit=exits if side > 0 else nowhere,
        short_entry=entries if side < 0 else nowhere,
        short_exit=exits if side < 0 else nowhere,
    )
    rules = FillRules(
        fee_rate=FEE,
        sizing=SizingKind.UNITS,
        size=float(UNITS),
        stop_loss=stop,
        take_profit=target,
    )
    ours = simulate_fills(signals, candles, rules, CAPITAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = theirs(candles, entries, exits, side, stop, target).run()
    expected = stats["_trades"].sort_values("EntryBar")
    closed = ours.trades.exit_index >= 0
    assert closed.sum() == len(expected) > 60
    np.testing.assert_array_equal(ours.trades.entry_index[closed], expected["EntryBar"])
    np.testing.assert_array_equal(ours.trades.exit_index[closed], expected["ExitBar"])
    np.testing.assert_allclose(ours.trades.exit_price[closed], expected["ExitPrice"], rtol=1e-12)
    reasons = set(ours.trades.exit_reason[closed].tolist())
    assert reasons == {ExitReason.SIGNAL, ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT}
    np.testing.assert_allclose(ours.equity, stats["_equity_curve"]["Equity"], rtol=1e-9)
