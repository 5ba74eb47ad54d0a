"""The state machine of a bundle: each function says what one commit writes, or refuses.

    queued ──expand──▶ running ──finish──▶ completed | failed
      └──refuse / cancel──▶ failed

As with jobs, nothing here reads a clock or a store, and a change is valid for the state it was
computed from.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from worker.jobs.bundle import Bundle, BundleChange, BundleOutline
from worker.jobs.chunks import ChunkTally
from worker.jobs.errors import ErrorCode, IllegalTransition, JobFailure
from worker.jobs.job import Artifact
from worker.jobs.lease import SERVER_TIME
from worker.jobs.states import JobStatus

CANCELLED_MESSAGE = "The bundle was cancelled before all of its variants had run."

#: The sweep tries no more often to expand a bundle: four hours, with the times between.
MOST_EXPANSION_TRIES = 10
#: The time to the second try; each is twice the one before, up to the longest.
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=1)

GIVEN_UP = JobFailure(
    ErrorCode.ENGINE_ERROR,
    f"The bundle could not be expanded in {MOST_EXPANSION_TRIES} tries: submit it again, or ask "
    "whoever runs this service.",
)


def expand(
    bundle: Bundle,
    *,
    now: datetime,
    engine_version: str,
    priority: int,
    lane: str,
    total: int,
    chunk_size: int,
    chunks: int,
) -> BundleChange:
    """Start a bundle together with its chunk jobs."""
    _require(bundle, JobStatus.QUEUED, "expanded")
    return BundleChange(
        status=JobStatus.RUNNING,
        engine_version=engine_version,
        priority=priority,
        lane=lane,
        admitted_at=bundle.admitted_at or now,
        started_at=SERVER_TIME,
        total=total,
        completed=0,
        failed=0,
        progress=0.0,
        chunk_size=chunk_size,
        chunks=chunks,
        cancel_requested=bundle.cancel_requested,
    )


def try_to_expand(bundle: Bundle, *, now: datetime) -> BundleChange:
    """Note that an expansion begins, in case it never says how it ended; or give the bundle up.

    Whatever breaks off there, a process included, lets other bundles go first the next time.
    """
    _require(bundle, JobStatus.QUEUED, "expanded")
    tries = bundle.expansion_tries
    if tries >= MOST_EXPANSION_TRIES:
        return refuse(bundle, GIVEN_UP)
    return BundleChange(
        expansion_tries=tries + 1,
        next_expansion_at=now + min(FIRST_DELAY * 2**tries, LONGEST_DELAY),
    )


def wait_to_expand(bundle: Bundle, *, now: datetime) -> BundleChange:
    """Take the noted try back, as what it needed was out of reach, and make the next one later.

    The wait is as long as the bundle is old, which doubles it from one try to the next, within the
    same bounds: an outage is waited for however long it lasts.
    """
    _require(bundle, JobStatus.QUEUED, "expanded")
    age = now - (bundle.created_at or now)
    return BundleChange(
        expansion_tries=max(bundle.expansion_tries - 1, 0),
        next_expansion_at=now + min(max(FIRST_DELAY, age), LONGEST_DELAY),
    )


def leave(bundle: Bundle, *, now: datetime, lane: str) -> BundleChange:
    """Leave a queued bundle to the system whose lane it is."""
    _require(bundle, JobStatus.QUEUED, "left to another system")
    return BundleChange(lane=lane, admitted_at=bundle.admitted_at or now)


def refuse(bundle: Bundle, failure: JobFailure) -> BundleChange:
    """End a queued bundle that must not run."""
    _require(bundle, JobStatus.QUEUED, "refused")
    return BundleChange(
        status=JobStatus.FAILED,
        error_code=failure.code,
        error_message=failure.message,
        completed_at=SERVER_TIME,
        admitted_at=bundle.admitted_at or SERVER_TIME,
    )


def request_cancel(bundle: Bundle) -> BundleChange | None:
    """End a queued bundle, mark one that runs; ``None`` when there is nothing to write."""
    if bundle.status is JobStatus.QUEUED:
        cancelled = JobFailure(ErrorCode.CANCELLED, CANCELLED_MESSAGE)
        return refuse(bundle, cancelled) | BundleChange(cancel_requested=True)
    if bundle.status is JobStatus.RUNNING and not bundle.cancel_requested:
        return BundleChange(cancel_requested=True)
    return None


def advance(bundle: BundleOutline, tally: ChunkTally) -> BundleChange | None:
    """What the chunk jobs have come to so far; ``None`` if the bundle says so already.

    The counts are those of the moment: they fall when a person replays a failed chunk job. The
    progress never goes back.
    """
    _require(bundle, JobStatus.RUNNING, "advanced")
    completed = tally.variants_completed
    failed = tally.variants_failed + tally.variants_lost
    progress = max(bundle.progress, progress_of(bundle, tally))
    if (completed, failed, progress) == (bundle.completed, bundle.failed, bundle.progress):
        return None
    return BundleChange(completed=completed, failed=failed, progress=progress)


def progress_of(bundle: BundleOutline, tally: ChunkTally) -> float:
    """The finished fraction of a bundle's variants, with those that run counted in part."""
    if not bundle.total:
        return 0.0
    ended = tally.variants_completed + tally.variants_failed + tally.variants_lost
    in_hand = tally.progress * (bundle.chunk_size or 0)
    return min(1.0, (ended + in_hand) / bundle.total)


def finish(
    bundle: Bundle,
    *,
    completed: int,
    failed: int,
    failure: JobFailure | None,
    summary: Mapping[str, Any],
    artifacts: Mapping[str, Artifact],
) -> BundleChange:
    """End a bundle all of whose variants have ended; with a ``failure`` if it has failed."""
    _require(bundle, JobStatus.RUNNING, "finished")
    return BundleChange(
        status=JobStatus.COMPLETED if failure is None else JobStatus.FAILED,
        completed_at=SERVER_TIME,
        error_code=None if failure is None else failure.code,
        error_message=None if failure is None else failure.message,
        completed=completed,
        failed=failed,
        progress=1.0,
        summary=summary,
        artifacts=artifacts,
    )


def _require(bundle: BundleOutline, status: JobStatus, verb: str) -> None:
    if bundle.status is not status:
        raise IllegalTransition(
            f"bundle {bundle.bundle_id} is {bundle.status}; only a {status} bundle can be {verb}"
        )
