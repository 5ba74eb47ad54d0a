"""Interest, dividends, marks, cycles, trades' excursions and notes of the wheel."""

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import stdev

import numpy as np
import pytest

from engine import wheel
from engine.errors import Stopped
from engine.wheel_skips import Skip, skip_notes
from tests.support import wheel_runs
from tests.support.plain_wheel import black_scholes
from tests.support.wheel_runs import cycles, every_day, run, trades

NOTHING_SOLD = {"volatility": {"model": "constant", "value": 0.0}}


def test_cash_earns_interest_by_days_between_bars() -> None:
    dates = [date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)]
    simulation = run({**NOTHING_SOLD, "cashRate": 0.05}, [100.0] * 3, dates=dates)
    first = 10_000.0
    second = first * (1 + 0.05 * 3 / 365)
    third = second * (1 + 0.05 * 1 / 365)
    assert simulation.equity.tolist() == pytest.approx([first, second, third], rel=1e-14)


def test_bars_of_one_day_earn_nothing_until_the_date_changes() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=8 * n) for n in range(4)]
    simulation = run({**NOTHING_SOLD, "cashRate": 0.05}, [100.0] * 4, dates=moments)
    later = 10_000.0 * (1 + 0.05 / 365)
    assert simulation.equity.tolist() == pytest.approx([10_000.0] * 3 + [later])


def test_interest_counts_the_premium_from_the_next_bar_on() -> None:
    parameters = {"cashRate": 0.1, "dte": 1}
    simulation = run(parameters, [100.0, 105.0], capital=10_000.0)
    premium = 100 * trades(simulation)[0]["entryPrice"]
    assert simulation.equity[1] == pytest.approx((10_000.0 + premium) * (1 + 0.1 / 365))


def test_negative_cash_costs_no_interest() -> None:
    parameters = {"cashRate": 0.5, "dte": 1, "assignmentFee": 5_000.0}
    simulation = run(parameters, [100.0, 90.0, 90.0])
    put, _, call = trades(simulation)
    cash = 10_000.0 + 100 * put["entryPrice"]
    cash = cash * (1 + 0.5 / 365) - 10_000.0 - 5_000.0
    assert cash < 0
    assert simulation.equity[1] == pytest.approx(cash + 9_000.0)
    value = black_scholes("call", 90.0, call["strike"], 1 / 365, 0, 0, 0.25)
    assert call["entryPrice"] == pytest.approx(value, rel=1e-9)
    assert simulation.equity[2] == pytest.approx(cash + 9_000.0)


def test_shares_earn_dividends_on_the_bars_close_by_days() -> None:
    """Shares held since the previous close; none on the bar of the assignment itself."""
    parameters = {"dte": 1, "dividendYield": 0.1, "spread": 1.0, "call": {"moneyness": 10.0}}
    dates = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 5)]
    simulation = run(parameters, [100.0, 90.0, 80.0], dates=dates)
    assert simulation.equity[1] == pytest.approx(9_000.0)
    assert simulation.equity[2] == pytest.approx(8_000.0 + 100 * 80.0 * 0.1 * 3 / 365)


def test_the_short_option_is_marked_every_bar_at_the_bars_volatility() -> None:
    quotes = wheel_runs.bars(every_day(3), [20.0, 40.0, 10.0], "VIX")
    chosen = {"volatility": {"model": "series", "symbol": "VIX"}, "riskFreeRate": 0.03}
    closes = [100.0, 97.0, 104.0]
    simulation = run(chosen, closes, series={"VIX": quotes})
    sold = black_scholes("put", 100.0, 100.0, 30 / 365, 0.03, 0, 0.2)
    marks = [
        black_scholes("put", close, 100.0, (30 - bar) / 365, 0.03, 0, sigma)
        for bar, (close, sigma) in enumerate(zip(closes, (0.2, 0.4, 0.1), strict=True))
    ]
    expected = [10_000.0 + 100 * (sold - mark) for mark in marks]
    assert simulation.equity.tolist() == pytest.approx(expected, rel=1e-12)


