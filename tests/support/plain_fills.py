"""A slow reading of how signals become fills, in plain Python with long and short spelled out.

Written apart from the kernel and in another shape (an account object, orders as words), so that
the two agree only if both read the rules alike.
"""

import math
from dataclasses import dataclass, field


@dataclass
class PlainRules:
    fill_on: str = "nextOpen"
    fee_rate: float = 0.0
    fee_per_trade: float = 0.0
    slippage: float = 0.0
    sizing: str = "equityFraction"
    size: float = 1.0
    whole_units: bool = False
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    intrabar: str = "pessimistic"
    close_at_end: bool = False
    max_cycles: int | None = None


@dataclass
class PlainTrade:
    side: str
    units: float
    entry_bar: int
    entry_price: float
    entry_fee: float
    cash_before: float
    seen: list[float] = field(default_factory=list)  # prices held through, entry price first
    highs: list[float] = field(default_factory=list)  # of bars held to their close
    lows: list[float] = field(default_factory=list)
    exit_bar: int | None = None
    exit_price: float | None = None
    exit_fee: float = 0.0
    reason: str = "open"
    ambiguous: bool = False
    cash_after: float | None = None

    def profit(self, price: float) -> float:
        gain = price - self.entry_price if self.side == "long" else self.entry_price - price
        return gain * self.units - self.entry_fee - self.exit_fee


class PlainAccount:
    def __init__(self, rules: PlainRules, capital: float) -> None:
        self.rules = rules
        self.cash = capital
        self.trade: PlainTrade | None = None
        self.trades: list[PlainTrade] = []
        self.fees = 0.0
        self.ruined = False
        self.unfilled = 0

    def worth(self, price: float) -> float:
        if self.trade is None:
            return self.cash
        if self.trade.side == "long":
            return self.cash + self.trade.units * price
        return self.cash - self.trade.units * price

    def fee(self, units: float, price: float) -> float:
        return units * price * self.rules.fee_rate + self.rules.fee_per_trade

    def open(self, side: str, market: float, bar: int) -> None:
        done = sum(trade.exit_bar is not None for trade in self.trades)
        if self.rules.max_cycles and done >= self.rules.max_cycles:
            return
        slip = self.rules.slippage
        price = market * (1 + slip) if side == "long" else market * (1 - slip)
        if self.rules.sizing == "equityFraction":
            units = self.rules.size * self.cash / price
        elif self.rules.sizing == "notional":
            units = self.rules.size / price
        else:
            units = self.rules.size
        if units * price + self.fee(units, price) > self.cash:
            units = (self.cash - self.rules.fee_per_trade) / (price * (1 + self.rules.fee_rate))
        if self.rules.whole_units:
            units = float(math.floor(units + 1e-9))
        if units <= 0 or self.cash - self.rules.fee_per_trade <= 1e-12 * self.cash:
            self.unfilled += 1
            return
        fee = self.fee(units, price)
        self.trade = PlainTrade(side, units, bar, price, fee, self.cash, [price])
        self.trades.append(self.trade)
        self.fees += fee
        self.cash += (-units * price if side == "long" else units * price) - fee

    def close_at(self, price: float, bar: int, reason: str, ambiguous: bool = False) -> None:
        trade = self.trade
        assert trade is not None
        trade.exit_fee = self.fee(trade.units, price)
        self.fees += trade.exit_fee
        self.cash += trade.units * price * (1 if trade.side == "long" else -1) - trade.exit_fee
        trade.exit_bar, trade.exit_price, trade.reason = bar, price, reason
        trade.ambiguous, trade.cash_after = ambiguous, self.cash
        trade.seen.append(price)
        self.trade = None

    def sell_off(self, market: float, bar: int, reason: str, ambiguous: bool = False) -> None:
        """Close at a market or stop price, with slippage against the account."""
        assert self.trade is not None
        slip = -self.rules.slippage if self.trade.side == "long" else self.rules.slippage
        self.close_at(market * (1 + slip), bar, reason, ambiguous)


