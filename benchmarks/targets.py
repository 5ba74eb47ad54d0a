"""What a benchmark hands to the table: a figure beside its target, and how it is measured."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``at_most``: whether the target is an upper bound.

    ``detail`` says what the ratio was made of, in times of this machine.
    """

    what: str
    figure: float
    target: float
    stretch: float
    unit: str
    at_most: bool
    detail: str

    @property
    def verdict(self) -> str:
        """``stretch``, ``reached`` or ``missed``."""
        if self._meets(self.stretch):
            return "stretch"
        return "reached" if self._meets(self.target) else "missed"

    def _meets(self, bound: float) -> bool:
        return self.figure <= bound if self.at_most else self.figure >= bound


def medians(rounds: int, calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The median seconds of each call, after one that does not count.

    The calls take turns, so that noise meets all of them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def table(rows: Sequence[Row]) -> str:
    """The rows under each other, columns aligned."""
    head = ("what", "here", "target", "stretch", "verdict", "made of")
    cells = [head, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head) - 1)]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*padded, row[-1]]).rstrip())
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≤" if row.at_most else "≥"
    return (
        row.what,
        f"{row.figure:,.3g}{row.unit}" if row.figure < 1000 else f"{row.figure:,.0f}{row.unit}",
        f"{sign} {row.target:,g}{row.unit}",
        f"{sign} {row.stretch:,g}{row.unit}",
        row.verdict,
        row.detail,
    )
