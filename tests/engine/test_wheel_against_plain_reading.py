"""The kernel against a plain-Python reading of the same rules, over random paths and parameters."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from engine.wheel_parameters import WheelParameters
from engine.wheel_skips import REASONS, Skip
from tests.support import wheel_runs
from tests.support.plain_wheel import PlainWheel, plain_wheel

BLOCKS = 12
RUNS_A_BLOCK = 40
SKIPS = {
    "volatility": Skip.VOLATILITY,
    "expiry": Skip.EXPIRY,
    "delta": Skip.DELTA,
    "strike": Skip.STRIKE,
    "cash": Skip.CASH,
    "buy-back": Skip.BUY_BACK,
}


def random_dates(chance: random.Random, count: int) -> list[date | datetime]:
    first = date(2023, 1, 1) + timedelta(days=chance.randrange(400))
    kind = chance.choice(["weekdays", "every day", "weekly", "intraday", "gaps"])
    days: list[date | datetime] = []
    day = first
    if kind == "intraday":
        midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
        return [midnight + timedelta(hours=6 * n) for n in range(count)]
    while len(days) < count:
        if kind != "weekdays" or day.weekday() < 5:
            days.append(day)
        step = {"weekly": 7, "gaps": chance.choice([1, 1, 1, 2, 5, 40])}.get(kind, 1)
        day += timedelta(days=step)
    return days


def random_closes(chance: random.Random, count: int) -> list[float]:
    price = chance.choice([0.7, 20.0, 100.0, 100.0, 4_000.0])
    swing = chance.choice([0.0, 0.003, 0.01, 0.02, 0.05])
    drift = chance.choice([-0.002, 0.0, 0.001])
    grid = chance.choice([0.0, 0.0, price / 50])
    closes = []
    for _ in range(count):
        price *= math.exp(drift * (swing > 0) + swing * chance.gauss(0, 1))
        if chance.random() < 0.01:
            price *= chance.choice([0.7, 1.4])
        closes.append(max(round(price / grid), 1) * grid if grid else price)
    return closes


def random_dte(chance: random.Random) -> Any:
    if chance.random() < 0.5:
        return chance.choice([1, 2, 5, 7, 30, 45])
    target = chance.choice([3, 7, 20, 30])
    return {
        "target": target,
        "min": target - chance.choice([0, 1, 2]),
        "max": target + chance.choice([0, 2, 10, 30]),
        "expiries": chance.choice(["any", "weekly", "monthly"]),
    }


def random_parameters(chance: random.Random) -> dict[str, Any]:
    def strike() -> dict[str, float]:
        if chance.random() < 0.4:
            return {"delta": chance.choice([0.05, 0.3, 0.5, 0.8, 0.999])}
        return {"moneyness": chance.choice([-0.1, 0.0, 0.0, 0.02, 0.1])}

    volatility: dict[str, Any] = chance.choice(
        [
            {"model": "constant", "value": chance.choice([0.0, 0.1, 0.25, 0.6])},
            {"model": "constant", "value": 0.3},
            {"model": "realized", "window": chance.choice([2, 5, 20]), "scale": 1.1},
            {"model": "series", "symbol": "VIX", "scale": chance.choice([0.87, 1.0])},
        ]
    )
    return {
        "contracts": chance.choice([1, 1, 3, "max"]),
        "contractSize": chance.choice([100, 100, 1, 10.5]),
        "dte": random_dte(chance),
        "put": strike(),
        "call": strike(),
        "callFloor": chance.choice(["none", "costBasis"]),
        "strikeStep": chance.choice([0, 0, 0.5, 1, 5]),
        "volatility": volatility,
        "riskFreeRate": chance.choice([0.0, 0.05, 0.2, -0.01]),
        "dividendYield": chance.choice([0.0, 0.02, 0.3]),
        "cashRate": chance.choice([0.0, 0.04]),
        "commissionPerContract": chance.choice([0.0, 0.65, 20.0]),
        "assignmentFee": chance.choice([0.0, 5.0]),
        "spread": chance.choice([0.0, 0.03, 1.0]),
        "closeAtProfit": chance.choice([None, None, 0.5, 0.9, 1.0]),
        "closeAtDte": chance.choice([None, None, 0, 3, 21]),
        "earlyAssignment": chance.choice(["none", "deepInTheMoney"]),
    }


def expected_notes(plain: PlainWheel, moments: list[date | datetime]) -> list[str]:
    """Neighbouring bars skipped for one reason share a note."""

    def name(bar: int) -> str:
        moment = moments[bar]
        if isinstance(moment, datetime) and moment.hour:
            return f"{moment:%Y-%m-%d %H:%M}"
        return f"{moment:%Y-%m-%d}"

    notes = []
    spells = groupby(enumerate(sorted(plain.skipped)), lambda x: (x[1] - x[0], plain.skipped[x[1]]))
    for (_, why), members in spells:
        span = [bar for _, bar in members]
        when = name(span[0])
        if len(span) > 1:
            when = f"{when} to {name(span[-1])} ({len(span)} bars)"
        notes.append(f"{when}: {REASONS[SKIPS[why]]}")
    return notes


def cases(block: int) -> Iterator[tuple[dict[str, Any], list[Any], list[float], float, int, Any]]:
    for number in range(RUNS_A_BLOCK):
        chance = random.Random(f"wheel {block} {number}")
        count = chance.choice([1, 2, 40, 250])
        dates = random_dates(chance, count)
        closes = random_closes(chance, count)
        raw = random_parameters(chance)
        lots = chance.choice([0.9, 1.0, 1.3, 4.0, 20.0])
        capital = lots * closes[0] * raw["contractSize"]
        first = dates[0].date() if isinstance(dates[0], datetime) else dates[0]
        offset = chance.choice([-30, 0, 10])
        quotes = [
            (first + timedelta(days=offset + 2 * n), chance.uniform(8, 60)) for n in range(300)
        ]
        yield raw, dates, closes, capital, chance.choice([0, 0, 1, 3]), quotes


def agree(mine: Any, plain: Any, scale: float) -> bool:
    if isinstance(plain, float) and isinstance(mine, float):
        return math.isclose(mine, plain, rel_tol=1e-9, abs_tol=1e-9 * scale)
    return bool(mine == plain)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_kernel_equals_the_plain_reading(block: int) -> None:
    for raw, moments, closes, capital, max_cycles, quotes in cases(block):
        parameters = WheelParameters.model_validate(raw).model_dump(by_alias=True)
        dates = [day.date() if isinstance(day, datetime) else day for day in moments]
        plain = plain_wheel(parameters, dates, closes, capital, 252.0, max_cycles, quotes)
        vix = wheel_runs.bars([day for day, _ in quotes], [quote for _, quote in quotes], "VIX")
        run = wheel_runs.run(
            raw, closes, moments, capital, 252.0, {"VIX": vix}, maxCycles=max_cycles
        )
        context = f"{raw} maxCycles={max_cycles}"

        for bar, expected in enumerate(plain.equity):
            assert agree(float(run.equity[bar]), expected, capital), (context, bar)

        trades = wheel_runs.trades(run)
        assert len(trades) == len(plain.trades), context
        for trade, expected_trade in zip(trades, plain.trades, strict=True):
            price = expected_trade["basis"] / abs(expected_trade["units"])
            for name in ("instrument", "entryIndex", "exitIndex", "exitReason", "expiry"):
                assert trade[name] == expected_trade.get(name), (context, name, trade)
            for name in ("entryPrice", "exitPrice", "strike"):
                assert agree(trade[name], expected_trade.get(name), price), (context, name, trade)
            assert trade["quantity"] == expected_trade["quantity"], context
            assert agree(trade["fees"], float(expected_trade["fees"]), 1.0), context
            assert agree(trade["pnl"], expected_trade["pnl"], capital), (context, trade)
            assert agree(trade["return"], expected_trade["return"], 1.0), (context, trade)

        cycles = wheel_runs.cycles(run)
        assert len(cycles) == len(plain.cycles), context
        for cycle, expected_cycle in zip(cycles, plain.cycles, strict=True):
            for name, value in cycle.items():
                assert agree(value, expected_cycle.get(name), capital), (context, name, cycle)

        assert run.notes[1:] == expected_notes(plain, moments), context
        assert agree(run.fees_paid, float(plain.fees), capital), context
        assert run.wheel is not None
        assert agree(run.wheel.premium_collected, plain.premium, capital), context
        assert run.wheel.assignment_count == sum(c["hadAssignment"] for c in plain.cycles)
        assert run.wheel.called_away_count == sum("calledAwayPrice" in c for c in plain.cycles)
        held = [
            bool(s) or c != p
            for s, c, p in zip(plain.shares, plain.equity, plain.cash, strict=True)
        ]
        for bar, holds in enumerate(held):
            assert run.holds_position[bar] or not holds, (context, bar)


def test_the_random_runs_reach_every_rule() -> None:
    """Agreement means little where nothing happened."""
    reasons: set[str | None] = set()
    outcomes: set[str | None] = set()
    skipped: set[str] = set()
    for block in range(BLOCKS):
        for raw, moments, closes, capital, max_cycles, quotes in cases(block):
            parameters = WheelParameters.model_validate(raw).model_dump(by_alias=True)
            dates = [day.date() if isinstance(day, datetime) else day for day in moments]
            plain = plain_wheel(parameters, dates, closes, capital, 252.0, max_cycles, quotes)
            reasons |= {trade["exitReason"] for trade in plain.trades}
            outcomes |= {cycle["outcome"] for cycle in plain.cycles}
            skipped |= set(plain.skipped.values())
    assert reasons == set(wheel_runs.EXIT_NAMES.values())
    assert outcomes == set(wheel_runs.OUTCOME_NAMES.values())
    assert skipped == set(SKIPS)
