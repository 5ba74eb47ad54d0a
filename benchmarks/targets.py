"""What a benchmark hands to the table: a figure beside its target, and how it is measured."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: How long one call has the processor before it is a peer's turn.
TURN_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``at_most``: whether the target is an upper bound.

    ``detail`` says what the ratio was made of, in times of this machine. A line without a target
    is there to be compared with another one.
    """

    what: str
    figure: float
    target: float | None
    stretch: float | None
    unit: str
    at_most: bool
    detail: str

    @property
    def verdict(self) -> str:
        """``stretch``, ``reached`` or ``missed``; nothing without a target."""
        if self.target is None or self.stretch is None:
            return ""
        if self._meets(self.stretch):
            return "stretch"
        return "reached" if self._meets(self.target) else "missed"

    def _meets(self, bound: float) -> bool:
        return self.figure <= bound if self.at_most else self.figure >= bound


def medians(
    rounds: int,
    calls: Mapping[str, Callable[[], Any]],
    turn: float = TURN_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each call, after one that does not count.

    The calls take turns, so that noise meets all of them alike. A turn lasts ``turn`` seconds or
    one call, and a turn of several counts as their mean: warm means that what was called last was
    the same, not a peer that left its own things in the processor's cache. ``clock`` may be
    ``time.process_time``, of which other processes take nothing.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(_one_turn(call, turn, clock))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _one_turn(call: Callable[[], Any], turn: float, clock: Callable[[], float]) -> float:
    began = clock()
    count = 0
    while True:
        call()
        count += 1
        passed = clock() - began
        if passed >= turn:
            return passed / count


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


def summary(rows: Sequence[Row]) -> str:
    """How many targets were reached, and which were missed."""
    verdicts = [row.verdict for row in rows if row.verdict]
    missed = [row.what for row in rows if row.verdict == "missed"]
    reached = len(verdicts) - len(missed)
    lines = [
        f"{reached} of {len(verdicts)} targets reached, {verdicts.count('stretch')} of them with "
        "the stretch."
    ]
    if missed:
        lines.append(f"Missed: {'; '.join(missed)}.")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≤" if row.at_most else "≥"
    return (
        row.what,
        f"{row.figure:,.3g}{row.unit}" if row.figure < 1000 else f"{row.figure:,.0f}{row.unit}",
        "" if row.target is None else f"{sign} {row.target:,g}{row.unit}",
        "" if row.stretch is None else f"{sign} {row.stretch:,g}{row.unit}",
        row.verdict,
        row.detail,
    )
