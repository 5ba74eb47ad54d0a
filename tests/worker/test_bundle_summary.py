"""From the chunks of a bundle to its summary, its table of variants and its kept results."""

import io
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from engine.digest import SUMMARY_METRICS
from engine.sweep import CyclesByRegime, RegimeCycles, SweepRow
from tests.support.bundle_runs import Workshop, a_bundle, open_workshop
from tests.support.sweep_rows import LOST, a_row
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.chunks import Chunk
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Artifact
from worker.jobs.variants import VariantSource
from worker.services.bundles import kept_results
from worker.services.bundles.summary import EndedChunk, Merged, merge
from worker.services.bundles.variant_rows import ChunkRows, read_rows, schema

MANY = 100_000
GIVEN_UP = JobFailure(ErrorCode.CANCELLED, "The bundle was cancelled.")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return open_workshop(tmp_path)


def merged(workshop: Workshop, bundle: Bundle, size: int) -> Merged:
    """A bundle of eight variants, run in chunks of ``size`` and put together."""
    jobs = workshop.run(bundle, 8, size)
    return merge(bundle, VariantSource.of(bundle), workshop.ended(jobs), workshop.artifacts)


def table_of(artifacts: ParquetFiles, artifact: Artifact) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_rows(artifacts.read(artifact)).to_pylist()
    return rows


def in_order(found: Merged, workshop: Workshop, metric: str) -> list[dict[str, Any]]:
    """The sound rows by the rule that users are told."""
    rows = [
        row
        for row in table_of(workshop.artifacts, found.artifacts["variants"])
        if row["errorCode"] is None
    ]
    return sorted(rows, key=lambda row: (row[metric] is None, -(row[metric] or 0.0), row["index"]))


def test_the_best_and_the_worst_by_the_metric_that_was_asked_for(workshop: Workshop) -> None:
    for rank_by in ("sharpe", "maxDrawdown", "tradeCount"):
        found = merged(workshop, a_bundle(f"by-{rank_by}", rank_by=rank_by), 3)
        ranked = in_order(found, workshop, rank_by)
        for name, row in (("best", ranked[0]), ("worst", ranked[-1])):
            shown = found.summary[name]
            assert shown["index"] == row["index"]
            assert list(shown["overrides"]) == ["parameters.fast", "parameters.slow"]
            assert shown["metrics"] == {metric: row[metric] for metric in SUMMARY_METRICS}
        assert (found.completed, found.failed) == (6, 2)


def test_the_cut_into_chunks_makes_no_difference(workshop: Workshop) -> None:
    whole = merged(workshop, a_bundle("one"), 8)
    parts = merged(workshop, a_bundle("many"), 3)
    assert parts.summary == whole.summary
    assert parts.artifacts["variants"].sha256 == whole.artifacts["variants"].sha256
    assert parts.artifacts["results"].sha256 == whole.artifacts["results"].sha256


