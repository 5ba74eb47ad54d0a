"""The loops that a sweep has to beat: one variant after the other, one bar after the other."""

import ctypes
import math
import subprocess
import tempfile
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SOURCE = Path(__file__).with_suffix(".c")


def c_sweep(
    open_: Floats, close: Floats, fast: Integers, slow: Integers, fee: float, capital: float
) -> tuple[Floats, Integers]:
    """Final equity and closed trades of each variant, by ``naive_sweep.c``."""
    equity = np.empty(len(fast))
    trades = np.empty(len(fast), np.int64)
    as_double = ctypes.POINTER(ctypes.c_double)
    as_integer = ctypes.POINTER(ctypes.c_int64)
    _library().sweep(
        ctypes.c_int64(len(close)),
        open_.ctypes.data_as(as_double),
        close.ctypes.data_as(as_double),
        ctypes.c_int64(len(fast)),
        fast.ctypes.data_as(as_integer),
        slow.ctypes.data_as(as_integer),
        ctypes.c_double(fee),
        ctypes.c_double(capital),
        equity.ctypes.data_as(as_double),
        trades.ctypes.data_as(as_integer),
    )
    return equity, trades


def _library() -> ctypes.CDLL:
    """Compiled here, for this machine."""
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "naive_sweep.so"
        command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", str(_SOURCE), "-o"]
        subprocess.run([*command, str(library)], check=True)
        return ctypes.CDLL(str(library))


@numba.njit(nogil=True)
def numba_sweep(
    open_: Floats,
    close: Floats,
    fast: Integers,
    slow: Integers,
    fee: float,
    capital: float,
    equity: Floats,
    trades: Integers,
) -> None:
    """As ``naive_sweep.c``."""
    for v in range(len(fast)):
        equity[v], trades[v] = _cross(open_, close, fast[v], slow[v], fee, capital)


@numba.njit(nogil=True)
def _cross(
    open_: Floats, close: Floats, fast: int, slow: int, fee: float, capital: float
) -> tuple[float, int]:
    cash = capital
    units = 0.0
    fast_sum = 0.0
    slow_sum = 0.0
    was_above = False
    was_defined = False
    order = 0
    count = 0
    for i in range(len(close)):
        if order == 1:
            units = cash / (open_[i] * (1.0 + fee))
            cash -= units * open_[i] * (1.0 + fee)
        elif order == -1:
            cash += units * open_[i] * (1.0 - fee)
            units = 0.0
            count += 1
        order = 0
        fast_sum += close[i]
        slow_sum += close[i]
        if i >= fast:
            fast_sum -= close[i - fast]
        if i >= slow:
            slow_sum -= close[i - slow]
        if i >= slow - 1:
            is_above = fast_sum / fast > slow_sum / slow
            if was_defined:
                if is_above and not was_above and units == 0.0:
                    order = 1
                elif not is_above and was_above and units > 0.0:
                    order = -1
            was_above = is_above
            was_defined = True
    return cash + units * close[-1], count


@numba.njit(nogil=True)
def numba_sweep_of_metrics(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    fast: Integers,
    slow: Integers,
    fee: float,
    capital: float,
    stop: float,
    target: float,
    all_metrics: bool,
    out: Floats,
) -> None:
    """With stops and drawdown, and on demand with every sum that the sweep metrics need."""
    for v in range(len(fast)):
        _cross_with_metrics(
            open_, high, low, close, fast[v], slow[v], fee, capital, stop, target, all_metrics,
            out[v],
        )  # fmt: skip


@numba.njit(nogil=True)
def _cross_with_metrics(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    fast: int,
    slow: int,
    fee: float,
    capital: float,
    stop: float,
    target: float,
    all_metrics: bool,
    out: Floats,
) -> None:
    cash = capital
    units = 0.0
    entry = 0.0
    paid = 0.0
    fast_sum = 0.0
    slow_sum = 0.0
    was_above = False
    was_defined = False
    order = 0
    count = 0
    wins = 0
    held = 0
    won = 0.0
    lost = 0.0
    fees = 0.0
    peak = capital
    deepest = 0.0
    before = capital
    total = 0.0
    squares = 0.0
    downside = 0.0
    growth = 1.0
    for i in range(len(close)):
        price = 0.0
        if order == 1:
            entry = open_[i]
            units = cash / (entry * (1.0 + fee))
            paid = units * entry * fee
            cash -= units * entry + paid
            fees += paid
        elif order == -1:
            price = open_[i]
        order = 0
        if units > 0.0 and price == 0.0:
            if stop > 0.0:
                level = entry * (1.0 - stop)
                if open_[i] <= level:
                    price = open_[i]
                elif low[i] <= level:
                    price = level
            if target > 0.0 and price == 0.0:
                level = entry * (1.0 + target)
                if open_[i] >= level:
                    price = open_[i]
                elif high[i] >= level:
                    price = level
        if price > 0.0:
            cost = units * price * fee
            gain = units * (price - entry) - paid - cost
            cash += units * price - cost
            fees += cost
            units = 0.0
            count += 1
            if gain > 0.0:
                wins += 1
                won += gain
            else:
                lost -= gain
        fast_sum += close[i]
        slow_sum += close[i]
        if i >= fast:
            fast_sum -= close[i - fast]
        if i >= slow:
            slow_sum -= close[i - slow]
        if i >= slow - 1:
            is_above = fast_sum / fast > slow_sum / slow
            if was_defined:
                if is_above and not was_above and units == 0.0:
                    order = 1
                elif not is_above and was_above and units > 0.0:
                    order = -1
            was_above = is_above
            was_defined = True
        value = cash + units * close[i]
        if value > peak:
            peak = value
        drawdown = value / peak - 1.0
        if drawdown < deepest:
            deepest = drawdown
        if all_metrics:
            change = value / before - 1.0
            before = value
            total += change
            squares += change * change
            growth *= 1.0 + change
            if change < 0.0:
                downside += change * change
            if units > 0.0:
                held += 1
    bars = len(close)
    mean = total / bars
    out[0] = cash + units * close[-1]
    out[1] = deepest
    out[2] = count
    out[3] = wins
    out[4] = won
    out[5] = lost
    out[6] = fees
    out[7] = held / bars
    out[8] = mean
    out[9] = math.sqrt(max(squares / bars - mean * mean, 0.0))
    out[10] = math.sqrt(downside / bars)
    out[11] = growth
