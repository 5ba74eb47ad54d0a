"""The account of many variants over one tile, from event to event instead of bar by bar.

A flat account looks at nothing but the next entry's bit, a position only at its levels and its
marks. Every number is made by the same operations as in ``engine.fills_kernel`` and
``engine.return_kernels``, so that both give the same bits.
"""

import numpy as np

from engine._jit import inlined, kernel
from engine.fills_kernel import units_to_open
from engine.levels import exit_in_bar, fixed_levels, trailing_level
from engine.return_kernels import block_spread, merged_squares
from engine.simulation import FloatArray, IntArray
from engine.sweeps.accounts import (
    A_BEST,
    A_CASH,
    A_COMPLETED,
    A_ENTRY_FEE,
    A_ENTRY_PRICE,
    A_FEES_PAID,
    A_GAINED,
    A_IS_RUINED,
    A_LOST,
    A_MOVED,
    A_PIVOT,
    A_RETURNS,
    A_SHIFTED,
    A_SHIFTED_SQUARES,
    A_SIDE,
    A_SQUARES,
    A_TOTAL,
    A_TRADES,
    A_UNITS,
    A_WINS,
    A_WON,
    R_CLOSE_AT_END,
    R_FEE_PER_TRADE,
    R_FEE_RATE,
    R_INTRABAR,
    R_MAX_CYCLES,
    R_ON_CLOSE,
    R_REGIMES,
    R_SIZE,
    R_SIZING,
    R_SLIPPAGE,
    R_STOP,
    R_TARGET,
    R_TRAILING,
    R_WHOLE_UNITS,
    RETURNS,
)
from engine.sweeps.level_kernels import first_touch
from engine.sweeps.mark_kernels import mark, mark_flat
from engine.sweeps.order_kernels import (
    FROM_FLAT,
    LEAVE_LONG,
    LEAVE_SHORT,
    TO_LONG,
    TO_SHORT,
    has_bit,
    next_bit,
    place_orders,
)
from engine.sweeps.plane_kernels import Planes
from engine.sweeps.regime_kernels import count_cycle, open_cycle


@inlined
def _close_position(
    place: int, price: float, depth: int, rules: FloatArray, account: FloatArray,
    counts: IntArray, regimes: IntArray,
) -> None:  # fmt: skip
    side = counts[A_SIDE]
    units = account[A_UNITS]
    fee = units * price * rules[R_FEE_RATE] + rules[R_FEE_PER_TRADE]
    account[A_CASH] = account[A_CASH] + side * units * price - fee
    account[A_FEES_PAID] += fee
    pnl = side * units * (price - account[A_ENTRY_PRICE]) - (account[A_ENTRY_FEE] + fee)
    if pnl > 0.0:
        account[A_WON] += pnl
        counts[A_WINS] += 1
    elif pnl < 0.0:
        account[A_LOST] -= pnl
    account[A_GAINED] += pnl
    counts[A_TRADES] += 1
    counts[A_COMPLETED] += 1
    counts[A_SIDE] = 0
    account[A_UNITS] = 0.0
    if depth >= RETURNS:
        count_cycle(place, regimes, account, counts)


@inlined
def _open_position(
    place: int, wanted: int, market: float, depth: int, rules: FloatArray, choices: IntArray,
    account: FloatArray, counts: IntArray, regimes: IntArray,
) -> bool:  # fmt: skip
    """Whether there was enough cash for any units."""
    price = market * (1.0 + wanted * rules[R_SLIPPAGE])
    units = units_to_open(
        choices[R_SIZING],
        rules[R_SIZE],
        choices[R_WHOLE_UNITS] != 0,
        account[A_CASH],
        price,
        rules[R_FEE_RATE],
        rules[R_FEE_PER_TRADE],
    )
    if not units > 0.0:
        return False
    if depth >= RETURNS:
        open_cycle(place, regimes, account, counts)
    fee = units * price * rules[R_FEE_RATE] + rules[R_FEE_PER_TRADE]
    account[A_CASH] = account[A_CASH] - wanted * units * price - fee
    account[A_FEES_PAID] += fee
    account[A_UNITS] = units
    account[A_ENTRY_PRICE] = price
    account[A_ENTRY_FEE] = fee
    account[A_BEST] = price
    counts[A_SIDE] = wanted
    return True


