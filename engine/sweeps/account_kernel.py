"""The account of many variants over one tile, from event to event instead of bar by bar.

A flat account looks at nothing but the next entry's bit, a position only at its levels and its
marks. Every number is made by the same operations as in ``engine.fills_kernel`` and
``engine.return_kernels``, so that both give the same bits.
"""

import math

import numpy as np

from engine._jit import inlined, kernel
from engine.fills_kernel import units_to_open
from engine.levels import Intrabar
from engine.return_kernels import block_spread, merged_squares
from engine.simulation import FloatArray, IntArray
from engine.sweeps.bits import WORD_BARS, lowest_bit
from engine.sweeps.plane_kernels import TILE_WORDS, Planes

#: Columns of a variant's rules that are fractions or money, and of those that are whole.
(R_FEE_RATE, R_FEE_PER_TRADE, R_SLIPPAGE, R_SIZE, R_STOP, R_TARGET, R_TRAILING) = range(7)
RULE_NUMBERS = 7
(R_ON_CLOSE, R_SIZING, R_WHOLE_UNITS, R_INTRABAR, R_CLOSE_AT_END, R_MAX_CYCLES,
 R_LONG_ENTRY, R_LONG_EXIT, R_SHORT_ENTRY, R_SHORT_EXIT) = range(10)  # fmt: skip
RULE_CHOICES = 10

#: Columns of a variant's account: the position, the sums over bars, the sums over trades.
(A_CASH, A_UNITS, A_ENTRY_PRICE, A_ENTRY_FEE, A_BEST, A_FEES_PAID, A_EQUITY, A_PEAK, A_LOW,
 A_DEEPEST, A_GROWTH, A_GROWN_PEAK, A_GROWN_LOW, A_GROWN_DEEPEST, A_LOSSES, A_TOTAL, A_SQUARES,
 A_WON, A_LOST, A_GAINED, A_PIVOT, A_SHIFTED, A_SHIFTED_SQUARES, A_CAPITAL) = range(24)  # fmt: skip
ACCOUNT_NUMBERS = 24
(A_SIDE, A_PENDING, A_COMPLETED, A_IS_RUINED, A_RETURNS, A_HELD, A_TRADES, A_WINS,
 A_MOVED) = range(9)  # fmt: skip
ACCOUNT_COUNTS = 9

#: How much is counted: trades only, the equity's drawdown too, or the returns of every bar too.
TRADES, DRAWDOWN, RETURNS = range(3)
#: Far more than rounding can part the equity from the product of its returns.
GROWTH_MARGIN = 1e-6

_OPTIMISTIC = int(Intrabar.OPTIMISTIC)
_NEAREST_EXTREME = int(Intrabar.NEAREST_EXTREME)
_ONE = np.uint64(1)
_TOP = np.uint64(WORD_BARS - 1)
_ALL = ~np.uint64(0)
#: Rows of a variant's orders in a tile.
_LONG, _SHORT, _FLAT, _LEAVE_LONG, _LEAVE_SHORT = range(5)
ORDER_ROWS = 5


@kernel
def start_accounts(capital: FloatArray, account: FloatArray, counts: IntArray) -> None:
    """Nothing but cash, before the first bar."""
    account[:] = 0.0
    counts[:] = 0
    for row in range(len(capital)):
        for column in (A_CASH, A_EQUITY, A_PEAK, A_LOW, A_CAPITAL):
            account[row, column] = capital[row]
        account[row, A_GROWTH] = 1.0
        account[row, A_GROWN_PEAK] = 100.0
        account[row, A_GROWN_LOW] = 100.0


@kernel
def settle_drawdowns(account: FloatArray) -> None:
    """Count the drawdowns that have not ended."""
    account[A_DEEPEST] = min(
        account[A_DEEPEST], (account[A_LOW] - account[A_PEAK]) / account[A_PEAK]
    )
    account[A_GROWN_DEEPEST] = min(
        account[A_GROWN_DEEPEST],
        (account[A_GROWN_LOW] - account[A_GROWN_PEAK]) / account[A_GROWN_PEAK],
    )


