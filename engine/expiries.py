"""Expiry dates by calendar rule. A day is its count since 1970-01-01 (UTC), a Thursday."""

from enum import IntEnum

from engine._jit import kernel


class Expiries(IntEnum):
    """On which days options expire; no exchange's holidays are known here."""

    ANY = 0
    WEEKLY = 1
    MONTHLY = 2


#: Stands for "no such day".
NO_EXPIRY = -(1 << 62)

_ANY = int(Expiries.ANY)
_WEEKLY = int(Expiries.WEEKLY)


@kernel
def day_of_month(day: int) -> int:
    """1…31, in the Gregorian calendar carried back without end.

    Years are counted from 1 March, so that the leap day comes last; 146,097 days are 400 years
    (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    """
    day_of_era = (day + 719468) % 146097
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    return day_of_year - (153 * month_from_march + 2) // 5 + 1


@kernel
def is_expiry(day: int, expiries: int) -> bool:
    """Whether options expire on ``day``: weekly ones on Fridays, monthly ones on the third."""
    if expiries == _ANY:
        return True
    is_friday = day % 7 == 1
    return is_friday and (expiries == _WEEKLY or 15 <= day_of_month(day) <= 21)


@kernel
def choose_expiry(today: int, target: int, lowest: int, highest: int, expiries: int) -> int:
    """The expiry ``lowest``…``highest`` days ahead that is nearest to ``target`` days ahead.

    Of two equally near the earlier one. ``NO_EXPIRY`` if there is none.
    """
    reach = max(abs(target - lowest), abs(highest - target))
    for distance in range(reach + 1):
        for days in (target - distance, target + distance):
            if lowest <= days <= highest and is_expiry(today + days, expiries):
                return today + days
    return NO_EXPIRY
