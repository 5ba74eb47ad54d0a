"""The end of a bundle: the rows of all chunks become one table and a summary, in one commit.

Done by whoever ended the last chunk job, and by the sweep. Until the commit everything can be
computed again, and the commit is guarded: of several finalisers one writes.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.jobs import bundle_transitions
from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot
from worker.jobs.chunks import Chunk, chunk_of, ranges
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    JobFailure,
    OutcomeUnknown,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import ArtifactStore, Store
from worker.services.admission import shorten
from worker.services.bundles.reading_ahead import read_ahead
from worker.services.bundles.summary import EndedChunk, Merged, merge
from worker.services.bundles.variant_lists import variants_of

logger = logging.getLogger(__name__)

#: The bundle is also written when a chunk ends or somebody cancels; not as often as this.
MAX_TRIES = 10

#: What becomes of the variants of a chunk job that left no rows.
_LOST = {
    ErrorCode.CANCELLED: "The bundle was cancelled before this variant had run.",
    ErrorCode.TIMEOUT: "The job of this variant ran out of time and left no results.",
    ErrorCode.WORKER_LOST: "The worker that ran this variant stopped answering.",
}

#: The owner gave the bundle up while its rows were out of reach.
_GIVEN_UP = JobFailure(
    ErrorCode.CANCELLED,
    "The bundle was cancelled while what this variant had come to could not be read.",
)
#: Of a chunk job whose record is gone.
_NO_JOB = JobFailure(ErrorCode.ENGINE_ERROR, "The job of this variant is gone.")

#: A bundle whose rows are not here is read again after this many seconds, then after twice as many.
FIRST_DELAY, LONGEST_DELAY = 30.0, 600.0

UNREADABLE = JobFailure(
    ErrorCode.ENGINE_ERROR, "The results of the variants could not be put together."
)


class Finalising:
    """The service."""

    def __init__(
        self,
        store: Store,
        artifacts: ArtifactStore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._monotonic = monotonic
        self._delays: dict[_Ends, _Delay] = {}

    def finalise(self, bundle_id: str) -> BundleSnapshot | None:
        """End a running bundle whose chunk jobs have all ended; the bundle as it stands then.

        Any other bundle stays as it is, and so does one whose rows are not where this process
        looks: they are not lost because of that. It is read again after a while, at once when one
        of its chunk jobs was replayed, and ended without them when its owner cancels it. ``None``
        for an unknown id.

        Raises:
            StoreUnavailable: the end could not be written, or what it is made of not be read.
        """
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.RUNNING:
            return seen
        jobs = self._store.chunk_jobs(bundle_id)
        if any(not job.status.is_final for job in jobs):
            return seen
        ends = _ends_of(seen.bundle, jobs)
        if self._is_delayed(ends):
            return seen
        try:
            merged = self._merged(seen.bundle, list(self._ended(seen.bundle, jobs)))
        except FileNotFoundError as error:
            self._delay(ends, error)
            return seen
        self._delays.pop(ends, None)
        return self._commit(seen, merged)

    def _is_delayed(self, ends: "_Ends") -> bool:
        delay = self._delays.get(ends)
        return delay is not None and self._monotonic() < delay.until

    def _delay(self, ends: "_Ends", error: FileNotFoundError) -> None:
        before = self._delays.get(ends)
        seconds = FIRST_DELAY if before is None else min(2 * before.seconds, LONGEST_DELAY)
        while len(self._delays) >= _MOST_DELAYED:
            self._delays.pop(next(iter(self._delays)))
        self._delays[ends] = _Delay(self._monotonic() + seconds, seconds)
        logger.error(
            "rows of a bundle are not where ARTIFACTS points, so it does not end: %s",
            error,
            extra={"event": "bundle_rows_missing", "bundle_id": ends.bundle_id},
        )

    def _ended(self, bundle: Bundle, jobs: Sequence[Job]) -> Iterator[EndedChunk]:
        """All chunks in order; one whose job is gone has left nothing."""
        by_start = {chunk.start: job for job in jobs if (chunk := _chunk(job)) is not None}
        chunks = ranges(bundle.total, bundle.chunk_size or bundle.total or 1)
        gone = _GIVEN_UP if bundle.cancel_requested else None
        return read_ahead(
            chunks, lambda chunk: self._end_of(chunk, by_start.get(chunk.start), gone)
        )

    def _end_of(self, chunk: Chunk, job: Job | None, gone: JobFailure | None) -> EndedChunk:
        if job is None:
            return EndedChunk(chunk=chunk, failure=_NO_JOB)
        if job.status is JobStatus.FAILED:
            return EndedChunk(chunk=chunk, failure=_failure_of(job))
        result = self._store.result(job.job_id)
        return EndedChunk(chunk=chunk, artifacts=result.artifacts if result else {}, gone=gone)

    def _merged(self, bundle: Bundle, ended: Sequence[EndedChunk]) -> Merged | None:
        """``None`` for rows that are damaged: trying again would not help.

        Raises:
            FileNotFoundError: some are not here.
        """
        try:
            variants = variants_of(bundle, self._artifacts)
            return merge(bundle, variants, ended, self._artifacts)
        except (StoreUnavailable, FileNotFoundError):
            raise
        except Exception:
            logger.exception(
                "a bundle cannot be put together",
                extra={"event": "bundle_unreadable", "bundle_id": bundle.bundle_id},
            )
            return None

    def _commit(self, seen: BundleSnapshot, merged: Merged | None) -> BundleSnapshot:
        summaries = _summaries(merged)
        summary = next(summaries)
        for _ in range(MAX_TRIES):
            if seen.bundle.status is not JobStatus.RUNNING:
                self._withdraw(seen.bundle, merged)
                return seen
            try:
                after = self._store.commit_bundle(seen, _finish(seen.bundle, merged, summary))
            except RecordRefused:
                summary = next(summaries)
            except (Conflict, OutcomeUnknown):
                again = self._store.get_bundle(seen.bundle.bundle_id)
                if again is None:
                    return seen
                seen = again
            else:
                _log(after.bundle)
                return after
        raise StoreUnavailable(
            f"bundle {seen.bundle.bundle_id} is written faster than it can be ended"
        )

    def _withdraw(self, ended: Bundle, merged: Merged | None) -> None:
        """Remove what was stored for an end that somebody else wrote, unless that is the same."""
        kept = {artifact.uri for artifact in ended.artifacts.values()}
        for artifact in merged.artifacts.values() if merged is not None else ():
            if artifact.uri in kept:
                continue
            try:
                self._artifacts.remove(artifact)
            except (StoreUnavailable, OSError) as error:
                logger.warning(
                    "what nobody needs is left: %s",
                    error,
                    extra={"event": "artifact_left", "bundle_id": ended.bundle_id},
                )


@dataclass(frozen=True, slots=True)
class _Ends:
    """How a bundle's chunk jobs have ended: a replay, or a cancellation, makes it another one."""

    bundle_id: str
    cancelled: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class _Delay:
    until: float
    seconds: float


