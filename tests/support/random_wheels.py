"""Random paths and parameters for the wheel, made to reach every one of its rules."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

RUNS_A_BLOCK = 40


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