@kernel
def _place_orders(choices: IntArray, counts: IntArray, planes: Planes, orders: Planes) -> None:
    """Where a flat account, a long and a short one have something to do, at the bar that fills.

    Under ``nextOpen`` that is one bar after the signal; ``counts`` keep the last one's.
    """
    long_entry, long_exit = choices[R_LONG_ENTRY], choices[R_LONG_EXIT]
    short_entry, short_exit = choices[R_SHORT_ENTRY], choices[R_SHORT_EXIT]
    pending = counts[A_PENDING]
    delay = choices[R_ON_CLOSE] == 0
    carry_long = np.uint64(pending & 1)
    carry_short = np.uint64((pending >> 1) & 1)
    carry_leave_long = np.uint64((pending >> 2) & 1)
    carry_leave_short = np.uint64((pending >> 3) & 1)
    for word in range(TILE_WORDS):
        leave_long = planes[long_exit, word]
        leave_short = planes[short_exit, word]
        long = planes[long_entry, word] & ~leave_long
        short = planes[short_entry, word] & ~leave_short
        leave_long |= short
        leave_short |= long
        if delay:
            orders[_LONG, word] = (long << _ONE) | carry_long
            orders[_SHORT, word] = (short << _ONE) | carry_short
            orders[_LEAVE_LONG, word] = (leave_long << _ONE) | carry_leave_long
            orders[_LEAVE_SHORT, word] = (leave_short << _ONE) | carry_leave_short
            carry_long = long >> _TOP
            carry_short = short >> _TOP
            carry_leave_long = leave_long >> _TOP
            carry_leave_short = leave_short >> _TOP
        else:
            orders[_LONG, word] = long
            orders[_SHORT, word] = short
            orders[_LEAVE_LONG, word] = leave_long
            orders[_LEAVE_SHORT, word] = leave_short
        orders[_FLAT, word] = orders[_LONG, word] ^ orders[_SHORT, word]
    if delay:
        counts[A_PENDING] = int(
            carry_long
            | (carry_short << np.uint64(1))
            | (carry_leave_long << np.uint64(2))
            | (carry_leave_short << np.uint64(3))
        )


@inlined
def _next_bit(orders: Planes, row: int, start: int, bars: int) -> int:
    """The first set bit of a row from ``start`` on, or ``bars`` if there is none before that."""
    place = bars
    if start < bars:
        word = start // WORD_BARS
        found = orders[row, word] & (_ALL << np.uint64(start % WORD_BARS))
        while found == 0 and (word + 1) * WORD_BARS < bars:
            word += 1
            found = orders[row, word]
        if found != 0:
            place = min(word * WORD_BARS + lowest_bit(found), bars)
    return place


@inlined
def _first_touch(
    begin: int, end: int, side: int, stop_distance: float, target_distance: float,
    trailing: float, entry_price: float, lowest: FloatArray, highest: FloatArray,
    favorable: FloatArray, account: FloatArray,
) -> int:  # fmt: skip
    """The first bar of begin … end − 1 that touches a level, or −1. Keeps the best price up.

    ``lowest`` and ``highest`` include the open; ``favorable`` is the high of a long, the low of a
    short position's bars.
    """
    stop = -math.inf
    target = math.inf
    if stop_distance > 0.0:
        stop = side * (entry_price * (1.0 - side * stop_distance))
    if target_distance > 0.0:
        target = side * (entry_price * (1.0 + side * target_distance))
    # A level is touched from above or from below, whichever side it belongs to.
    lower = stop if side > 0 else -target
    upper = target if side > 0 else -stop
    if trailing <= 0.0:
        for bar in range(begin, end):
            if (lowest[bar] <= lower) | (highest[bar] >= upper):
                return bar
        return -1
    best = account[A_BEST]
    for bar in range(begin, end):
        level = side * (best * (1.0 - side * trailing))
        if level > stop:
            if side > 0:
                lower = level
            else:
                upper = -level
        if (lowest[bar] <= lower) | (highest[bar] >= upper):
            account[A_BEST] = best
            return bar
        if side * favorable[bar] > side * best:
            best = favorable[bar]
    account[A_BEST] = best
    return -1


