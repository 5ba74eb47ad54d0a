"""From the rows of all chunks to one table of variants and the summary of a bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.digest import SUMMARY_METRICS
from worker.jobs.artifact_keys import key_of_bundle
from worker.jobs.bundle import VARIANT_ROWS, Bundle, KeepResults
from worker.jobs.chunks import Chunk
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Artifact
from worker.ports import ArtifactStore
from worker.services.bundles import kept_results
from worker.services.bundles.reading_ahead import read_ahead
from worker.services.bundles.variant_rows import (
    COUNTS,
    REGIMES,
    Variants,
    average_column,
    cycles_column,
    figures_of,
    fingerprint,
    from_json,
    joined,
    lost_rows,
    numbers,
    order_of,
    plain_columns,
    read_rows,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedChunk:
    """A chunk job that has ended: the artifacts of its result, or why it left none.

    ``gone`` is told of rows that are not where ARTIFACTS points; without it nothing may be said of
    them, for they may lie elsewhere.
    """

    chunk: Chunk
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    failure: JobFailure | None = None
    gone: JobFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What the end of a bundle is made of. ``completed`` and ``failed`` count variants;
    ``reasons`` has one for each code with which some failed, the most frequent first.
    """

    completed: int
    failed: int
    reasons: Sequence[JobFailure]
    summary: Mapping[str, Any]
    artifacts: Mapping[str, Artifact]


def merge(
    bundle: Bundle, variants: Variants, ended: Sequence[EndedChunk], artifacts: ArtifactStore
) -> Merged:
    """Put the rows of all chunks together, in the order of ``ended``.

    The rows of all variants are written as one artifact, and where the best full results are kept,
    those of the whole bundle as another one. Both are named by their content: a finaliser that read
    other chunks, because one was replayed meanwhile, takes nothing from the one whose end is kept.
    What is held at a time are the rows as Arrow columns: about 40 MB for 100,000 variants.

    Raises:
        FileNotFoundError: rows of a completed chunk job are not here, and nothing may be said of
            them.
    """
    rows = joined(read_ahead(ended, lambda one: _rows_of(one, variants, artifacts)))
    stored = {VARIANT_ROWS: _store(artifacts, bundle, VARIANT_ROWS, rows)}
    is_sound = rows["errorCode"].is_null().to_numpy()
    places = np.flatnonzero(is_sound)
    ranked = places[_ranking(rows.take(places), bundle.rank_by)] if len(places) else places
    summary = _summary(rows, ranked, bundle.rank_by)
    if bundle.keep_results is KeepResults.BEST:
        best = rows["index"].take(ranked[: kept_results.BEST]).to_pylist()
        table = kept_results.gathered(best, ended, artifacts)
        if table is not None:
            stored[kept_results.NAME] = _store(artifacts, bundle, kept_results.NAME, table)
            summary["keptResults"] = table["index"].to_pylist()
    return Merged(
        completed=len(places),
        failed=len(is_sound) - len(places),
        reasons=_reasons(rows),
        summary=summary,
        artifacts=stored,
    )


def _store(artifacts: ArtifactStore, bundle: Bundle, name: str, table: Any) -> Artifact:
    key = key_of_bundle(bundle.bundle_id, f"{name}-{fingerprint(table)}")
    return artifacts.put(key, plain_columns(table))


def _rows_of(one: EndedChunk, variants: Variants, artifacts: ArtifactStore) -> Mapping[str, Any]:
    if one.failure is not None:
        return lost_rows(one.chunk, variants, one.failure)
    try:
        if VARIANT_ROWS not in one.artifacts:
            raise FileNotFoundError(f"there are none from variant {one.chunk.start} on")
        return plain_columns(read_rows(artifacts.read(one.artifacts[VARIANT_ROWS])))
    except FileNotFoundError:
        if one.gone is None:
            raise
        return lost_rows(one.chunk, variants, one.gone)


def _reasons(rows: Any) -> Sequence[JobFailure]:
    """Each in the words of the first variant that has it."""
    first: dict[str, int] = {}
    counts = Counter[str]()
    for place, code in enumerate(rows["errorCode"].to_pylist()):
        if code is not None:
            counts[code] += 1
            first.setdefault(code, place)
    return [
        JobFailure(ErrorCode(code), rows["errorMessage"][first[code]].as_py())
        for code, _ in counts.most_common()
    ]


def _ranking(rows: Any, rank_by: str) -> NDArray[np.int64]:
    return order_of(numbers(rows, rank_by), rows["index"].to_numpy())


def _summary(rows: Any, ranked: NDArray[np.int64], rank_by: str) -> dict[str, Any]:
    """``best`` and ``worst`` by ``rank_by``, ``regimes`` and ``metricRanges``, of sound variants.

    The worst is the last of those that have the metric at all.
    """
    has_value = ~np.isnan(numbers(rows, rank_by)[ranked])
    valued = ranked[has_value] if has_value.any() else ranked
    sound = rows.take(ranked)
    return {
        "best": _variant(rows, ranked[:1]),
        "worst": _variant(rows, valued[-1:]),
        "regimes": {regime: _average(sound, regime) for regime in REGIMES},
        "metricRanges": dict(_ranges(sound)),
    }


def _variant(rows: Any, places: NDArray[np.int64]) -> dict[str, Any] | None:
    for row in rows.take(places).to_pylist():
        return {
            "index": row["index"],
            "overrides": from_json(row["overrides"]),
            "metrics": figures_of(row),
        }
    return None


def _average(rows: Any, regime: str) -> float | None:
    """Over all completed cycles of all variants that the regime dominates."""
    counts, averages = numbers(rows, cycles_column(regime)), numbers(rows, average_column(regime))
    total = np.nansum(counts)
    return float(np.nansum(counts * averages) / total) if total else None


def _ranges(rows: Any) -> Iterator[tuple[str, dict[str, float] | None]]:
    """The smallest and the largest of each metric, None for one that no variant has."""
    for name in SUMMARY_METRICS:
        values = numbers(rows, name)
        known = values[~np.isnan(values)]
        number = int if name in COUNTS else float
        ends = {"min": number(known.min()), "max": number(known.max())} if len(known) else None
        yield name, ends
