"""Expansion: a queued bundle becomes chunk jobs, all of them in the commit that starts it.

Whoever comes first does it: the event of the bundle's creation, the API, the sweep. What is
written depends on the bundle alone, so a crash before the commit loses nothing, and of several
expanders one wins.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import engine
from worker import logs
from worker.jobs import bundle_transitions
from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot
from worker.jobs.chunks import chunk_job_id, ranges
from worker.jobs.errors import Conflict, ErrorCode, JobFailure, RecordRefused
from worker.jobs.job import Job
from worker.jobs.lanes import OWN_LANES
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.admission import MAX_TRIES, shorten
from worker.services.bundles.admission import BundleAdmission, Examined

logger = logging.getLogger(__name__)

TOO_LONG = JobFailure(ErrorCode.INVALID_CONFIG, "The bundle's document is too long.")


@dataclass(frozen=True, slots=True)
class _Plan:
    change: BundleChange
    jobs: Sequence[Job] = ()


class Expansion:
    """The service."""

    def __init__(self, store: Store, admission: BundleAdmission) -> None:
        self._store = store
        self._admission = admission

    def expand_id(self, bundle_id: str) -> BundleSnapshot | None:
        """Expand the bundle with this id as far as it needs it; ``None`` for an unknown id."""
        seen = self._store.get_bundle(bundle_id)
        return None if seen is None else self.expand(seen)

    def expand(self, seen: BundleSnapshot) -> BundleSnapshot:
        """Expand or fail a queued bundle; any other is returned as it stands.

        Raises:
            StoreUnavailable: nothing is decided, or nobody knows; ask again.
        """
        for _ in range(MAX_TRIES):
            if seen.bundle.status is not JobStatus.QUEUED or _is_left(seen.bundle):
                return seen
            plan = self._plan(seen)
            try:
                after = self._store.commit_bundle(seen, plan.change, plan.jobs)
            except Conflict:
                again = self._store.get_bundle(seen.bundle.bundle_id)
                if again is None:
                    return seen
                seen = again
                continue
            except RecordRefused as error:
                return self._too_long(seen, error)
            _log(after.bundle)
            return after
        return seen

    def _too_long(self, seen: BundleSnapshot, error: RecordRefused) -> BundleSnapshot:
        """End a bundle beside which its store has no room for an expansion."""
        logger.error(
            "the store cannot hold an expanded bundle: %s",
            error,
            extra={"event": "expansion_impossible", "bundle_id": seen.bundle.bundle_id},
        )
        try:
            return self._store.commit_bundle(seen, bundle_transitions.refuse(seen.bundle, TOO_LONG))
        except (Conflict, RecordRefused):
            return seen

    def _plan(self, seen: BundleSnapshot) -> _Plan:
        bundle = seen.bundle
        try:
            examined = self._admission.examine(bundle)
            if examined.lane not in OWN_LANES:
                return _Plan(bundle_transitions.leave(bundle, now=seen.read_at, lane=examined.lane))
            self._admission.check_quotas(bundle, examined, seen.read_at)
        except engine.ConfigError as error:
            failure = JobFailure(ErrorCode.INVALID_CONFIG, shorten(str(error)))
            return _Plan(bundle_transitions.refuse(bundle, failure))
        except JobFailure as error:
            failure = JobFailure(error.code, shorten(error.message))
            return _Plan(bundle_transitions.refuse(bundle, failure))
        jobs = self._jobs(bundle, examined, bundle.admitted_at or seen.read_at)
        change = bundle_transitions.expand(
            bundle,
            now=seen.read_at,
            engine_version=examined.engine_version,
            priority=examined.priority,
            lane=examined.lane,
            total=len(examined.variants),
            chunk_size=examined.chunk_size,
            chunks=len(jobs),
        )
        return _Plan(change, jobs)

    def _jobs(self, bundle: Bundle, examined: Examined, admitted_at: datetime) -> Sequence[Job]:
        """The chunk jobs; those for which their owner's quota has no room now will wait."""
        chunks = list(ranges(len(examined.variants), examined.chunk_size))
        room = self._admission.room_of(bundle.user_id or "")
        rank = self._admission.rank_of(admitted_at, examined.priority)
        jobs = []
        for number, chunk in enumerate(chunks):
            waits = room is not None and number >= room
            jobs.append(
                Job(
                    job_id=chunk_job_id(bundle.bundle_id, bundle.created_at or admitted_at, number),
                    user_id=bundle.user_id,
                    engine_version=examined.engine_version,
                    priority=examined.priority,
                    rank=None if waits else rank,
                    lane=None if waits else examined.lane,
                    admitted_at=admitted_at,
                    bundle_id=bundle.bundle_id,
                    variants=chunk.to_map(),
                    bars=examined.bars.of(chunk),
                    traceparent=logs.current_traceparent(),
                )
            )
        return jobs


def _is_left(bundle: Bundle) -> bool:
    """Whether another system's lane has it."""
    return bundle.lane is not None and bundle.lane not in OWN_LANES


def _log(bundle: Bundle) -> None:
    if bundle.status is JobStatus.FAILED:
        event, message = "bundle_refused", "bundle refused"
    elif _is_left(bundle):
        event, message = "bundle_left", "bundle left to another system"
    else:
        event, message = "bundle_expanded", "bundle expanded"
    logger.info(
        message,
        extra={
            "event": event,
            "bundle_id": bundle.bundle_id,
            "error_code": bundle.error_code,
            "chunks": bundle.chunks,
            "variants": bundle.total,
        },
    )