@kernel
def _touch_price(
    bar_open: float, adverse: float, favorable: float, side: int, slippage: float,
    stop_distance: float, target_distance: float, trailing: float, entry_price: float,
    best: float, intrabar: int,
) -> float:  # fmt: skip
    """The fill price on a bar that touches a level."""
    stop = -math.inf
    if stop_distance > 0.0:
        stop = side * (entry_price * (1.0 - side * stop_distance))
    if trailing > 0.0:
        stop = max(stop, side * (best * (1.0 - side * trailing)))
    target = math.inf
    if target_distance > 0.0:
        target = side * (entry_price * (1.0 + side * target_distance))
    if side * bar_open <= stop:
        return bar_open * (1.0 - side * slippage)
    if side * bar_open >= target:
        return bar_open
    stopped = side * adverse <= stop
    if stopped and side * favorable >= target:
        to_adverse = side * (bar_open - adverse)
        to_favorable = side * (favorable - bar_open)
        stopped = not (
            intrabar == _OPTIMISTIC or (intrabar == _NEAREST_EXTREME and to_favorable < to_adverse)
        )
    return side * stop * (1.0 - side * slippage) if stopped else side * target


@kernel
def _extremes(begin: int, end: int, bits: IntArray, both: IntArray) -> None:
    """Write the bits of the lowest and the highest of some prices to ``both``.

    Positive floats are in the order of their bits, and whole numbers are compared by the vector.
    """
    lowest = bits[begin]
    highest = bits[begin]
    for bar in range(begin + 1, end):
        lowest = min(lowest, bits[bar])
        highest = max(highest, bits[bar])
    both[0] = lowest
    both[1] = highest


@kernel
def _scan_drawdown(
    begin: int, end: int, cash: float, holding: float, close: FloatArray, account: FloatArray
) -> None:
    """Follow the equity's peaks and lows from bar to bar."""
    peak = account[A_PEAK]
    low = account[A_LOW]
    for bar in range(begin, end):
        value = cash + holding * close[bar]
        if value >= peak:
            account[A_DEEPEST] = min(account[A_DEEPEST], (low - peak) / peak)
            peak = value
            low = value
        low = min(low, value)
    account[A_PEAK] = peak
    account[A_LOW] = low


@kernel
def _scan_growth(count: int, growth: float, returns: FloatArray, account: FloatArray) -> None:
    """The same for the growth of 100 at ``returns``."""
    peak = account[A_GROWN_PEAK]
    low = account[A_GROWN_LOW]
    for place in range(count):
        growth *= 1.0 + returns[place]
        grown = growth * 100.0
        if grown > peak:
            account[A_GROWN_DEEPEST] = min(account[A_GROWN_DEEPEST], (low - peak) / peak)
            peak = grown
            low = grown
        low = min(low, grown)
    account[A_GROWN_PEAK] = peak
    account[A_GROWN_LOW] = low


@kernel
def _sum_returns(
    begin: int, end: int, tile: int, cash: float, holding: float, close: FloatArray,
    returns: FloatArray, account: FloatArray, counts: IntArray,
) -> None:  # fmt: skip
    """Write the returns of bars begin … end − 1 and add them up in their order."""
    returns[0] = (cash + holding * close[begin]) / account[A_EQUITY] - 1.0
    for bar in range(begin + 1, end):
        returns[bar - begin] = (cash + holding * close[bar]) / (
            cash + holding * close[bar - 1]
        ) - 1.0
    if begin == tile:
        account[A_PIVOT] = returns[0]
    pivot = account[A_PIVOT]
    shifted = account[A_SHIFTED]
    squares = account[A_SHIFTED_SQUARES]
    losses = account[A_LOSSES]
    growth = account[A_GROWTH]
    moved = 0
    for place in range(end - begin):
        change = returns[place]
        is_move = change != 0.0
        distance = change - pivot if is_move else 0.0
        moved += is_move
        shifted += distance
        squares += distance * distance
        loss = change if change < 0.0 else 0.0
        losses += loss * loss
        growth *= 1.0 + change
    account[A_SHIFTED] = shifted
    account[A_SHIFTED_SQUARES] = squares
    account[A_LOSSES] = losses
    account[A_GROWTH] = growth
    counts[A_MOVED] += moved