@inlined
def _run_variant(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    close: FloatArray, lowest: FloatArray, highest: FloatArray, rules: FloatArray,
    choices: IntArray, account: FloatArray, counts: IntArray, orders: Planes,
    returns: FloatArray, close_bits: IntArray, floats: FloatArray, both: IntArray,
    regimes: IntArray, depth: int,
) -> None:  # fmt: skip
    """Run bars first … last − 1 of one variant, whose orders are placed."""
    bars = last - first
    on_close = choices[R_ON_CLOSE] != 0
    max_cycles = choices[R_MAX_CYCLES]
    slippage = rules[R_SLIPPAGE]
    stop, target, trailing = rules[R_STOP], rules[R_TARGET], rules[R_TRAILING]
    has_levels = stop > 0.0 or target > 0.0 or trailing > 0.0
    market = close if on_close else open_
    closes_now = choices[R_CLOSE_AT_END] != 0 and last == len(close)
    live_after = 1 if on_close else 0

    next_order = first  # The first bar whose orders are still to be looked at.
    live_from = first  # The first bar whose range is to be held against the levels.
    mark_from = first  # The first bar in the position that is to be marked.
    exited = -1  # A bar on which a position ended and which is not marked yet.
    while True:
        side = counts[A_SIDE]
        if side == 0:
            may_open = counts[A_IS_RUINED] == 0 and (
                max_cycles == 0 or counts[A_COMPLETED] < max_cycles
            )
            bar = last
            if may_open:
                bar = first + next_bit(orders, FROM_FLAT, next_order - first, bars)
            if exited >= 0 and bar > exited:
                mark_flat(exited, first, depth, returns, close, account, counts)
                exited = -1
                if counts[A_IS_RUINED] != 0:
                    bar = last
            if bar >= last:
                break
            wanted = 1 if has_bit(orders, TO_LONG, bar - first) else -1
            next_order = bar + 1
            if _open_position(
                bar - first, wanted, market[bar], depth, rules, choices, account, counts, regimes
            ):
                exited = -1
                mark_from = bar
                live_from = bar + live_after
            continue

        leave = LEAVE_LONG if side > 0 else LEAVE_SHORT
        order = first + next_bit(orders, leave, next_order - first, bars)
        touched = -1
        if has_levels:
            touched = first_touch(
                live_from, min(order + live_after, last), first, side, stop, target, trailing,
                account[A_ENTRY_PRICE], lowest, highest, high if side > 0 else low, account,
            )  # fmt: skip
        end = order if touched < 0 else touched
        at_end = closes_now and end >= last
        ruin = mark(
            mark_from, last - 1 if at_end else end, first, depth, account[A_CASH],
            side * account[A_UNITS], close, close_bits, returns, floats, both, account, counts,
        )  # fmt: skip
        if ruin >= 0 or at_end:
            exited = ruin if ruin >= 0 else last - 1
            price = close[exited] * (1.0 - side * slippage)
            _close_position(exited - first, price, depth, rules, account, counts, regimes)
            if ruin >= 0:
                counts[A_IS_RUINED] = 1
            next_order = last
        elif touched >= 0:
            stop_level, target_level = fixed_levels(side, account[A_ENTRY_PRICE], stop, target)
            _, price, _ = exit_in_bar(
                side, open_[touched], high[touched], low[touched], stop_level, target_level,
                trailing_level(side, account[A_BEST], trailing), slippage, choices[R_INTRABAR],
            )  # fmt: skip
            _close_position(touched - first, price, depth, rules, account, counts, regimes)
            exited = touched
            next_order = touched + 1 - live_after
        elif order < last:
            price = market[order] * (1.0 - side * slippage)
            _close_position(order - first, price, depth, rules, account, counts, regimes)
            exited = order
            next_order = order + 1
            reverses = has_bit(orders, TO_SHORT if side > 0 else TO_LONG, order - first)
            if (
                reverses
                and (max_cycles == 0 or counts[A_COMPLETED] < max_cycles)
                and _open_position(
                    order - first, -side, market[order], depth, rules, choices, account, counts,
                    regimes,
                )
            ):  # fmt: skip
                exited = -1
                mark_from = order
                live_from = order + live_after
        else:
            break


@kernel
def run_tile(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    close: FloatArray, lowest: FloatArray, highest: FloatArray, rules: FloatArray,
    choices: IntArray, account: FloatArray, counts: IntArray, planes: Planes, orders: Planes,
    returns: FloatArray, both: IntArray, regimes: IntArray, depth: int, begin_row: int,
    end_row: int,
) -> None:  # fmt: skip
    """Run bars first … last − 1, a tile, of the variants in rows begin_row … end_row − 1.

    Args:
        open_, high, low, close: all bars; ``lowest`` and ``highest``: the tile's, opens included.
        rules, choices: (V, RULE_NUMBERS) and (V, RULE_CHOICES), one row a variant.
        account, counts: (V, ACCOUNT_NUMBERS) and (V, ACCOUNT_COUNTS), kept up.
        planes: the tile's conditions.
        orders, returns, both: scratch of (ORDER_ROWS, TILE_WORDS), TILE_BARS and 2.
        regimes: the tile's, (rules of regimes, REGIME_ROWS, REGIME_COLUMNS).
        depth: TRADES, DRAWDOWN or RETURNS.
    """
    close_bits = close.view(np.int64)
    floats = both.view(np.float64)
    for row in range(begin_row, end_row):
        sums, numbers = account[row], counts[row]
        place_orders(choices[row], numbers, planes, orders)
        sums[A_PIVOT] = 0.0
        sums[A_SHIFTED] = 0.0
        sums[A_SHIFTED_SQUARES] = 0.0
        numbers[A_MOVED] = 0
        _run_variant(
            first, last, open_, high, low, close, lowest, highest, rules[row], choices[row],
            sums, numbers, orders, returns, close_bits, floats, both,
            regimes[choices[row, R_REGIMES]], depth,
        )  # fmt: skip
        some = last - first
        total, squares = block_spread(
            sums[A_SHIFTED], sums[A_SHIFTED_SQUARES], some - numbers[A_MOVED], some, sums[A_PIVOT]
        )
        sums[A_SQUARES] = merged_squares(
            numbers[A_RETURNS], sums[A_TOTAL], sums[A_SQUARES], some, total, squares
        )
        numbers[A_RETURNS] += some
        sums[A_TOTAL] += total
