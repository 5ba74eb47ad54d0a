"""The account of many variants over one tile, from event to event instead of bar by bar.

A flat account looks at nothing but the next entry's bit, a position only at its levels and its
marks. Every number is made by the same operations as in ``engine.fills_kernel`` and
``engine.return_kernels``, so that both give the same bits.
"""

import numpy as np

from engine._jit import borrowing, inlined
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
from engine.sweeps.tile_prices import TilePrices


@inlined
def _close_position(
    place: int, side: int, price: float, cash: float, units: float, entry_price: float,
    entry_fee: float, depth: int, rules: FloatArray, account: FloatArray, counts: IntArray,
    regimes: IntArray,
) -> float:  # fmt: skip
    """What cash there is after the position was closed."""
    fee = units * price * rules[R_FEE_RATE] + rules[R_FEE_PER_TRADE]
    cash = cash + side * units * price - fee
    account[A_FEES_PAID] += fee
    pnl = side * units * (price - entry_price) - (entry_fee + fee)
    # Sums of what may be 0, as nobody can foretell which way a trade goes.
    account[A_WON] += pnl if pnl > 0.0 else 0.0
    account[A_LOST] -= pnl if pnl < 0.0 else 0.0
    counts[A_WINS] += pnl > 0.0
    account[A_GAINED] += pnl
    counts[A_TRADES] += 1
    counts[A_COMPLETED] += 1
    if depth >= RETURNS:
        count_cycle(place, cash, regimes, account, counts)
    return cash


@inlined
def _run_variant(
    bars: int, tile: TilePrices, is_last: bool, rules: FloatArray, choices: IntArray,
    account: FloatArray, counts: IntArray, orders: Planes, may_short: bool, returns: FloatArray,
    regimes: IntArray, depth: int,
) -> None:  # fmt: skip
    """Run a tile's bars of one variant, whose orders are placed."""
    on_close = choices[R_ON_CLOSE] != 0
    max_cycles = choices[R_MAX_CYCLES]
    fee_rate, fee_per_trade = rules[R_FEE_RATE], rules[R_FEE_PER_TRADE]
    slippage = rules[R_SLIPPAGE]
    stop, target, trailing = rules[R_STOP], rules[R_TARGET], rules[R_TRAILING]
    has_levels = stop > 0.0 or target > 0.0 or trailing > 0.0
    market = tile.closes if on_close else tile.opens
    closes_now = is_last and choices[R_CLOSE_AT_END] != 0
    live_after = 1 if on_close else 0
    from_flat = FROM_FLAT if may_short else TO_LONG

    # What every trade changes is kept at hand, and written back at the end.
    cash, units, side = account[A_CASH], account[A_UNITS], counts[A_SIDE]
    entry_price, entry_fee = account[A_ENTRY_PRICE], account[A_ENTRY_FEE]
    next_order = 0  # The first bar whose orders are still to be looked at.
    live_from = 0  # The first bar whose range is to be held against the levels.
    mark_from = 0  # The first bar in the position that is to be marked.
    exited = -1  # A bar on which a position ended and which is not marked yet.
    while True:
        wanted = 0
        bar = bars
        if side == 0:
            may_open = counts[A_IS_RUINED] == 0 and (
                max_cycles == 0 or counts[A_COMPLETED] < max_cycles
            )
            if may_open:
                bar = next_bit(orders, from_flat, next_order, bars)
            if exited >= 0 and bar > exited:
                mark_flat(exited, depth, cash, tile, returns, account, counts)
                exited = -1
                if counts[A_IS_RUINED] != 0:
                    bar = bars
            if bar >= bars:
                break
            wanted = 1 if not may_short or has_bit(orders, TO_LONG, bar) else -1
            next_order = bar + 1
        else:
            leave = LEAVE_LONG if side > 0 else LEAVE_SHORT
            order = next_bit(orders, leave, next_order, bars)
            touched = -1
            if has_levels:
                touched = first_touch(
                    live_from, min(order + live_after, bars), side, stop, target, trailing,
                    entry_price, tile, account,
                )  # fmt: skip
            end = order if touched < 0 else touched
            at_end = closes_now and end >= bars
            ruin = mark(
                mark_from, bars - 1 if at_end else end, depth, cash, side * units, tile, returns,
                account, counts,
            )  # fmt: skip
            price = 0.0
            if ruin >= 0 or at_end:
                exited = ruin if ruin >= 0 else bars - 1
                price = tile.closes[exited] * (1.0 - side * slippage)
                next_order = bars
                if ruin >= 0:
                    counts[A_IS_RUINED] = 1
            elif touched >= 0:
                stop_level, target_level = fixed_levels(side, entry_price, stop, target)
                _, price, _ = exit_in_bar(
                    side, tile.opens[touched], tile.highs[touched], tile.lows[touched], stop_level,
                    target_level, trailing_level(side, account[A_BEST], trailing), slippage,
                    choices[R_INTRABAR],
                )  # fmt: skip
                exited = touched
                next_order = touched + 1 - live_after
            elif order < bars:
                price = market[order] * (1.0 - side * slippage)
                exited = order
                next_order = order + 1
                if (
                    may_short
                    and has_bit(orders, TO_SHORT if side > 0 else TO_LONG, order)
                    and (max_cycles == 0 or counts[A_COMPLETED] + 1 < max_cycles)
                ):
                    wanted = -side
                    bar = order
            else:
                break
            cash = _close_position(
                exited, side, price, cash, units, entry_price, entry_fee, depth, rules, account,
                counts, regimes,
            )  # fmt: skip
            side = 0
        if wanted == 0:
            continue

        price = market[bar] * (1.0 + wanted * slippage)
        opened = units_to_open(
            choices[R_SIZING], rules[R_SIZE], choices[R_WHOLE_UNITS] != 0, cash, price, fee_rate,
            fee_per_trade,
        )  # fmt: skip
        if opened > 0.0:
            if depth >= RETURNS:
                open_cycle(bar, cash, regimes, account, counts)
            side, units, entry_price = wanted, opened, price
            entry_fee = units * price * fee_rate + fee_per_trade
            cash = cash - wanted * units * price - entry_fee
            account[A_FEES_PAID] += entry_fee
            account[A_BEST] = price
            exited = -1
            mark_from = bar
            live_from = bar + live_after

    account[A_CASH], counts[A_SIDE] = cash, side
    account[A_UNITS] = units if side != 0 else 0.0
    account[A_ENTRY_PRICE], account[A_ENTRY_FEE] = entry_price, entry_fee