@inlined
def _mark(
    begin: int, end: int, tile: int, depth: int, cash: float, holding: float, close: FloatArray,
    close_bits: IntArray, returns: FloatArray, floats: FloatArray, both: IntArray,
    account: FloatArray, counts: IntArray,
) -> int:  # fmt: skip
    """Count the closes of bars begin … end − 1, held with ``cash`` and ``holding`` units.

    Stops before a bar that ends in ruin and returns it, else −1. Equity rises or falls with the
    close, rounding included, so the extremes of the closes tell what need not be looked at.
    """
    ruin = -1
    least = math.inf
    most = math.inf
    # What is bought with cash of its own is worth something at any price.
    if begin < end and (depth >= DRAWDOWN or holding < 0.0 or cash < 0.0):
        _extremes(begin, end, close_bits, both)
        least = cash + holding * (floats[0] if holding > 0.0 else floats[1])
        if least <= 0.0:
            ruin = begin
            while cash + holding * close[ruin] > 0.0:
                ruin += 1
            end = ruin
            if begin < end:
                _extremes(begin, end, close_bits, both)
                least = cash + holding * (floats[0] if holding > 0.0 else floats[1])
        most = cash + holding * (floats[1] if holding > 0.0 else floats[0])
    if begin >= end:
        return ruin
    if depth >= DRAWDOWN:
        if most >= account[A_PEAK]:
            _scan_drawdown(begin, end, cash, holding, close, account)
        else:
            account[A_LOW] = min(account[A_LOW], least)
    if depth >= RETURNS:
        growth = account[A_GROWTH]
        _sum_returns(begin, end, tile, cash, holding, close, returns, account, counts)
        # The growth of 100 is the equity but for rounding, of which the margin has plenty.
        scale = 100.0 / account[A_CAPITAL]
        if (
            most * scale * (1.0 + GROWTH_MARGIN) >= account[A_GROWN_PEAK]
            or least * scale * (1.0 - GROWTH_MARGIN) <= account[A_GROWN_LOW]
        ):
            _scan_growth(end - begin, growth, returns, account)
    counts[A_HELD] += end - begin
    account[A_EQUITY] = cash + holding * close[end - 1]
    return ruin


@inlined
def _mark_flat(
    bar: int, tile: int, depth: int, returns: FloatArray, close: FloatArray, account: FloatArray,
    counts: IntArray,
) -> None:  # fmt: skip
    """Count the close of the bar on which a position ended."""
    cash = account[A_CASH]
    if depth >= DRAWDOWN:
        _scan_drawdown(bar, bar + 1, cash, 0.0, close, account)
    if depth >= RETURNS:
        growth = account[A_GROWTH]
        _sum_returns(bar, bar + 1, tile, cash, 0.0, close, returns, account, counts)
        _scan_growth(1, growth, returns, account)
    account[A_EQUITY] = cash
    if cash <= 0.0:
        counts[A_IS_RUINED] = 1


@inlined
def _close_position(price: float, rules: FloatArray, account: FloatArray, counts: IntArray) -> None:
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


