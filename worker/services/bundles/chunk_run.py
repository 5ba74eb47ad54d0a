"""Running one chunk of a bundle: the work between the claim and the end of a chunk job.

Candles are loaded once for all variants that need the same; the variants run side by side in the
engine's sweep, and each fails alone.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import engine
from engine.sweeps.overrides import overridden
from worker.jobs.artifact_keys import folder_of_attempt
from worker.jobs.bundle import VARIANT_ROWS, Bundle
from worker.jobs.chunks import Chunk, chunk_of
from worker.jobs.errors import ErrorCode, JobFailure, StoreUnavailable
from worker.jobs.job import Artifact, Job, JobChange, ResultRecord
from worker.ports import ArtifactStore, BundleStore
from worker.services.backtesting import (
    Backtesting,
    OnProgress,
    ShouldStop,
    as_failure,
)
from worker.services.bundles.chunk_work import ROWS_SHARE, ChunkWork, Told
from worker.services.bundles.groups import Group, grouped
from worker.services.bundles.kept_results import KeptResults
from worker.services.bundles.variant_lists import variants_of
from worker.services.bundles.variant_rows import ChunkRows
from worker.services.outcome import Outcome

if TYPE_CHECKING:
    from engine.sweep import SweepRow

logger = logging.getLogger(__name__)


class SweepRows(Protocol):
    """The engine's ``sweep_rows``."""

    def __call__(
        self,
        base: Mapping[str, Any],
        overrides: Any,
        candles: Any = None,
        *,
        threads: int | None = None,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[list["SweepRow"]]: ...


class ChunkRun:
    """The service."""

    def __init__(
        self,
        bundles: BundleStore,
        backtesting: Backtesting,
        artifacts: ArtifactStore,
        *,
        sweep_rows: SweepRows = engine.sweep_rows,
        threads: int | None = None,
        telling: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """``threads`` that a sweep uses, ``None`` for one a processor. ``telling`` surrounds a run
        and is given the id of its bundle.
        """
        self._bundles = bundles
        self._backtesting = backtesting
        self._artifacts = artifacts
        self._sweep_rows = sweep_rows
        self._threads = threads
        self._telling = telling

    def run(self, job: Job, told: Told) -> Outcome:
        """Run the variants of a chunk job and store their rows.

        A run that is cancelled or out of time gives the rows that are finished, and the reason to
        the others.

        Raises:
            engine.Stopped: it is to be given up.
            JobFailure: there is nothing to run.
        """
        bundle, chunk = self._read(job)
        with self._telling(bundle.bundle_id):
            return self._run(job, bundle, chunk, told)

    def _run(self, job: Job, bundle: Bundle, chunk: Chunk, told: Told) -> Outcome:
        work = ChunkWork(bundle, chunk, variants_of(bundle, self._artifacts), told)
        for group in grouped(bundle.base_config, work.variants, chunk):
            if not told.should_stop():
                self._run_group(work, group)
        failure = work.settle()
        key = folder_of_attempt(job)
        rows = self._artifacts.put(f"{key}/{VARIANT_ROWS}", work.rows.columns())
        kept = self._keep(work, key) if failure is None else {}
        return _end(job, chunk, work.rows, {VARIANT_ROWS: rows, **kept})

    def _read(self, job: Job) -> tuple[Bundle, Chunk]:
        seen = self._bundles.get_bundle(job.bundle_id or "")
        chunk = chunk_of(job)
        if seen is None or chunk is None:
            raise JobFailure(ErrorCode.INVALID_CONFIG, "The bundle of this job is gone.")
        if seen.bundle.cancel_requested or seen.bundle.status.is_final:
            raise JobFailure(ErrorCode.CANCELLED, "The bundle of this job has ended.")
        return seen.bundle, chunk

    def _run_group(self, work: ChunkWork, group: Group) -> None:
        """Run variants on the same candles; without those each says why it cannot run."""
        missing: JobFailure | None = None
        candles = None
        try:
            candles = self._backtesting.load(group.series)
        except JobFailure as failure:
            missing = failure
        rows = self._sweep_rows(
            work.bundle.base_config,
            work.chosen(group.places),
            candles,
            threads=self._threads,
            on_progress=lambda fraction: work.report(fraction * len(group.places)),
            should_stop=work.told.should_stop,
        )
        for some in rows:
            for row in some:
                work.keep(group.places[row.index], row, missing)
        work.ended(len(group.places))

    def _keep(self, work: ChunkWork, key: str) -> Mapping[str, Artifact]:
        """Make and store the full results that the bundle asks for, as far as there is time."""
        kept = KeptResults(self._artifacts, key, work.bundle.enum_style)
        wanted = work.wanted()
        for number, place in enumerate(wanted):
            index = work.chunk.start + place
            config = overridden(work.bundle.base_config, work.variants[index])
            try:
                kept.add(index, self._backtesting.run(config, should_stop=work.told.should_stop))
            except engine.Stopped:
                if work.told.why() is None:
                    raise
                break
            except StoreUnavailable:
                raise
            except Exception as error:
                # Its row stands, and says all that is known without the full result.
                logger.warning(
                    "the full result of variant %d is not kept: %s",
                    index,
                    as_failure(error).message,
                    extra={"event": "result_not_kept"},
                )
            work.told.on_progress(ROWS_SHARE + (1 - ROWS_SHARE) * (number + 1) / len(wanted))
        return kept.artifacts()


def _end(job: Job, chunk: Chunk, rows: ChunkRows, artifacts: Mapping[str, Artifact]) -> Outcome:
    counted = replace(chunk, completed=rows.completed, failed=rows.failed)
    return Outcome(
        ResultRecord(
            job_id=job.job_id,
            user_id=job.user_id or "",
            engine_version=job.engine_version or engine.ENGINE_VERSION,
            result_digest=f"sha256:{artifacts[VARIANT_ROWS].sha256}",
            summary_digest=None,
            backtest_result={},
            artifacts=artifacts,
        ),
        JobChange(variants=counted.to_map()),
    )
