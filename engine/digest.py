"""Hashes that are equal exactly when the numbers are.

The canonical form is JSON with sorted keys, no spaces, UTF-8, floats in Python's shortest form
(which is the same everywhere) and no -0.0, hashed with SHA-256. The keys are those of the major
version's first release, so that abilities added later do not change old digests.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

#: Longer lists are written to JSON in pieces of this many items.
PIECE_ITEMS = 1_000

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

    Any sequence counts as a list, and an array of float64 as a list of numbers.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    hasher = hashlib.sha256()
    for piece in _canonical(value):
        hasher.update(piece)
    return f"sha256:{hasher.hexdigest()}"


def _canonical(value: Any) -> Iterator[bytes]:
    """The canonical JSON in pieces: in one, a long curve would hold the interpreter for seconds,
    and no other thread of the process could run meanwhile.
    """
    if isinstance(value, Mapping):
        for place, key in enumerate(sorted(value)):
            yield (b"," if place else b"{") + _json(key) + b":"
            yield from _canonical(value[key])
        yield b"}" if value else b"{}"
    elif isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        yield b"["
        for start in range(0, len(value), PIECE_ITEMS):
            piece = value[start : start + PIECE_ITEMS]
            written = _numbers(piece) if isinstance(piece, np.ndarray) else _json(piece)
            yield (b"," if start else b"") + written[1:-1]
        yield b"]"
    else:
        yield _json(value)


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def _json(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


def _numbers(column: NDArray[np.float64]) -> bytes:
    """Floats as Python writes them.

    pydantic writes them ten times as fast with the same shortest digits, but has its own mind about
    exponents: 1e-07 is 1e-7 there.
    """
    sizes = np.abs(column)
    is_plain = ((sizes >= _LEAST_PLAIN) & (sizes < _FIRST_LARGE)) | (sizes == 0.0)
    if is_plain.all():
        return to_json(column.tolist())
    if not np.isfinite(column).all():
        return _json(column.tolist())
    written = to_json(column.tolist())[1:-1].split(b",")
    for place in np.flatnonzero(~is_plain).tolist():
        written[place] = repr(float(column[place])).encode()
    return b"[" + b",".join(written) + b"]"


#: Python writes numbers from the first up to the second without an exponent.
_LEAST_PLAIN, _FIRST_LARGE = 1e-4, 1e16


def result_digest(document: Mapping[str, Any]) -> str:
    """Of a complete result document: its data, curve, trades, cycles, regimes and metrics.

    Its lists may be any sequences.
    """
    return digest({key: document[key] for key in RESULT_KEYS})


def summary_digest(data_fingerprint: str, metrics: Mapping[str, Any]) -> str:
    """Of the metrics, by their camelCase names, that every variant of a sweep has."""
    kept = {name: metrics[name] for name in SUMMARY_METRICS}
    # In one piece: it is short, and there is one for each of a hundred thousand variants.
    written = _json({"dataFingerprint": data_fingerprint, **kept})
    return f"sha256:{hashlib.sha256(written).hexdigest()}"
