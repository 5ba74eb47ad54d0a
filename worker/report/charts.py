"""Equity and drawdown as inline SVG.

Lines are drawn on a canvas that is stretched to the width of the screen; their labels lie on top of
it at shares of the width, so that they are as large on a phone as on a wall.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from worker.report.markup import Markup, element, joined
from worker.report.scales import Scale, read_times, round_numbers, round_times
from worker.report.wording import money, percent, plain

REGIMES = ("uptrend", "sideways", "downtrend")

#: The canvas's own width, whatever the screen's is.
_WIDTH = 1_000.0
_EQUITY_HEIGHT = 260.0
_DRAWDOWN_HEIGHT = 130.0
_LANE_HEIGHT = 6.0
_LABELS_HEIGHT = 22.0
_HEADROOM = 16.0


@dataclass(frozen=True, slots=True)
class Curve:
    """The account over time: one value (money) for each time (seconds since 1970)."""

    times: Sequence[float]
    values: Sequence[float]
    starting_capital: float

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Curve":
        return cls(
            read_times(result["equityTimestamps"]),
            result["equityCurve"],
            result["configUsed"]["startingCapital"],
        )

    def drawdowns(self) -> list[float]:
        """Each value's distance from the highest so far, as a fraction ≤ 0."""
        peaks = accumulate(self.values, max, initial=self.starting_capital)
        next(peaks)
        return [value / peak - 1 for value, peak in zip(self.values, peaks, strict=True)]


def equity_chart(curve: Curve, segments: Sequence[Mapping[str, Any]]) -> Markup:
    """The account's value, with the market's regimes behind and below it."""
    low = min(curve.starting_capital, *curve.values)
    high = max(curve.starting_capital, *curve.values)
    across = _time_scale(curve)
    upward = Scale(low, high, _EQUITY_HEIGHT - _HEADROOM / 2, _HEADROOM)
    height = _EQUITY_HEIGHT + (_LANE_HEIGHT * len(REGIMES) if segments else 0.0)
    capital = upward.place(curve.starting_capital)
    return _chart(
        "equity",
        "Equity",
        f"From {money(curve.starting_capital)} to {money(curve.values[-1])}; "
        f"lowest {money(min(curve.values))}, highest {money(max(curve.values))}.",
        height,
        joined(
            *_bands(segments, across),
            element("path", d=f"M0 {capital:.1f}H{_WIDTH:.0f}", class_="capital"),
            element("path", d=_line(curve.times, curve.values, across, upward), class_="curve"),
        ),
        [(upward.place(value), f"{value:,.10g}") for value in round_numbers(low, high)],
        across,
    )


def drawdown_chart(curve: Curve) -> Markup:
    """How far the account was below its highest value so far."""
    drawdowns = curve.drawdowns()
    low = min(0.0, *drawdowns) or -0.01
    across = _time_scale(curve)
    upward = Scale(low, 0.0, _DRAWDOWN_HEIGHT - 4, _HEADROOM)
    line = _line(curve.times, drawdowns, across, upward)
    ground = upward.place(0.0)
    area = f"{line}V{ground:.1f}H{across.place(curve.times[0]):.1f}Z"
    return _chart(
        "drawdown",
        "Drawdown",
        f"At worst {percent(min(drawdowns))} below the highest value before.",
        _DRAWDOWN_HEIGHT,
        joined(
            element("path", d=area, class_="depth"), element("path", d=line, class_="depth-line")
        ),
        [
            (upward.place(value), f"{value * 100 + 0.0:.4g}%")
            for value in round_numbers(low, 0.0, most=4)
        ],
        across,
    )


def _time_scale(curve: Curve) -> Scale:
    return Scale(curve.times[0], curve.times[-1], 0.0, _WIDTH)


def _line(times: Sequence[float], values: Sequence[float], across: Scale, upward: Scale) -> str:
    points = (
        f"{across.place(time):.1f} {upward.place(value):.1f}"
        for time, value in zip(times, values, strict=True)
    )
    return "M" + "L".join(points)


def _bands(segments: Sequence[Mapping[str, Any]], across: Scale) -> Iterable[Markup]:
    """Each regime as a colour behind the curve, and in a lane of its own below it."""
    starts = read_times([segment["startDate"] for segment in segments])
    ends = [*starts[1:], *read_times([segment["endDate"] for segment in segments[-1:]])]
    for segment, start, end in zip(segments, starts, ends, strict=True):
        regime = plain(segment["regime"])
        left, right = across.place(start), across.place(max(start, end))
        lane = _EQUITY_HEIGHT + REGIMES.index(regime) * _LANE_HEIGHT
        width = max(right - left, 0.5)
        yield element(
            "rect", x=left, y=0, width=width, height=_EQUITY_HEIGHT, class_=f"band {regime}"
        )
        yield element(
            "rect", x=left, y=lane, width=width, height=_LANE_HEIGHT - 1, class_=f"lane {regime}"
        )


def _chart(
    key: str,
    title: str,
    summary: str,
    height: float,
    drawing: Markup,
    levels: Sequence[tuple[float, str]],
    across: Scale,
) -> Markup:
    grid = [element("path", d=f"M0 {y:.1f}H{_WIDTH:.0f}", class_="grid") for y, _ in levels]
    canvas = element(
        "svg",
        *grid,
        drawing,
        width="100%",
        height=height,
        viewBox=f"0 0 {_WIDTH:.0f} {height:.0f}",
        preserveAspectRatio="none",
    )
    heights = [element("text", label, x=4, y=y - 4, class_="level") for y, label in levels]
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", summary, id=f"{key}-summary"),
        canvas,
        *heights,
        *_dates(across, height),
        role="img",
        aria_labelledby=f"{key}-title {key}-summary",
        width="100%",
        height=height + _LABELS_HEIGHT,
    )


def _dates(across: Scale, height: float) -> Iterable[Markup]:
    first, last = (datetime.fromtimestamp(time, UTC) for time in (across.low, across.high))
    for time, label in round_times(first, last):
        share = across.place(time.timestamp()) / _WIDTH
        side = "start" if share < 0.1 else "end" if share > 0.9 else "middle"
        yield element(
            "text", label, x=f"{share:.2%}", y=height + 16, text_anchor=side, class_="date"
        )
