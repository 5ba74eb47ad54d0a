"""The wheel from config to result document on real bars, against the plain reading."""

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from engine import Candles, parse_config, run_backtest
from engine.candles import to_milliseconds
from tests.support.plain_wheel import PlainWheel, plain_wheel

SAMPLES = Path(__file__).parents[2] / "samples"
START, END = date(2013, 10, 1), date(2018, 12, 31)
CONFIGS: list[dict[str, Any]] = [
    {},
    {
        "contracts": "max",
        "contractSize": 10,
        "dte": {"target": 30, "min": 14, "max": 60, "expiries": "monthly"},
        "put": {"delta": 0.3},
        "call": {"delta": 0.25},
        "callFloor": "costBasis",
        "strikeStep": 5,
        "volatility": {"model": "series", "symbol": "VIX", "scale": 0.87},
        "riskFreeRate": 0.02,
        "dividendYield": 0.018,
        "cashRate": 0.01,
        "commissionPerContract": 0.65,
        "assignmentFee": 5,
        "spread": 0.02,
        "closeAtProfit": 0.5,
        "closeAtDte": 7,
        "earlyAssignment": "deepInTheMoney",
    },
    {
        "dte": 7,
        "volatility": {"model": "realized", "window": 30, "scale": 1.1},
        "put": {"moneyness": 0.01},
        "call": {"moneyness": 0.01},
    },
]


def candles_of(symbol: str) -> Candles:
    with (SAMPLES / f"{symbol}-1d.csv").open() as file:
        rows = list(csv.DictReader(file))
    first = next(iter(rows[0]))
    times = [to_milliseconds(datetime.fromisoformat(row[first] + "T00:00:00Z")) for row in rows]
    return Candles.from_closes(symbol, "1d", times, [float(row["close"]) for row in rows])


@pytest.fixture(scope="module")
def market() -> dict[str, Candles]:
    return {symbol: candles_of(symbol) for symbol in ("SPX", "VIX")}


def days_and_closes(candles: Candles, last: date) -> list[tuple[date, float]]:
    return [
        (candles.time_of(bar).date(), float(close))
        for bar, close in enumerate(candles.close)
        if candles.time_of(bar).date() <= last
    ]


def both(given: dict[str, Any], market: dict[str, Candles]) -> tuple[dict[str, Any], PlainWheel]:
    raw = {
        "strategyId": "wheel",
        "symbol": "SPX",
        "startDate": START.isoformat(),
        "endDate": END.isoformat(),
        "startingCapital": 250_000,
        "parameters": given,
    }
    document = run_backtest(parse_config(raw), market).to_document()
    bars = [(day, close) for day, close in days_and_closes(market["SPX"], END) if day >= START]
    plain = plain_wheel(
        document["configUsed"]["parameters"],
        [day for day, _ in bars],
        [close for _, close in bars],
        250_000.0,
        252.0,
        0,
        days_and_closes(market["VIX"], END),
    )
    return document, plain


@pytest.mark.parametrize("given", CONFIGS)
def test_result_equals_the_plain_reading(given: dict[str, Any], market: dict[str, Candles]) -> None:
    document, plain = both(given, market)
    assert document["configUsed"]["annualization"] == 252
    assert document["equityCurve"] == pytest.approx(plain.equity, rel=1e-9)
    assert len(document["trades"]) == len(plain.trades) > 50
    for trade, expected in zip(document["trades"], plain.trades, strict=True):
        assert trade["instrument"] == expected["instrument"]
        assert trade["exitReason"] == expected["exitReason"]
        assert (trade["entryIndex"], trade["exitIndex"]) == (
            expected["entryIndex"],
            expected.get("exitIndex"),
        )
        assert trade["pnl"] == pytest.approx(expected["pnl"], rel=1e-9, abs=1e-6)
        if trade["instrument"] != "shares":
            assert trade["expiry"] == f"{expected['expiry']}T00:00:00Z"
            assert trade["strike"] == pytest.approx(expected["strike"], rel=1e-9)
    for cycle, expected in zip(document["cycles"], plain.cycles, strict=True):
        assert cycle["outcome"] == expected["outcome"]
        assert (cycle["startIndex"], cycle["endIndex"]) == (
            expected["startIndex"],
            expected["endIndex"],
        )
        assert cycle["cycleReturn"] == pytest.approx(
            expected["endEquity"] / expected["startEquity"] - 1, abs=1e-9
        )
    metrics = document["metrics"]
    assert metrics["premiumCollected"] == pytest.approx(plain.premium, rel=1e-9)
    assert metrics["feesPaid"] == pytest.approx(plain.fees, abs=1e-9)
    assert metrics["assignmentCount"] == sum(cycle["hadAssignment"] for cycle in plain.cycles)
    assert document["cyclesCompleted"] == sum(cycle["completed"] for cycle in plain.cycles)


def test_a_constant_volatility_is_set_against_the_realized_one(
    market: dict[str, Candles],
) -> None:
    """The S&P 500 of these five years moved by about 13 % a year."""
    document, _ = both({}, market)
    assert document["notes"][0].startswith("Premiums are model values")
    assert (
        "constant volatility of 25.00%; the realized volatility of this run's closes is 1"
        in (document["notes"][0])
    )
