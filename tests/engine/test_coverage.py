"""A run that finds fewer days than it was to have says so, and closed markets are not missed."""

from typing import Any

import pytest

from engine import run_backtest, simulate
from engine.candles import Candles
from engine.coverage import range_note
from engine.parsing import parse_config
from tests.support.markets import DAY, config, milliseconds, walk

FRIDAY, MONDAY = "2020-04-10", "2020-04-13"


def note(candles: Candles, start: str, end: str, **changes: Any) -> str | None:
    return range_note(parse_config(config(startDate=start, endDate=end, **changes)), candles)


def from_day(text: str, count: int, timeframe: str = "1d") -> Candles:
    first = milliseconds(f"{text}T00:00:00+00:00")
    return walk(count, first=first, timeframe=timeframe)


def sessions(start: str, days: int) -> Candles:
    """As many calendar days from ``start`` on, those that open on a Saturday or Sunday left out."""
    every_day = from_day(start, days)
    weekdays = (every_day.times // DAY + 3) % 7 < 5
    columns = ("times", "open", "high", "low", "close", "volume")
    kept = [getattr(every_day, name)[weekdays] for name in columns]
    return Candles("SPY", "1d", *kept)


def test_a_run_over_fewer_days_than_asked_for_is_noted_with_both_ranges() -> None:
    asked = config(startDate="2019-06-01", endDate="2020-12-31", parameters={"fast": 3, "slow": 8})
    result = run_backtest(asked, walk(60))
    assert result.bars == 60
    assert result.notes == [
        "Candles from 2019-06-01 to 2020-12-31 were asked for; there are 60, "
        "from 2020-01-01 to 2020-02-29, and the run is over these."
    ]


def test_the_note_changes_no_number() -> None:
    candles = walk(60)
    exact = config(startDate="2020-01-01", endDate="2020-02-29")
    wide = config(startDate="2019-01-01", endDate="2021-12-31")
    one, other = run_backtest(exact, candles), run_backtest(wide, candles)
    assert one.result_digest == other.result_digest
    assert len(other.notes) == len(one.notes) + 1


def test_a_wheel_says_first_where_its_premiums_come_from() -> None:
    account = simulate(config("wheel", startDate="2019-01-01", endDate="2021-12-31"), walk(60))
    assert account.notes[0].startswith("Premiums are model values")
    assert account.notes[1].startswith("Candles from 2019-01-01 to 2021-12-31 were asked for")


def test_a_sleeve_has_its_own_note() -> None:
    sleeves = [
        {"weight": 0.5, "config": {"strategyId": "buyAndHold"}},
        {"weight": 0.5, "config": {"strategyId": "buyAndHold", "symbol": "NEW"}},
    ]
    asked = config(
        "portfolio",
        startDate="2020-01-01",
        endDate="2020-02-29",
        parameters={"sleeves": sleeves},
    )
    young = from_day("2020-02-01", 29)
    notes = run_backtest(asked, {"SPY": walk(60), "NEW": young}).notes
    assert [one.split(":")[0] for one in notes] == ["Sleeve 1 (buyAndHold on NEW)"]


@pytest.mark.parametrize(
    ("start", "end", "is_noted"),
    [
        ("2020-01-01", "2020-02-29", False),
        ("2020-01-01", "2020-03-01", True),
        ("2019-12-31", "2020-02-29", True),
        ("2019-12-31T01:00:00Z", "2020-02-29", False),
        ("2020-02-01", "2020-02-10", False),
    ],
)
def test_around_the_clock_a_missing_day_is_noted(start: str, end: str, is_noted: bool) -> None:
    candles = walk(60).between(
        parse_config(config(startDate=start)).start, parse_config(config(endDate=end)).end
    )
    assert (note(candles, start, end) is not None) is is_noted


@pytest.mark.parametrize(
    ("start", "end", "is_noted"),
    [
        (FRIDAY, "2020-06-05", False),
        ("2020-04-09", "2020-06-05", True),
        ("2020-04-14", "2020-06-09", False),
        ("2020-04-14", "2020-06-12", True),
    ],
)
def test_a_long_weekend_is_no_missing_day(start: str, end: str, is_noted: bool) -> None:
    """The Monday after Easter is a holiday: Friday to Monday there is no bar."""
    held = sessions("2020-04-14", 53)
    assert f"{held.time_of(-1):%Y-%m-%d}" == "2020-06-05"
    assert (note(held, start, end) is not None) is is_noted


def test_a_week_that_has_begun_is_not_missed() -> None:
    weeks = from_day(MONDAY, 20, "1w")
    assert note(weeks, "2020-04-07", "2020-09-06", timeframe="1w") is None
    assert note(weeks, "2020-04-05", "2020-09-06", timeframe="1w") is not None


def test_a_price_path_is_all_there_is() -> None:
    path = config(pricePath=[10.0, 11.0, 12.0], startDate="2020-01-01", endDate="2025-01-01")
    assert run_backtest(path).notes == simulate(path).notes
    assert not any("asked for" in one for one in run_backtest(path).notes)