@inlined
def _open_position(
    wanted: int, market: float, rules: FloatArray, choices: IntArray, account: FloatArray,
    counts: IntArray,
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
def _has_bit(orders: Planes, row: int, place: int) -> bool:
    return bool((orders[row, place // WORD_BARS] >> np.uint64(place % WORD_BARS)) & _ONE)


@inlined
def _run_variant(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    close: FloatArray, lowest: FloatArray, highest: FloatArray, rules: FloatArray,
    choices: IntArray, account: FloatArray, counts: IntArray, orders: Planes,
    returns: FloatArray, close_bits: IntArray, floats: FloatArray, both: IntArray, depth: int,
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
                bar = first + _next_bit(orders, _FLAT, next_order - first, bars)
            if exited >= 0 and bar > exited:
                _mark_flat(exited, first, depth, returns, close, account, counts)
                exited = -1
                if counts[A_IS_RUINED] != 0:
                    bar = last
            if bar >= last:
                break
            wanted = 1 if _has_bit(orders, _LONG, bar - first) else -1
            next_order = bar + 1
            if _open_position(wanted, market[bar], rules, choices, account, counts):
                exited = -1
                mark_from = bar
                live_from = bar + live_after
            continue

        leave = _LEAVE_LONG if side > 0 else _LEAVE_SHORT
        order = first + _next_bit(orders, leave, next_order - first, bars)
        touched = -1
        if has_levels:
            touched = _first_touch(
                live_from, min(order + live_after, last), side, stop, target, trailing,
                account[A_ENTRY_PRICE], lowest, highest, high if side > 0 else low, account,
            )  # fmt: skip
        end = order if touched < 0 else touched
        at_end = closes_now and end >= last
        ruin = _mark(
            mark_from, last - 1 if at_end else end, first, depth, account[A_CASH],
            side * account[A_UNITS], close, close_bits, returns, floats, both, account, counts,
        )  # fmt: skip
        if ruin >= 0 or at_end:
            exited = ruin if ruin >= 0 else last - 1
            _close_position(close[exited] * (1.0 - side * slippage), rules, account, counts)
            if ruin >= 0:
                counts[A_IS_RUINED] = 1
            next_order = last
        elif touched >= 0:
            adverse = low[touched] if side > 0 else high[touched]
            favorable = high[touched] if side > 0 else low[touched]
            price = _touch_price(
                open_[touched], adverse, favorable, side, slippage, stop, target, trailing,
                account[A_ENTRY_PRICE], account[A_BEST], choices[R_INTRABAR],
            )  # fmt: skip
            _close_position(price, rules, account, counts)
            exited = touched
            next_order = touched + 1 - live_after
        elif order < last:
            _close_position(market[order] * (1.0 - side * slippage), rules, account, counts)
            exited = order
            next_order = order + 1
            reverses = _has_bit(orders, _SHORT if side > 0 else _LONG, order - first)
            if (
                reverses
                and (max_cycles == 0 or counts[A_COMPLETED] < max_cycles)
                and _open_position(-side, market[order], rules, choices, account, counts)
            ):
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
    returns: FloatArray, both: IntArray, depth: int, begin_row: int, end_row: int,
) -> None:  # fmt: skip
    """Run bars first … last − 1, a tile, of the variants in rows begin_row … end_row − 1.

    Args:
        open_, high, low, close: all bars; ``lowest`` and ``highest`` those of open and range.
        rules, choices: (V, RULE_NUMBERS) and (V, RULE_CHOICES), one row a variant.
        account, counts: (V, ACCOUNT_NUMBERS) and (V, ACCOUNT_COUNTS), kept up.
        planes: the tile's conditions.
        orders, returns, both: scratch of (ORDER_ROWS, TILE_WORDS), TILE_BARS and 2.
        depth: TRADES, DRAWDOWN or RETURNS.
    """
    close_bits = close.view(np.int64)
    floats = both.view(np.float64)
    for row in range(begin_row, end_row):
        sums, numbers = account[row], counts[row]
        _place_orders(choices[row], numbers, planes, orders)
        sums[A_PIVOT] = 0.0
        sums[A_SHIFTED] = 0.0
        sums[A_SHIFTED_SQUARES] = 0.0
        numbers[A_MOVED] = 0
        _run_variant(
            first, last, open_, high, low, close, lowest, highest, rules[row], choices[row],
            sums, numbers, orders, returns, close_bits, floats, both, depth,
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