def test_shares_and_call_are_marked_together() -> None:
    simulation = run({"dte": 2}, [100.0, 100.0, 95.0, 96.0, 99.0])
    put, _, call = trades(simulation)
    cash = 100 * (put["entryPrice"] + call["entryPrice"])
    mark = black_scholes("call", 99.0, call["strike"], 1 / 365, 0, 0, 0.25)
    assert simulation.equity[4] == pytest.approx(cash + 100 * 99.0 - 100 * mark, rel=1e-12)
    assert call["pnl"] == pytest.approx(100 * (call["entryPrice"] - mark), rel=1e-9)
    assert call["exitIndex"] is None
    assert call["exitReason"] is None
    assert call["return"] == pytest.approx(call["pnl"] / (call["strike"] * 100), rel=1e-12)


def test_a_position_is_held_from_the_sale_to_the_bar_before_flat() -> None:
    simulation = run({"dte": 2}, [100.0 + bar for bar in range(6)], capital=50_000.0)
    assert simulation.holds_position.tolist() == [True, True, False, True, True, False]


def test_a_cycle_runs_from_flat_to_flat() -> None:
    closes = [100.0, 95.0, 96.0, 90.0, 90.0, 95.0, 90.0]
    simulation = run({"dte": 1, "commissionPerContract": 1.0}, closes)
    put, _, first_call, second_call = trades(simulation)[:4]
    done, unfinished = cycles(simulation)
    premiums = 100 * (put["entryPrice"] + first_call["entryPrice"] + second_call["entryPrice"])
    assert (done["startIndex"], done["endIndex"], done["completed"]) == (0, 5, True)
    assert done["startEquity"] == 10_000.0
    assert done["endEquity"] == simulation.equity[5]
    assert done["outcome"] == "calledAway"
    assert done["hadAssignment"]
    assert (done["assignmentPrice"], done["assignmentStrike"]) == (95.0, 100.0)
    assert (done["calledAwayPrice"], done["calledAwayStrike"]) == (95.0, second_call["strike"])
    assert done["premiumCollected"] == pytest.approx(premiums)
    assert (unfinished["startIndex"], unfinished["endIndex"]) == (6, 6)
    assert unfinished["startEquity"] == done["endEquity"]
    assert (unfinished["completed"], unfinished["outcome"]) == (False, None)
    assert unfinished["assignmentPrice"] is None


def test_start_equity_includes_the_interest_of_that_bar() -> None:
    rising = [100.0 + bar for bar in range(3)]
    simulation = run({"dte": 1, "cashRate": 0.1}, rising, capital=50_000.0)
    first, second = cycles(simulation)
    assert second["startIndex"] == 2
    assert second["startEquity"] == pytest.approx(first["endEquity"] * (1 + 0.1 / 365))


def test_an_unfinished_cycle_holding_shares_is_assigned() -> None:
    simulation = run({"dte": 1}, [100.0, 95.0])
    (cycle,) = cycles(simulation)
    assert (cycle["outcome"], cycle["completed"], cycle["endIndex"]) == ("assigned", False, 1)
    assert cycle["endEquity"] == simulation.equity[1]


def test_premium_collected_is_after_spread_before_commissions_and_buy_backs() -> None:
    parameters = {"dte": 10, "closeAtDte": 9, "spread": 0.1, "commissionPerContract": 2.0}
    simulation = run(parameters, [100.0, 100.0, 100.0], capital=20_000.0)
    first = 0.9 * black_scholes("put", 100.0, 100.0, 10 / 365, 0, 0, 0.25)
    assert cycles(simulation)[0]["premiumCollected"] == pytest.approx(100 * first)
    assert simulation.wheel is not None
    assert simulation.wheel.premium_collected == pytest.approx(200 * first)


def test_excursions_of_an_option_follow_its_marks() -> None:
    simulation = run({"dte": 3}, [100.0, 90.0, 105.0, 101.0])
    put = trades(simulation)[0]
    worst = black_scholes("put", 90.0, 100.0, 2 / 365, 0, 0, 0.25)
    assert put["mae"] == pytest.approx((put["entryPrice"] - worst) / put["entryPrice"], rel=1e-9)
    assert put["mfe"] == 1.0