@borrowing
def run_tile(
    tile: TilePrices, is_last: bool, rules: FloatArray, choices: IntArray, account: FloatArray,
    counts: IntArray, planes: Planes, orders: Planes, returns: FloatArray, regimes: IntArray,
    depth: int, begin_row: int, end_row: int,
) -> None:  # fmt: skip
    """Run a tile of the variants in rows begin_row … end_row − 1.

    Args:
        tile: its prices; ``is_last``: whether it has the last bar of all.
        rules, choices: (V, RULE_NUMBERS) and (V, RULE_CHOICES), one row a variant.
        account, counts: (V, ACCOUNT_NUMBERS) and (V, ACCOUNT_COUNTS), kept up.
        planes: the tile's conditions.
        orders, returns: scratch of (ORDER_ROWS, ORDER_COLUMNS) and TILE_BARS.
        regimes: the tile's, (rules of regimes, REGIME_ROWS, REGIME_COLUMNS).
        depth: TRADES, DRAWDOWN or RETURNS.
    """
    bars = len(tile.closes)
    for row in range(np.uint64(begin_row), np.uint64(end_row)):
        sums, numbers = account[row], counts[row]
        may_short = place_orders(choices[row], numbers, planes, orders)
        sums[A_PIVOT] = 0.0
        sums[A_SHIFTED] = 0.0
        sums[A_SHIFTED_SQUARES] = 0.0
        numbers[A_MOVED] = 0
        _run_variant(
            bars, tile, is_last, rules[row], choices[row], sums, numbers, orders, may_short,
            returns, regimes[choices[row, R_REGIMES]], depth,
        )  # fmt: skip
        count = numbers[A_RETURNS]
        numbers[A_RETURNS] = count + bars
        if depth >= RETURNS:
            total, squares = block_spread(
                sums[A_SHIFTED], sums[A_SHIFTED_SQUARES], bars - numbers[A_MOVED], bars,
                sums[A_PIVOT],
            )  # fmt: skip
            sums[A_SQUARES] = merged_squares(
                count, sums[A_TOTAL], sums[A_SQUARES], bars, total, squares
            )
            sums[A_TOTAL] += total