def _obey(account: PlainAccount, signals: tuple[bool, bool, bool, bool], price: float, bar: int):
    """Carry out one bar's signals at ``price``."""
    long_in, long_out, short_in, short_out = signals
    go_long = long_in and not long_out
    go_short = short_in and not short_out
    held = account.trade.side if account.trade else None
    if held is None:
        if go_long and not go_short:
            account.open("long", price, bar)
        elif go_short and not go_long:
            account.open("short", price, bar)
    elif held == "long":
        if go_short:
            account.sell_off(price, bar, "signal")
            account.open("short", price, bar)
        elif long_out:
            account.sell_off(price, bar, "signal")
    elif go_long:
        account.sell_off(price, bar, "signal")
        account.open("long", price, bar)
    elif short_out:
        account.sell_off(price, bar, "signal")


def _live_stop(trade: PlainTrade, rules: PlainRules) -> tuple[float, str] | None:
    """The tighter one of stop and trailing stop."""
    levels = []
    if trade.side == "long":
        if rules.stop_loss:
            levels.append((trade.entry_price * (1 - rules.stop_loss), "stopLoss"))
        if rules.trailing_stop:
            best = max([trade.entry_price, *trade.highs])
            levels.append((best * (1 - rules.trailing_stop), "trailingStop"))
        return max(levels, key=lambda level: level[0]) if levels else None
    if rules.stop_loss:
        levels.append((trade.entry_price * (1 + rules.stop_loss), "stopLoss"))
    if rules.trailing_stop:
        best = min([trade.entry_price, *trade.lows])
        levels.append((best * (1 + rules.trailing_stop), "trailingStop"))
    return min(levels, key=lambda level: level[0]) if levels else None


def _test_levels(account: PlainAccount, bar: int, o: float, h: float, lo: float) -> None:
    trade, rules = account.trade, account.rules
    assert trade is not None
    is_long = trade.side == "long"
    stop = _live_stop(trade, rules)
    target = None
    if rules.take_profit:
        target = trade.entry_price * (1 + rules.take_profit if is_long else 1 - rules.take_profit)
    if stop and (o <= stop[0] if is_long else o >= stop[0]):
        account.sell_off(o, bar, stop[1])
        return
    if target is not None and (o >= target if is_long else o <= target):
        account.close_at(o, bar, "takeProfit")
        return
    stop_hit = stop is not None and (lo <= stop[0] if is_long else h >= stop[0])
    target_hit = target is not None and (h >= target if is_long else lo <= target)
    both = stop_hit and target_hit
    if both:
        if rules.intrabar == "pessimistic":
            take_stop = True
        elif rules.intrabar == "optimistic":
            take_stop = False
        elif is_long:
            take_stop = o - lo <= h - o
        else:
            take_stop = h - o <= o - lo
    else:
        take_stop = stop_hit
    if take_stop:
        assert stop is not None
        account.sell_off(stop[0], bar, stop[1], both)
    elif target_hit:
        assert target is not None
        account.close_at(target, bar, "takeProfit", both)


@dataclass
class PlainRun:
    equity: list[float]
    holds: list[bool]
    account: PlainAccount


def plain_run(
    bars: list[tuple[float, float, float, float]],
    signals: list[tuple[bool, bool, bool, bool]],
    rules: PlainRules,
    capital: float,
) -> PlainRun:
    """``bars`` are (open, high, low, close); ``signals`` are (long in, out, short in, out)."""
    account = PlainAccount(rules, capital)
    equity, holds = [], []
    for bar, (o, h, lo, c) in enumerate(bars):
        if rules.fill_on == "nextOpen" and bar > 0 and not account.ruined:
            _obey(account, signals[bar - 1], o, bar)
        if account.trade is not None:
            _test_levels(account, bar, o, h, lo)
        if account.trade is not None:
            account.trade.highs.append(h)
            account.trade.lows.append(lo)
        if rules.fill_on == "close" and not account.ruined:
            _obey(account, signals[bar], c, bar)
        if account.worth(c) <= 0:
            account.ruined = True
            if account.trade is not None:
                account.sell_off(c, bar, "ruin")
        if account.trade is not None and rules.close_at_end and bar == len(bars) - 1:
            account.sell_off(c, bar, "endOfData")
            account.ruined = account.ruined or account.cash <= 0
        equity.append(account.worth(c))
        holds.append(account.trade is not None)
    return PlainRun(equity, holds, account)
