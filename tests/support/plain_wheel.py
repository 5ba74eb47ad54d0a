"""The wheel read from its rules in plain Python, sharing nothing with the engine.

Slow and literal: dates are dates, the option is an object, the normal distribution is the
standard library's. Parameters are a config's JSON with every default filled in.
"""

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist, stdev
from typing import Any


def cumulative(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def black_scholes(
    kind: str, spot: float, strike: float, years: float, r: float, q: float, sigma: float
) -> float:
    sign = 1 if kind == "call" else -1
    forward = spot * math.exp(-q * years)
    paid = strike * math.exp(-r * years)
    total = sigma * math.sqrt(years)
    if total == 0:
        return max(0.0, sign * (forward - paid))
    d1 = math.log(forward / paid) / total + total / 2
    d2 = math.log(forward / paid) / total - total / 2
    value = sign * (forward * cumulative(sign * d1) - paid * cumulative(sign * d2))
    return max(value, sign * (forward - paid), 0.0)


@dataclass
class Option:
    kind: str
    contracts: int
    strike: float
    expiry: date
    sold_for: float
    trade: dict[str, Any]


@dataclass
class PlainWheel:
    """Everything the run leaves behind."""

    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    fees: float = 0.0
    income: float = 0.0
    premium: float = 0.0


def third_friday(day: date) -> bool:
    return day.weekday() == 4 and 15 <= day.day <= 21


def expiry_for(p: dict[str, Any], today: date) -> date | None:
    if isinstance(p["dte"], int):
        return today + timedelta(days=p["dte"])
    window = p["dte"]
    listed = {
        "any": lambda _: True,
        "weekly": lambda day: day.weekday() == 4,
        "monthly": third_friday,
    }[window["expiries"]]
    reach = range(window["min"], window["max"] + 1)
    candidates = [n for n in reach if listed(today + timedelta(days=n))]
    if not candidates:
        return None
    best = min(candidates, key=lambda n: (abs(n - window["target"]), n))
    return today + timedelta(days=best)


def strike_for(
    p: dict[str, Any], kind: str, close: float, years: float, sigma: float
) -> float | None:
    rule = p[kind]
    r, q = p["riskFreeRate"], p["dividendYield"]
    if "moneyness" in rule:
        m = rule["moneyness"]
        strike = close * (1 - m) if kind == "put" else close * (1 + m)
    else:
        probability = rule["delta"] * math.exp(q * years)
        if probability >= 1:
            return None
        d1 = NormalDist().inv_cdf(probability) * (1 if kind == "call" else -1)
        strike = close * math.exp((r - q + sigma**2 / 2) * years - d1 * sigma * math.sqrt(years))
    if p["strikeStep"]:
        steps = strike / p["strikeStep"]
        whole = math.floor(steps + 1e-6) if kind == "put" else math.ceil(steps - 1e-6)
        strike = whole * p["strikeStep"]
    return strike


def volatility_at(
    p: dict[str, Any],
    bar: int,
    dates: list[date],
    closes: list[float],
    bars_per_year: float,
    series: list[tuple[date, float]],
) -> float | None:
    chosen = p["volatility"]
    if chosen["model"] == "constant":
        return float(chosen["value"])
    if chosen["model"] == "series":
        known = [value for day, value in series if day <= dates[bar]]
        return known[-1] / 100 * chosen["scale"] if known else None
    window = chosen["window"]
    if bar < window:
        return None
    returns = [math.log(closes[i] / closes[i - 1]) for i in range(bar - window + 1, bar + 1)]
    return stdev(returns) * math.sqrt(bars_per_year) * chosen["scale"]


def plain_wheel(
    p: dict[str, Any],
    dates: list[date],
    closes: list[float],
    capital: float,
    bars_per_year: float = 252.0,
    max_cycles: int = 0,
    series: list[tuple[date, float]] | None = None,
) -> PlainWheel:
    out = PlainWheel()
    size = p["contractSize"]
    r, q = p["riskFreeRate"], p["dividendYield"]
    cash = capital
    shares = 0.0
    share_trade: dict[str, Any] = {}
    option: Option | None = None
    cycle: dict[str, Any] | None = None

    def pay_fee(amount: float) -> None:
        nonlocal cash
        cash -= amount
        out.fees += amount

    def finish(trade: dict[str, Any], bar: int, price: float, reason: str) -> None:
        trade.update(exitIndex=bar, exitPrice=price, exitReason=reason)

    for bar, (today, close) in enumerate(zip(dates, closes, strict=True)):
        sigma = volatility_at(p, bar, dates, closes, bars_per_year, series or [])

        def worth(held: Option, today: date = today, close: float = close, sigma=sigma) -> float:
            years = (held.expiry - today).days / 365
            return black_scholes(held.kind, close, held.strike, years, r, q, sigma)

        if bar:
            nights = (today - dates[bar - 1]).days
            interest = max(cash, 0.0) * p["cashRate"] * nights / 365
            dividends = shares * close * q * nights / 365
            cash += interest + dividends
            out.income += interest + dividends

        busy = False
        if option is not None:
            exercised = False
            if today >= option.expiry:
                gap = option.strike - close if option.kind == "put" else close - option.strike
                exercised = gap >= 0 or abs(gap) <= 1e-9 * option.strike
                busy = True
                if not exercised:
                    finish(option.trade, bar, 0.0, "expired")
            else:
                left = (option.expiry - today).days
                value = worth(option)
                wish = None
                profit, last_days = p["closeAtProfit"], p["closeAtDte"]
                if profit is not None and value <= (1 - profit) * option.sold_for:
                    wish = "closeAtProfit"
                elif last_days is not None and left <= last_days:
                    wish = "closeAtDte"
                if wish:
                    ask = value * (1 + p["spread"])
                    commission = p["commissionPerContract"] * option.contracts
                    bill = ask * size * option.contracts + commission
                    if bill <= cash:
                        cash -= ask * size * option.contracts
                        pay_fee(commission)
                        option.trade["fees"] += commission
                        finish(option.trade, bar, ask, wish)
                        busy = True
                    else:
                        out.skipped[bar] = "buy-back"
                if not busy and p["earlyAssignment"] == "deepInTheMoney" and left <= 4:
                    inside = (
                        option.strike - close if option.kind == "put" else close - option.strike
                    )
                    bid = value * (1 - p["spread"])
                    if inside > 0.05 * option.strike and inside > bid:
                        exercised = busy = True
            if exercised and option.kind == "put":
                finish(option.trade, bar, 0.0, "assigned")
                shares = option.contracts * size
                cash -= option.strike * shares
                pay_fee(p["assignmentFee"])
                share_trade = {
                    "instrument": "shares",
                    "entryIndex": bar,
                    "entryPrice": option.strike,
                    "quantity": shares,
                    "fees": p["assignmentFee"],
                    "basis": option.strike * shares,
                    "units": shares,
                    "exitReason": None,
                }
                out.trades.append(share_trade)
                cycle.update(
                    hadAssignment=True, assignmentPrice=close, assignmentStrike=option.strike
                )
            elif exercised:
                finish(option.trade, bar, 0.0, "calledAway")
                cash += option.strike * shares
                pay_fee(p["assignmentFee"])
                share_trade["fees"] += p["assignmentFee"]
                finish(share_trade, bar, option.strike, "calledAway")
                shares = 0.0
                cycle.update(calledAwayPrice=close, calledAwayStrike=option.strike)
            if busy:
                if not shares:
                    outcome = {"expired": "expiredOTM", "calledAway": "calledAway"}.get(
                        option.trade["exitReason"], "closed"
                    )
                    cycle.update(endIndex=bar, endEquity=cash, outcome=outcome, completed=True)
                    cycle = None
                option = None

        stopped = max_cycles and sum(c["completed"] for c in out.cycles) >= max_cycles
        if option is None and not busy and not (stopped and not shares):
            kind = "call" if shares else "put"
            why = None
            expiry = strike = None
            if sigma is None or sigma <= 0:
                why = "volatility"
            elif (expiry := expiry_for(p, today)) is None:
                why = "expiry"
            else:
                years = (expiry - today).days / 365
                strike = strike_for(p, kind, close, years, sigma)
                if strike is None:
                    why = "delta"
                else:
                    if kind == "call" and p["callFloor"] == "costBasis":
                        strike = max(strike, share_trade["entryPrice"])
                    if strike <= 0:
                        why = "strike"
            contracts = 0
            if why is None:
                if kind == "call":
                    contracts = round(shares / size)
                elif p["contracts"] == "max":
                    contracts = max(0, math.floor(cash / (strike * size)))
                elif cash >= strike * size * p["contracts"]:
                    contracts = p["contracts"]
                if not contracts:
                    why = "cash"
            if why:
                out.skipped[bar] = why
            else:
                if cycle is None:
                    cycle = {
                        "startIndex": bar,
                        "startEquity": cash,
                        "premiumCollected": 0.0,
                        "hadAssignment": False,
                        "completed": False,
                    }
                    out.cycles.append(cycle)
                value = black_scholes(kind, close, strike, (expiry - today).days / 365, r, q, sigma)
                bid = value * (1 - p["spread"])
                cash += bid * size * contracts
                cycle["premiumCollected"] += bid * size * contracts
                out.premium += bid * size * contracts
                commission = p["commissionPerContract"] * contracts
                pay_fee(commission)
                trade = {
                    "instrument": kind,
                    "entryIndex": bar,
                    "entryPrice": bid,
                    "quantity": contracts,
                    "fees": commission,
                    "basis": strike * size * contracts,
                    "units": -size * contracts,
                    "strike": strike,
                    "expiry": expiry,
                    "exitReason": None,
                }
                out.trades.append(trade)
                option = Option(kind, contracts, strike, expiry, value, trade)

        debt = option.contracts * size * worth(option) if option else 0.0
        out.equity.append(cash + shares * close - debt)
        out.cash.append(cash)
        out.shares.append(shares)

    for trade in out.trades:
        price = trade.get("exitPrice")
        if price is None:
            price = closes[-1] if trade["instrument"] == "shares" else worth(option)
        trade["pnl"] = (price - trade["entryPrice"]) * trade["units"] - trade["fees"]
        trade["return"] = trade["pnl"] / trade["basis"]
    if cycle is not None:
        cycle.update(
            endIndex=len(closes) - 1,
            endEquity=out.equity[-1],
            outcome="assigned" if shares else None,
        )
    return out
