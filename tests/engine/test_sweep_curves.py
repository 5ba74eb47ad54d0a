"""A curve counted some bars at a time has the sums of the whole one."""

import math

import numpy as np
import pytest

from engine.metrics import Curve, curve_of
from engine.return_kernels import BLOCK
from engine.simulation import FloatArray
from engine.sweeps.curves import add_bars, curve_from, start_curve
from tests.support.markets import every

CAPITAL = 1_000.0


def curves(name: str) -> FloatArray:
    random = np.random.default_rng(4)
    bars = 2 * BLOCK + 77
    steps = {
        "walk": random.normal(0.0, 0.01, bars),
        "mostly cash": np.where(random.random(bars) < 0.9, 0.0, random.normal(0.0, 0.02, bars)),
        "never moves": np.zeros(bars),
        "only rises": np.full(bars, 1e-3),
    }
    if name in steps:
        return CAPITAL * np.cumprod(1.0 + steps[name])
    equity = CAPITAL * np.cumprod(1.0 + steps["walk"])
    if name == "nothing left":
        equity[BLOCK + 3 :] = 0.0
    elif name == "debt":
        equity[BLOCK + 3 :] = -5.0
    elif name == "nothing from the first bar on":
        equity[:] = 0.0
    elif name == "back from nothing":
        equity[5] = 0.0
        equity[BLOCK] = 0.0
    return equity


def counted(equity: FloatArray, held: np.ndarray, pnl: FloatArray, *, bars: int) -> Curve:
    sums, counts = start_curve(CAPITAL)
    for first in range(0, len(equity), bars):
        part = slice(first, first + bars)
        add_bars(equity[part], held[part], sums, counts)
    span = int(np.ptp(every("1d", len(equity))))
    return curve_from(sums, counts, bars=len(equity), span=span, pnl=pnl, fees=12.5)


def bits(curve: Curve) -> list[str]:
    return [repr(getattr(curve, name)) for name in Curve.__dataclass_fields__]


@pytest.mark.parametrize("bars", [BLOCK, 2 * BLOCK, 10 * BLOCK])
@pytest.mark.parametrize(
    "name",
    [
        *("walk", "mostly cash", "never moves", "only rises", "nothing left", "debt"),
        *("nothing from the first bar on", "back from nothing"),
    ],
)
def test_it_equals_the_sums_of_the_whole_curve(name: str, bars: int) -> None:
    equity = curves(name)
    random = np.random.default_rng(5)
    held = random.random(len(equity)) < 0.4
    pnl = random.normal(0.0, 10.0, 30)
    whole = curve_of(
        equity=equity,
        times=every("1d", len(equity)),
        starting_capital=CAPITAL,
        holds_position=held,
        pnl=pnl,
        fees_paid=12.5,
    )
    assert bits(counted(equity, held, pnl, bars=bars)) == bits(whole)


def test_without_trades_there_are_no_sums_over_them() -> None:
    found = counted(np.full(3, CAPITAL), np.zeros(3, np.bool_), np.empty(0), bars=BLOCK)
    assert (found.trades, found.wins, found.won, found.lost, found.gained) == (0, 0, 0.0, 0.0, 0.0)
    assert math.isfinite(found.mean)
