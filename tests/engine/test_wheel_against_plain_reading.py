"""The kernel against a plain-Python reading of the same rules, over random paths and parameters."""

import math
from datetime import date, datetime
from itertools import groupby
from typing import Any

import pytest

from engine.wheel_parameters import WheelParameters
from engine.wheel_skips import REASONS, Skip
from tests.support import wheel_runs
from tests.support.plain_wheel import PlainWheel, plain_wheel
from tests.support.random_wheels import cases

BLOCKS = 12
SKIPS = {
    "volatility": Skip.VOLATILITY,
    "expiry": Skip.EXPIRY,
    "delta": Skip.DELTA,
    "strike": Skip.STRIKE,
    "cash": Skip.CASH,
    "buy-back": Skip.BUY_BACK,
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

        gains = sum(trade["pnl"] for trade in trades) + plain.income
        assert agree(gains, float(run.equity[-1]) - capital, capital), context

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
