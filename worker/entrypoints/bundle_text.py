"""A bundle and its best variants as aligned text, for people at a terminal."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from worker.entrypoints.terminal_text import one_line
from worker.jobs.bundle import Bundle
from worker.services.bundles.variant_rows import from_json

_MISSING = "–"
_LONGEST_NAME = 60

#: Columns of the table beside the metric that variants are ranked by.
_SHOWN = ("totalReturn", "sharpe", "maxDrawdown", "tradeCount")
_SHARES = (
    *("totalReturn", "maxDrawdown", "cagr", "annualizedReturn", "annualizedVolatility"),
    *("exposure", "winRate"),
)
_MONEY = ("finalEquity", "expectancy", "feesPaid")


def bundle_text(bundle: Bundle) -> str:
    """What its owner wants to know, one line a fact; facts that are not there have no line."""
    ended = bundle.completed + bundle.failed
    facts = [
        ("Bundle", bundle.bundle_id),
        ("Name", bundle.name),
        ("Status", str(bundle.status) + (", asked to stop" if _is_stopping(bundle) else "")),
        ("Progress", f"{bundle.progress:.0%}" if not bundle.status.is_final else None),
        ("Variants", f"{ended:,} of {bundle.total:,}" if bundle.total else None),
        ("Failed", f"{bundle.failed:,}" if bundle.failed else None),
        ("Jobs", f"{bundle.chunks:,}" if bundle.chunks else None),
        ("Owner", bundle.user_id),
        ("Priority", str(bundle.priority) if bundle.priority else None),
        ("Engine", bundle.engine_version),
        ("Started", _time(bundle.started_at)),
        ("Ended", _time(bundle.completed_at)),
        ("Error", bundle.error_code),
        ("Why", bundle.error_message),
    ]
    return "\n".join(f"{name:<10}{one_line(value)}" for name, value in facts if value)


def ranking_text(bundle: Bundle, rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of ranked variants, the best first, and what the summary says of all."""
    metrics = list(dict.fromkeys([bundle.rank_by, *_SHOWN]))
    cells = [["rank", "index", *metrics]]
    for place, row in enumerate(rows, 1):
        cells.append(
            [str(place), str(row["index"]), *(_figure(name, row[name]) for name in metrics)]
        )
    sets = ["sets", *map(_sets, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = [
        "  ".join([*map(str.rjust, line, widths), told])
        for line, told in zip(cells, sets, strict=True)
    ]
    parts = ["\n".join(table)] if rows else []
    if bundle.summary:
        parts.append(_summary(bundle, bundle.summary))
    return "\n\n".join(parts)


def _summary(bundle: Bundle, summary: Mapping[str, Any]) -> str:
    lines = [f"{bundle.completed:,} of {bundle.total:,} variants completed"]
    span = (summary.get("metricRanges") or {}).get(bundle.rank_by)
    if span:
        low, high = (_figure(bundle.rank_by, span[end]) for end in ("min", "max"))
        lines.append(f"{bundle.rank_by} from {low} to {high}")
    known = {name: value for name, value in (summary.get("regimes") or {}).items() if value}
    if known:
        told = ", ".join(f"{name} {value:.2%}" for name, value in known.items())
        lines.append(f"average cycle by regime: {told}")
    return "\n".join(lines)


def _sets(row: Mapping[str, Any]) -> str:
    told = one_line(
        ", ".join(
            f"{path.removeprefix('parameters.')}={_as_given(value)}"
            for path, value in from_json(row["overrides"]).items()
        )
    )
    return told if len(told) <= _LONGEST_NAME else told[: _LONGEST_NAME - 1] + "…"


def _as_given(value: Any) -> str:
    """As it stands in the bundle's JSON, text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return _MISSING
    if metric in _SHARES:
        return f"{value:.2%}"
    if metric in _MONEY:
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _is_stopping(bundle: Bundle) -> bool:
    return bundle.cancel_requested and not bundle.status.is_final


def _time(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else None