#: More bundles than this are not waited for, but read at every sweep.
_MOST_DELAYED = 10_000


def _ends_of(bundle: Bundle, jobs: Sequence[Job]) -> _Ends:
    return _Ends(bundle.bundle_id, bundle.cancel_requested, sum(job.attempt for job in jobs))


def _finish(bundle: Bundle, merged: Merged | None, summary: Mapping[str, Any]) -> BundleChange:
    if merged is None:
        return bundle_transitions.finish(
            bundle, completed=0, failed=bundle.total, failure=UNREADABLE, summary={}, artifacts={}
        )
    return bundle_transitions.finish(
        bundle,
        completed=merged.completed,
        failed=merged.failed,
        failure=_why_failed(bundle, merged),
        summary=summary,
        artifacts=merged.artifacts,
    )


def _why_failed(bundle: Bundle, merged: Merged) -> JobFailure | None:
    """A bundle has failed if it was cancelled before all had run, or nothing came of it."""
    codes = {reason.code for reason in merged.reasons}
    if bundle.cancel_requested and ErrorCode.CANCELLED in codes:
        return JobFailure(ErrorCode.CANCELLED, bundle_transitions.CANCELLED_MESSAGE)
    if merged.completed:
        return None
    most = merged.reasons[0]
    return JobFailure(most.code, shorten(f"No variant succeeded. Most of them: {most.message}"))


def _summaries(merged: Merged | None) -> Iterator[Mapping[str, Any]]:
    """The summary, and shorter ones for a store that cannot hold it beside the bundle.

    Overrides may hold a whole path of prices. They are found in the rows all the same.
    """
    summary = dict(merged.summary) if merged is not None else {}
    yield summary
    for end in ("best", "worst"):
        if summary.get(end):
            summary[end] = {**summary[end], "overrides": {}}
    yield summary
    while True:
        yield {}


def _failure_of(job: Job) -> JobFailure:
    code = job.error_code or ErrorCode.ENGINE_ERROR
    return JobFailure(code, _LOST.get(code) or job.error_message or "This variant did not run.")


def _chunk(job: Job) -> Chunk | None:
    try:
        return chunk_of(job)
    except ValueError:
        return None


def _log(bundle: Bundle) -> None:
    logger.info(
        "bundle %s",
        bundle.status,
        extra={
            "event": f"bundle_{bundle.status}",
            "bundle_id": bundle.bundle_id,
            "error_code": bundle.error_code,
            "variants": bundle.total,
            "failed": bundle.failed,
        },
    )
