"""A result as aligned text, for people at a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: Notes that are shown; the result holds up to 500.
SHOWN_NOTES = 5

_MISSING = "–"
_LABEL_WIDTH = 20
_VALUE_WIDTH = 14


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
    label = f"\n{config['label']}" if config.get("label") else ""
    return f"{name}{span}, {result['bars']:,} bars, engine {result['engineVersion']}{label}"


def _figures(result: Mapping[str, Any]) -> str:
    metrics = result["metrics"]
    rows = [
        ("Starting capital", _money(result["configUsed"]["startingCapital"])),
        ("Final equity", _money(metrics["finalEquity"])),
        ("Total return", _percent(metrics["totalReturn"])),
        ("Buy and hold", _percent(metrics["buyAndHoldReturn"])),
        ("CAGR", _percent(metrics["cagr"])),
        ("Volatility, a year", _percent(metrics["annualizedVolatility"])),
        ("Max drawdown", _percent(metrics["maxDrawdown"])),
        ("Longest drawdown", _days(metrics["maxDrawdownDays"])),
        ("Sharpe", _number(metrics["sharpe"])),
        ("Sortino", _number(metrics["sortino"])),
        ("Exposure", _percent(metrics["exposure"])),
        ("Fees", _money(metrics["feesPaid"])),
        ("Closed trades", _count(metrics["tradeCount"])),
        ("Win rate", _percent(metrics["winRate"])),
    ]
    if metrics.get("premiumCollected") is not None:
        rows += [
            ("Premium collected", _money(metrics["premiumCollected"])),
            ("Assigned / called", f"{metrics['assignmentCount']} / {metrics['calledAwayCount']}"),
        ]
    return _two_columns(rows)


def _cycles(result: Mapping[str, Any]) -> str:
    cycles = result["cycles"]
    if not cycles:
        return "Cycles   none"
    completed = [cycle for cycle in cycles if cycle["completed"]]
    outcomes = Counter(str(cycle["outcome"]).rpartition(".")[2] for cycle in completed)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    cut = " among those listed" if "cycles" in result["truncated"] else ""
    lines = [f"Cycles   {result['cyclesCompleted']} completed{f' ({told}{cut})' if told else ''}"]
    if completed:
        lines.append(
            f"         average return {_percent(result['avgCycleReturn'])}, "
            f"{_days(result['avgCycleDurationDays'])}, "
            f"assigned {_percent(result['assignmentRate'])}"
        )
    if len(completed) < len(cycles):
        outcome = cycles[-1]["outcome"]
        holding = "holding shares" if str(outcome).endswith("assigned") else "still open"
        lines.append(f"         one unfinished, {holding}, {_percent(cycles[-1]['cycleReturn'])}")
    return "\n".join(lines)


def _regimes(result: Mapping[str, Any]) -> str:
    segments = result["regimeSegments"]
    if not segments:
        return "Regimes  none (too few bars)"
    bars: Counter[str] = Counter()
    for segment in segments:
        bars[segment["regime"].rpartition(".")[2]] += (
            segment["endIndex"] - segment["startIndex"] + 1
        )
    total = sum(bars.values())
    lines = []
    for regime in ("uptrend", "sideways", "downtrend"):
        average = result[f"{regime}AvgCycleReturn"]
        lines.append(
            f"{regime:<10} {bars[regime] / total:>6.1%} of bars   "
            f"average cycle {_percent(average):>9}   "
            f"assigned {_percent(result[f'{regime}AssignmentRate']):>8}"
        )
    return "Regimes  " + "\n         ".join(lines)


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    shown = list(notes[:SHOWN_NOTES])
    if len(notes) > len(shown):
        shown.append(f"… and {len(notes) - len(shown)} more")
    return "Notes    " + "\n         ".join(shown)


def _two_columns(rows: Sequence[tuple[str, str]]) -> str:
    cells = [f"{label:<{_LABEL_WIDTH}}{value:>{_VALUE_WIDTH}}" for label, value in rows]
    left, right = cells[0::2], cells[1::2]
    right += [""] * (len(left) - len(right))
    return "\n".join(f"{a}    {b}".rstrip() for a, b in zip(left, right, strict=True))


def _money(value: float | None) -> str:
    return _MISSING if value is None else f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return _MISSING if value is None else f"{value:,}"


def _days(value: float | None) -> str:
    return _MISSING if value is None else f"{value:,.0f} days"
