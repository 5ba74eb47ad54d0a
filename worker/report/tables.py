"""The tables of a result: metrics, regimes, cycles, trades."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from worker.report.charts import REGIMES
from worker.report.figures import groups
from worker.report.markup import Child, Markup, element, joined
from worker.report.wording import MISSING, count, money, percent, plain, price, quantity

#: One column: its heading, and whether its cells are numbers.
Column = tuple[str, bool]

_OUTCOMES = {
    "expiredOTM": "expired worthless",
    "assigned": "assigned",
    "calledAway": "called away",
    "closed": "closed",
}
_REASONS = {
    "signal": "signal",
    "stopLoss": "stop loss",
    "takeProfit": "take profit",
    "trailingStop": "trailing stop",
    "endOfData": "end of data",
    "ruin": "ruin",
    "expired": "expired",
    "assigned": "assigned",
    "calledAway": "called away",
    "closeAtProfit": "closed at profit",
    "closeAtDte": "closed before expiry",
}


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]]) -> Markup:
    """A table whose first column names the row. It scrolls by itself where it is too wide."""
    head = [
        element("th", name, scope="col", class_="number" if is_number else None)
        for name, is_number in columns
    ]
    lines = [
        element("tr", *(_cell(place, cell, columns) for place, cell in enumerate(row)))
        for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *head)),
            element("tbody", *lines),
        ),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def metrics_table(metrics: Mapping[str, Any]) -> Markup:
    """Every metric with its unit, a table a group."""
    columns = [("Metric", False), ("Value", True), ("Unit or meaning", False)]
    return joined(
        *(
            table(
                name,
                columns,
                [
                    (figure.name, figure.show(metrics[figure.key]), figure.meaning)
                    for figure in group
                ],
            )
            for name, group in groups(metrics)
        )
    )


def regimes_table(result: Mapping[str, Any]) -> Markup | None:
    """How much of the time each regime had, and how the cycles in it went."""
    bars: Counter[str] = Counter()
    for segment in result["regimeSegments"]:
        bars[plain(segment["regime"])] += segment["endIndex"] - segment["startIndex"] + 1
    if not bars:
        return None
    cycles = Counter(plain(cycle["dominantRegime"]) for cycle in _completed(result))
    rows = [
        (
            regime,
            f"{bars[regime] / bars.total():.1%}",
            count(cycles[regime]),
            # Older clients read zeros where a regime has no cycles: nothing to show.
            percent(result[f"{regime}AvgCycleReturn"]) if cycles[regime] else MISSING,
            percent(result[f"{regime}AssignmentRate"]) if cycles[regime] else MISSING,
        )
        for regime in REGIMES
    ]
    columns = [
        ("Regime", False),
        ("Share of bars", True),
        ("Completed cycles", True),
        ("Average return", True),
        ("With an assignment", True),
    ]
    return table("The market's regimes, and the cycles in each", columns, rows)


def cycles_table(result: Mapping[str, Any]) -> Markup:
    """Each cycle, from flat to flat."""
    columns = [
        ("Cycle", True),
        ("From", False),
        ("To", False),
        ("Days", True),
        ("Return", True),
        ("Start equity", True),
        ("End equity", True),
        ("Outcome", False),
        ("Regime", False),
        ("Assigned at", True),
        ("Called away at", True),
        ("Premium", True),
    ]
    sells_options = "premiumCollected" in result["metrics"]
    rows = [
        (
            str(cycle["index"] + 1),
            _day(result, cycle["startIndex"]),
            _day(result, cycle["endIndex"]),
            count(cycle["durationDays"]),
            percent(cycle["cycleReturn"]),
            money(cycle["startEquity"]),
            money(cycle["endEquity"]),
            _outcome(cycle),
            MISSING if cycle["dominantRegime"] is None else plain(cycle["dominantRegime"]),
            price(cycle["assignmentStrike"] or cycle["assignmentPrice"]),
            price(cycle["calledAwayStrike"] or cycle["calledAwayPrice"]),
            money(cycle["premiumCollected"] if sells_options else None),
        )
        for cycle in result["cycles"]
    ]
    caption = _counted("Cycles, from flat to flat", result, "cycles")
    return table(caption, *_without_empty(columns, rows))


def trades_table(result: Mapping[str, Any]) -> Markup:
    """Each holding, from its opening to its end."""
    columns = [
        ("Trade", True),
        ("What", False),
        ("Side", False),
        ("Entry", False),
        ("Exit", False),
        ("Quantity", True),
        ("Entry price", True),
        ("Exit price", True),
        ("Fees", True),
        ("Profit", True),
        ("Return", True),
        ("Worst", True),
        ("Best", True),
        ("Ended by", False),
    ]
    rows = [
        (
            str(place),
            _instrument(trade),
            trade["side"],
            _minute(trade["entryTime"]),
            _minute(trade["exitTime"]),
            quantity(trade["quantity"]),
            price(trade["entryPrice"]),
            price(trade["exitPrice"]),
            money(trade["fees"]),
            money(trade["pnl"]),
            percent(trade["return"]),
            percent(trade["mae"]),
            percent(trade["mfe"]),
            _reason(trade),
        )
        for place, trade in enumerate(result["trades"], start=1)
    ]
    return table(_counted("Trades", result, "trades"), columns, rows)


def _without_empty(
    columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[Column], Sequence[Sequence[Child]]]:
    """Only the columns in which some row has anything: most strategies know no premiums."""
    kept = [place for place in range(len(columns)) if any(row[place] != MISSING for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _cell(place: int, cell: Child, columns: Sequence[Column]) -> Markup:
    kind = "number" if columns[place][1] else None
    if place == 0:
        return element("th", cell, scope="row", class_=kind)
    return element("td", cell, class_=kind)


def _completed(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [cycle for cycle in result["cycles"] if cycle["completed"]]


def _counted(caption: str, result: Mapping[str, Any], name: str) -> str:
    full = result["truncated"].get(name)
    listed = len(result[name])
    return f"{caption}: the first {listed:,} of {full:,}" if full else f"{caption}: {listed:,}"


def _day(result: Mapping[str, Any], index: int) -> str:
    """The date of a bar, or its number where the curve was thinned."""
    times = result["equityTimestamps"]
    return str(times[index][:10]) if len(times) == result["bars"] else f"bar {index:,}"


def _minute(time: str | None) -> str:
    if time is None:
        return "open"
    return time[:10] if time[11:16] == "00:00" else f"{time[:10]} {time[11:16]}"


def _outcome(cycle: Mapping[str, Any]) -> str:
    name = "" if cycle["outcome"] is None else plain(cycle["outcome"])
    told = _OUTCOMES.get(name, name)
    return told if cycle["completed"] else ", ".join(filter(None, [told, "unfinished"]))


def _reason(trade: Mapping[str, Any]) -> str:
    if trade["exitReason"] is None:
        return "still open"
    told = _REASONS.get(trade["exitReason"], trade["exitReason"])
    return f"{told}, ambiguous bar" if trade["ambiguous"] else str(told)


def _instrument(trade: Mapping[str, Any]) -> str:
    parts = chain(
        [trade["instrument"]],
        [price(trade["strike"])] if trade.get("strike") is not None else [],
        [str(trade["expiry"])[:10]] if trade.get("expiry") else [],
        [f"sleeve {trade['sleeve'] + 1}"] if trade.get("sleeve") is not None else [],
    )
    return " ".join(parts)
