"""A result as aligned text, for people at a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from worker.entrypoints.terminal_text import one_line
from worker.report.wording import bars, count, days, money, number, percent, plain

#: Notes that are shown; the result holds up to 500.
SHOWN_NOTES = 5

_LABEL_WIDTH = 20
_VALUE_WIDTH = 14
_NOTE_WIDTH = 85


def result_text(result: Mapping[str, Any], digest: str) -> str:
    """Returns, risk, trades, cycles, regimes, notes and digest of a ``backtestResult``."""
    parts = [
        _title(result),
        _figures(result),
        _cycles(result),
        _regimes(result),
        _notes(result["notes"]),
        f"Digest   {digest}",
    ]
    return "\n\n".join(part for part in parts if part)


def _title(result: Mapping[str, Any]) -> str:
    config = result["configUsed"]
    name = f"{config['strategyId']} on {config['symbol']} {config['timeframe']}"
    times = result["equityTimestamps"]
    span = f", {times[0][:10]} to {times[-1][:10]}" if times else ""
    label = f"\n{one_line(config['label'])}" if config.get("label") else ""
    return f"{name}{span}, {bars(result['bars'])}, engine {result['engineVersion']}{label}"


def _figures(result: Mapping[str, Any]) -> str:
    metrics = result["metrics"]
    rows = [
        ("Starting capital", money(result["configUsed"]["startingCapital"])),
        ("Final equity", money(metrics["finalEquity"])),
        ("Total return", percent(metrics["totalReturn"])),
        ("Buy and hold", percent(metrics["buyAndHoldReturn"])),
        ("CAGR", percent(metrics["cagr"])),
        ("Volatility, a year", percent(metrics["annualizedVolatility"])),
        ("Max drawdown", percent(metrics["maxDrawdown"])),
        ("Longest drawdown", days(metrics["maxDrawdownDays"])),
        ("Sharpe", number(metrics["sharpe"])),
        ("Sortino", number(metrics["sortino"])),
        ("Exposure", percent(metrics["exposure"])),
        ("Fees", money(metrics["feesPaid"])),
        ("Closed trades", count(metrics["tradeCount"])),
        ("Win rate", percent(metrics["winRate"])),
    ]
    if _is_wheel(result):
        rows += [
            ("Premium collected", money(metrics["premiumCollected"])),
            ("Assigned / called", f"{metrics['assignmentCount']} / {metrics['calledAwayCount']}"),
        ]
    return _two_columns(rows)


def _cycles(result: Mapping[str, Any]) -> str:
    cycles = result["cycles"]
    if not cycles:
        return "Cycles   none"
    completed = [cycle for cycle in cycles if cycle["completed"]]
    outcomes = Counter(plain(cycle["outcome"]) for cycle in completed)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    cut = " among those listed" if "cycles" in result["truncated"] else ""
    lines = [f"{result['cyclesCompleted']} completed{f' ({told}{cut})' if told else ''}"]
    if completed:
        average = f"average return {percent(result['avgCycleReturn'])}"
        lines.append(f"{average}, {days(result['avgCycleDurationDays'])}")
        if _is_wheel(result):
            lines[-1] += f", {percent(result['assignmentRate'])} with an assignment"
    if len(completed) < len(cycles):
        last = cycles[-1]
        holding = "holding shares" if plain(last["outcome"]) == "assigned" else "still open"
        lines.append(f"one unfinished, {holding}, {percent(last['cycleReturn'])}")
    return _section("Cycles", lines)


def _regimes(result: Mapping[str, Any]) -> str:
    segments = result["regimeSegments"]
    if not segments:
        return "Regimes  none (too few bars)"
    bars: Counter[str] = Counter()
    for segment in segments:
        bars[plain(segment["regime"])] += segment["endIndex"] - segment["startIndex"] + 1
    cycles = Counter(
        plain(cycle["dominantRegime"]) for cycle in result["cycles"] if cycle["completed"]
    )
    total = sum(bars.values())
    lines = []
    for regime in ("uptrend", "sideways", "downtrend"):
        line = f"{regime:<10} {bars[regime] / total:>6.1%} of bars   {cycles[regime]:>4} cycles"
        # The averages of a regime without cycles are zero for older clients: nothing to show.
        if cycles[regime]:
            line += f"   average {percent(result[f'{regime}AvgCycleReturn']):>8}"
            if _is_wheel(result):
                rate = percent(result[f"{regime}AssignmentRate"])
                line += f"   {rate:>7} with an assignment"
        lines.append(line)
    return _section("Regimes", lines)


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    shown = list(notes[:SHOWN_NOTES])
    if len(notes) > len(shown):
        shown.append(f"… and {len(notes) - len(shown)} more")
    return _section("Notes", [part for note in shown for part in wrap(note, _NOTE_WIDTH)])


def _section(name: str, lines: Sequence[str]) -> str:
    return f"{name:<9}" + "\n         ".join(lines)


def _is_wheel(result: Mapping[str, Any]) -> bool:
    return result["metrics"].get("premiumCollected") is not None


def _two_columns(rows: Sequence[tuple[str, str]]) -> str:
    cells = [f"{label:<{_LABEL_WIDTH}}{value:>{_VALUE_WIDTH}}" for label, value in rows]
    left, right = cells[0::2], cells[1::2]
    right += [""] * (len(left) - len(right))
    return "\n".join(f"{a}    {b}".rstrip() for a, b in zip(left, right, strict=True))