def test_excursions_of_shares_follow_the_closes_they_were_held_at() -> None:
    simulation = run({"dte": 1}, [100.0, 95.0, 96.0, 90.0, 90.0, 150.0])
    shares = trades(simulation)[1]
    assert shares["mae"] == pytest.approx(-0.1)
    assert shares["mfe"] == 0.0
    still_open = trades(run({"dte": 1}, [100.0, 95.0, 99.0]))[1]
    assert still_open["mae"] == pytest.approx(-0.05)


def test_the_first_note_names_the_volatility() -> None:
    closes = [100.0, 102.0, 101.0, 99.0]
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    own = f"{stdev(returns) * math.sqrt(252):.2%}"
    constant = run({}, closes).notes[0]
    assert "model values" in constant
    assert "25.00%" in constant
    assert own in constant
    given = run({}, closes, pricePath=closes).notes[0]
    assert "25.00%" in given
    assert own not in given
    realized = run({"volatility": {"model": "realized", "window": 2}}, closes).notes[0]
    assert "realized volatility of the last 2 returns" in realized
    quotes = {"VIX": wheel_runs.bars(every_day(1), [20.0], "VIX")}
    series = {"model": "series", "symbol": "VIX", "scale": 0.87}
    quoted = run({"volatility": series}, closes, series=quotes).notes[0]
    assert "VIX" in quoted
    assert "0.87" in quoted


def test_one_bar_has_no_realized_volatility_to_name() -> None:
    assert "realized" not in run({}, [100.0]).notes[0]


def test_skipped_bars_are_told_in_spells_of_one_reason() -> None:
    skips = np.array([1, 1, 0, 1, 5, 5, 5, 0], dtype=np.int8)
    times = wheel_runs.bars(every_day(8), [1.0] * 8).times
    notes = skip_notes(skips, times, 100)
    assert [note.split(":")[0] for note in notes] == [
        "2024-01-01 to 2024-01-02 (2 bars)",
        "2024-01-04",
        "2024-01-05 to 2024-01-07 (3 bars)",
    ]
    assert "volatility" in notes[0]
    assert "cash" in notes[2]


def test_intraday_skips_are_told_with_their_time() -> None:
    moments = [datetime(2024, 1, 1, 15, 30, tzinfo=UTC)]
    times = wheel_runs.bars(moments, [1.0]).times
    assert skip_notes(np.array([2], np.int8), times, 5)[0].startswith("2024-01-01 15:30: ")


def test_a_long_list_of_skips_ends_in_a_count() -> None:
    skips = np.tile(np.array([Skip.CASH, Skip.NONE], np.int8), 1_000)
    times = wheel_runs.bars(every_day(2_000), [1.0] * 2_000).times
    notes = skip_notes(skips, times, 499)
    assert len(notes) == 499
    assert notes[-1].startswith("502 more spells without a sale or buy-back (502 bars)")
    assert len(skip_notes(skips, times, 1_000)) == 1_000


def test_a_run_without_skips_has_no_notes_about_them() -> None:
    assert skip_notes(np.zeros(5, np.int8), np.arange(5), 10) == []
    assert skip_notes(np.zeros(0, np.int8), np.arange(0), 10) == []


def test_progress_is_told_and_stopping_asked_after_each_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wheel, "CHUNK_BARS", 4)
    settings = wheel_runs.config({})
    candles = wheel_runs.bars(every_day(10), [100.0] * 10)
    told: list[float] = []
    wheel.simulate(settings, candles, 252.0, {}, told.append, lambda: False)
    assert told == [0.4, 0.8, 1.0]
    told.clear()
    with pytest.raises(Stopped):
        wheel.simulate(settings, candles, 252.0, {}, told.append, lambda: len(told) == 2)
    assert told == [0.4, 0.8]


def test_no_bars_are_no_run() -> None:
    simulation = run({}, [])
    assert len(simulation.equity) == 0
    assert len(simulation.trades) == 0
