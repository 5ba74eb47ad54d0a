"""Hashes that are equal exactly when the numbers are.

The canonical form is JSON with sorted keys, no spaces, UTF-8, floats in Python's shortest form
(which is the same everywhere) and no -0.0, hashed with SHA-256. The keys are those of the major
version's first release, so that abilities added later do not change old digests.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

#: Longer lists are written to JSON in pieces of this many items.
PIECE_ITEMS = 10_000

RESULT_KEYS = (
    "dataFingerprint",
    "equityCurve",
    "equityTimestamps",
    "trades",
    "cycles",
    "regimeSegments",
    "metrics",
)
SUMMARY_METRICS = (
    "totalReturn",
    "finalEquity",
    "maxDrawdown",
    "cagr",
    "annualizedReturn",
    "annualizedVolatility",
    "sharpe",
    "sortino",
    "calmar",
    "exposure",
    "tradeCount",
    "winRate",
    "profitFactor",
    "expectancy",
    "feesPaid",
)


def digest(value: Any) -> str:
    """``sha256:`` and the hash of the canonical JSON of ``value``.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    hasher = hashlib.sha256()
    for piece in _canonical(value):
        hasher.update(piece.encode())
    return f"sha256:{hasher.hexdigest()}"


def _canonical(value: Any) -> Iterator[str]:
    """The canonical JSON in pieces: in one, a long curve would hold the interpreter for seconds,
    and no other thread of the process could run meanwhile.
    """
    if isinstance(value, Mapping):
        for place, key in enumerate(sorted(value)):
            yield f"{',' if place else '{'}{_json(key)}:"
            yield from _canonical(value[key])
        yield "}" if value else "{}"
    elif isinstance(value, list) and len(value) > PIECE_ITEMS:
        for start in range(0, len(value), PIECE_ITEMS):
            yield ("," if start else "[") + _json(value[start : start + PIECE_ITEMS])[1:-1]
        yield "]"
    else:
        yield _json(value)


def _json(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def result_digest(document: Mapping[str, Any]) -> str:
    """Of a complete result document: its data, curve, trades, cycles, regimes and metrics."""
    return digest({key: document[key] for key in RESULT_KEYS})


def summary_digest(data_fingerprint: str, metrics: Mapping[str, Any]) -> str:
    """Of the metrics, by their camelCase names, that every variant of a sweep has."""
    kept = {name: metrics[name] for name in SUMMARY_METRICS}
    return digest({"dataFingerprint": data_fingerprint, **kept})
