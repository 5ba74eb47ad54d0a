"""Figures as people read them; a figure that does not exist is a dash."""

MISSING = "–"


def money(value: float | None) -> str:
    """In the quote currency, to the hundredth."""
    return MISSING if value is None else f"{value:,.2f}"


def percent(value: float | None) -> str:
    """A fraction as a percentage."""
    return MISSING if value is None else f"{value:.2%}"


def number(value: float | None) -> str:
    """A ratio."""
    return MISSING if value is None else f"{value:.2f}"


def count(value: int | None) -> str:
    """How many."""
    return MISSING if value is None else f"{value:,}"


def bars(value: int) -> str:
    """How many bars."""
    return f"{value:,} bar{'s' * (value != 1)}"


def days(value: float | None) -> str:
    """A time in days; a short one with its tenths."""
    if value is None:
        return MISSING
    return f"{value:,.{int(abs(value) < 10)}f}".removesuffix(".0") + " days"


def price(value: float | None) -> str:
    """Hundredths, and as many places more as a small price needs."""
    if value is None:
        return MISSING
    return money(value) if abs(value) >= 1 else f"{value:.6g}"


def quantity(value: float | None) -> str:
    """Units or contracts, without zeros at the end."""
    if value is None:
        return MISSING
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def plain(name: str | None) -> str:
    """An enumeration without the class name that older clients expect in front."""
    return str(name).rpartition(".")[2]
