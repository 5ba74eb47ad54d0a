from datetime import date, timedelta

import pytest

from engine.expiries import NO_EXPIRY, Expiries, choose_expiry, day_of_month, is_expiry

EPOCH = date(1970, 1, 1)
ANY, WEEKLY, MONTHLY = int(Expiries.ANY), int(Expiries.WEEKLY), int(Expiries.MONTHLY)


def number(day: date) -> int:
    return (day - EPOCH).days


def chosen(today: date, target: int, lowest: int, highest: int, expiries: int) -> date | None:
    day = choose_expiry(number(today), target, lowest, highest, expiries)
    return None if day == NO_EXPIRY else EPOCH + timedelta(days=day)


def test_day_of_month_equals_the_calendar() -> None:
    for day in range(number(date(1895, 1, 1)), number(date(2110, 1, 1))):
        assert day_of_month(day) == (EPOCH + timedelta(days=day)).day


def test_weekly_expiries_are_fridays_and_monthly_ones_the_third() -> None:
    for offset in range(5 * 366):
        day = date(2022, 1, 1) + timedelta(days=offset)
        friday = day.weekday() == 4
        third = (
            friday and sum((day - timedelta(days=7 * n)).month == day.month for n in range(5)) == 3
        )
        assert is_expiry(number(day), ANY)
        assert is_expiry(number(day), WEEKLY) == friday
        assert is_expiry(number(day), MONTHLY) == third


def test_known_monthly_expiries() -> None:
    for day in (date(2024, 3, 15), date(2024, 6, 21), date(2023, 9, 15), date(1969, 11, 21)):
        assert is_expiry(number(day), MONTHLY)
    for day in (date(2024, 3, 8), date(2024, 3, 22), date(2024, 3, 14)):
        assert not is_expiry(number(day), MONTHLY)


def test_any_day_is_the_target_itself() -> None:
    assert chosen(date(2024, 1, 1), 30, 20, 45, ANY) == date(2024, 1, 31)
    assert chosen(date(2024, 2, 1), 30, 30, 30, ANY) == date(2024, 3, 2)


def test_the_nearest_friday() -> None:
    monday = date(2024, 1, 1)
    assert chosen(monday, 30, 20, 45, WEEKLY) == date(2024, 2, 2)
    assert chosen(monday, 12, 1, 45, WEEKLY) == date(2024, 1, 12)


def test_of_two_equally_near_expiries_the_earlier_is_taken() -> None:
    """From Monday 1 January the third Fridays 19 January and 16 February are 18 and 46 days off."""
    assert chosen(date(2024, 1, 1), 32, 7, 60, MONTHLY) == date(2024, 1, 19)
    assert chosen(date(2024, 1, 1), 33, 7, 60, MONTHLY) == date(2024, 2, 16)
    assert chosen(date(2024, 1, 1), 32, 19, 60, MONTHLY) == date(2024, 2, 16)


@pytest.mark.parametrize(("lowest", "highest"), [(18, 18), (10, 18), (18, 40)])
def test_both_ends_of_the_window_count(lowest: int, highest: int) -> None:
    assert chosen(date(2024, 1, 1), lowest, lowest, highest, MONTHLY) == date(2024, 1, 19)


def test_no_expiry_in_the_window() -> None:
    assert chosen(date(2024, 1, 1), 25, 19, 45, MONTHLY) is None
    assert chosen(date(2024, 1, 1), 6, 5, 10, WEEKLY) is None


def test_every_choice_is_the_nearest() -> None:
    for offset in range(200):
        today = date(2024, 1, 1) + timedelta(days=offset)
        for expiries, weekly in ((WEEKLY, True), (MONTHLY, False)):
            days = [
                n
                for n in range(14, 61)
                if (day := today + timedelta(days=n)).weekday() == 4
                and (weekly or 15 <= day.day <= 21)
            ]
            best = min(days, key=lambda n: (abs(n - 30), n))
            assert chosen(today, 30, 14, 60, expiries) == today + timedelta(days=best)