def test_a_slow_finaliser_takes_nothing_from_another_one(workshop: Workshop) -> None:
    """It read the chunks before one of them was replayed, and writes after the other's commit."""
    bundle = a_bundle(rank_by="totalReturn")
    ended = workshop.ended(workshop.run(bundle, 8, 2))
    variants = VariantSource.of(bundle)
    winner = merge(bundle, variants, ended, workshop.artifacts)
    kept = {name: workshop.artifacts.read(part) for name, part in winner.artifacts.items()}
    best = winner.summary["best"]["index"]
    before = list(ended)
    before[best // 2] = EndedChunk(chunk=ended[best // 2].chunk, failure=LOST)

    slow = merge(bundle, variants, before, workshop.artifacts)

    assert slow.failed == winner.failed + 2
    assert list(kept) == ["variants", "results"]
    for name, content in kept.items():
        assert slow.artifacts[name].uri != winner.artifacts[name].uri
        assert workshop.artifacts.read(winner.artifacts[name]) == content
    assert merge(bundle, variants, ended, workshop.artifacts).artifacts == winner.artifacts


def test_ranges_are_of_what_is_known(workshop: Workshop) -> None:
    found = merged(workshop, a_bundle(), 4)
    rows = in_order(found, workshop, "sharpe")
    ranges = found.summary["metricRanges"]
    assert list(ranges) == list(SUMMARY_METRICS)
    for metric in SUMMARY_METRICS:
        values = [row[metric] for row in rows if row[metric] is not None]
        assert ranges[metric] == {"min": min(values), "max": max(values)}
    assert isinstance(ranges["tradeCount"]["min"], int)


def stored(artifacts: ParquetFiles, key: str, start: int, rows: list[SweepRow]) -> EndedChunk:
    """A chunk whose rows are these."""
    chunk = Chunk(start=start, count=len(rows))
    table = ChunkRows(chunk, [{"label": str(index)} for index in range(start + len(rows))])
    for place, row in enumerate(rows):
        table.add(place, row)
    table.end_rest(LOST)
    return EndedChunk(
        chunk=chunk, artifacts={"variants": artifacts.put(f"{key}/1/variants", table.columns())}
    )


def test_regimes_average_over_all_cycles_of_all_variants(tmp_path: Path) -> None:
    artifacts = ParquetFiles(tmp_path)
    few = a_row()
    many = replace(few, regimes=CyclesByRegime(RegimeCycles(9, 0.05), *few.regimes[1:]))
    ended = [stored(artifacts, "j1", 0, [few, many])]
    variants = [{}, {}]
    found = merge(a_bundle(variants=variants), variants, ended, artifacts)
    assert found.summary["regimes"] == {
        "uptrend": pytest.approx((3 * 0.01 + 9 * 0.05) / 12),
        "downtrend": None,
        "sideways": pytest.approx(-0.02),
    }


def test_nulls_are_ranked_last_and_are_not_the_worst(tmp_path: Path) -> None:
    artifacts = ParquetFiles(tmp_path)
    rows = [a_row(sharpe=None), a_row(sharpe=-2.0), a_row(sharpe=1.0), a_row(sharpe=1.0)]
    variants: list[dict[str, Any]] = [{}] * 4
    bundle = a_bundle(variants=variants, keep_results=KeepResults.NONE)
    found = merge(bundle, variants, [stored(artifacts, "j1", 0, rows)], artifacts)
    assert found.summary["best"]["index"] == 2
    assert found.summary["worst"]["index"] == 1
    nulls = [a_row(sharpe=None), a_row(sharpe=None)]
    found = merge(bundle, variants, [stored(artifacts, "j2", 0, nulls)], artifacts)
    assert (found.summary["best"]["index"], found.summary["worst"]["index"]) == (0, 1)
    assert found.summary["metricRanges"]["sharpe"] is None


def test_chunks_that_left_nothing_give_their_reason_to_their_variants(workshop: Workshop) -> None:
    bundle = a_bundle()
    jobs = workshop.run(bundle, 8, 2)
    ended = workshop.ended(jobs)
    lost = EndedChunk(chunk=ended[1].chunk, failure=LOST)
    gone_artifact = Artifact(uri=f"{ended[2].artifacts['variants'].uri}x", rows=2, sha256="0")
    gone = EndedChunk(chunk=ended[2].chunk, artifacts={"variants": gone_artifact}, gone=GIVEN_UP)
    variants = VariantSource.of(bundle)
    found = merge(bundle, variants, [ended[0], lost, gone, ended[3]], workshop.artifacts)
    rows = table_of(workshop.artifacts, found.artifacts["variants"])
    assert [row["index"] for row in rows] == list(range(8))
    codes = [row["errorCode"] for row in rows]
    assert codes == [None] * 2 + ["WORKER_LOST"] * 2 + ["CANCELLED"] * 2 + ["INVALID_CONFIG"] * 2
    assert rows[2]["errorMessage"] == LOST.message
    assert '"parameters.fast":5' in rows[2]["overrides"]
    assert (found.completed, found.failed) == (2, 6)


def test_a_bundle_of_which_nothing_came(tmp_path: Path) -> None:
    artifacts = ParquetFiles(tmp_path)
    bundle = a_bundle()
    cancelled = EndedChunk(
        chunk=Chunk(start=0, count=8), failure=JobFailure(ErrorCode.CANCELLED, "no")
    )
    found = merge(bundle, VariantSource.of(bundle), [cancelled], artifacts)
    assert (found.completed, found.failed) == (0, 8)
    assert (found.summary["best"], found.summary["worst"]) == (None, None)
    assert set(found.summary["regimes"].values()) == {None}
    assert list(found.artifacts) == ["variants"]


def test_the_best_full_results_of_all_chunks_are_kept(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_results, "BEST", 3)
    found = merged(workshop, a_bundle(rank_by="totalReturn"), 2)
    best = [row["index"] for row in in_order(found, workshop, "totalReturn")[:3]]
    assert found.summary["keptResults"] == best
    content = workshop.artifacts.read(found.artifacts["results"])
    assert pyarrow.parquet.read_table(io.BytesIO(content))["index"].to_pylist() == best
    for index in range(8):
        kept = kept_results.find(content, index)
        assert (kept is not None) is (index in best)
    first = kept_results.find(content, best[0])
    assert first is not None
    assert first["backtestResult"]["totalReturn"] == found.summary["best"]["metrics"]["totalReturn"]
    assert list(first) == ["index", "resultDigest", "summaryDigest", "backtestResult"]


@pytest.mark.parametrize("keep", [KeepResults.ALL, KeepResults.NONE])
def test_otherwise_results_stay_where_they_are(workshop: Workshop, keep: KeepResults) -> None:
    found = merged(workshop, a_bundle(keep_results=keep), 4)
    assert list(found.artifacts) == ["variants"]
    assert "keptResults" not in found.summary


def test_results_that_are_gone_are_not_among_the_kept(workshop: Workshop) -> None:
    bundle = a_bundle()
    first, second = workshop.ended(workshop.run(bundle, 8, 4))
    gone = {
        name: Artifact(uri=part.uri + ("" if name == "variants" else "x"), rows=1, sha256="0")
        for name, part in second.artifacts.items()
    }
    variants = VariantSource.of(bundle)
    with pytest.raises(FileNotFoundError):
        merge(
            bundle,
            variants,
            [first, EndedChunk(chunk=second.chunk, artifacts=gone)],
            workshop.artifacts,
        )
    second = EndedChunk(chunk=second.chunk, artifacts=gone, gone=GIVEN_UP)
    found = merge(bundle, variants, [first, second], workshop.artifacts)
    assert sorted(found.summary["keptResults"]) == [0, 1, 2, 3]


def test_a_hundred_thousand_variants_take_little_memory(tmp_path: Path) -> None:
    """Arrow's columns are counted by Arrow, everything else by Python."""
    artifacts = ParquetFiles(tmp_path)
    chance = np.random.default_rng(1)
    ended = []
    for start in range(0, MANY, MANY // 4):
        count = MANY // 4
        columns: dict[str, Any] = {
            field.name: pyarrow.nulls(count, field.type) for field in schema()
        }
        columns["index"] = np.arange(start, start + count, dtype=np.int32)
        columns["overrides"] = [f'{{"parameters.fast":{place}}}' for place in range(count)]
        for name in SUMMARY_METRICS:
            columns[name] = pyarrow.array(chance.normal(size=count), "float64").cast(
                schema().field(name).type, safe=False
            )
        columns["summaryDigest"] = [f"sha256:{place:064x}" for place in range(start, start + count)]
        ended.append(
            EndedChunk(
                chunk=Chunk(start=start, count=count),
                artifacts={"variants": artifacts.put(f"j{start}/1/variants", columns)},
            )
        )
    grid = {"parameters.fast": {"start": 1, "stop": MANY, "step": 1}}
    bundle = a_bundle(parameter_grid=grid, keep_results=KeepResults.NONE)
    before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    found = merge(bundle, VariantSource.of(bundle), ended, artifacts)
    python_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.completed == MANY
    assert python_peak < 40e6
    assert pyarrow.total_allocated_bytes() - before < 1e6
