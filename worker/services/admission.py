"""Admission: decide whether a queued job may run, and give it its place in the queue.

Called wherever a job is first seen: at the event of its creation, by the API, by the worker it
rang for, by the local drain. All of them may see the same job at once; every write is guarded, so
the job is admitted once. Nothing here imports the compiler.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import engine
from worker import logs
from worker.jobs import transitions
from worker.jobs.changes import changed
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    IllegalTransition,
    JobFailure,
    RecordRefused,
)
from worker.jobs.job import Job, JobChange, Snapshot, id_problem, is_job_id
from worker.jobs.lanes import OWN_LANES, Rollout
from worker.jobs.rank import MAX_PRIORITY, MIN_PRIORITY
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.quotas import NO_LIMITS, QuotaLimits, Quotas, bars_of

logger = logging.getLogger(__name__)

#: A job that keeps changing under us is somebody else's to admit.
MAX_TRIES = 5

#: Longer messages are cut: a user reads the first sentences, a document has to hold all of it.
MAX_MESSAGE_CHARACTERS = 2_000

CheckConfig = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPolicy:
    """What this installation accepts.

    ``accepted_versions`` are the engine versions of every deployment, ``own_versions`` the ones
    this process reproduces: only for those can it judge a configuration.
    """

    current_version: str
    own_versions: Sequence[str]
    accepted_versions: Sequence[str]
    max_priority: int
    max_timeout_seconds: int
    ageing_seconds: int
    rollout: Rollout
    quotas: QuotaLimits = NO_LIMITS

    def version_of(self, asked: str | None) -> str:
        """The engine version that will run, by default the current one.

        Raises:
            JobFailure: UNSUPPORTED_ENGINE_VERSION.
        """
        version = asked or self.current_version
        if version not in self.accepted_versions:
            raise JobFailure(
                ErrorCode.UNSUPPORTED_ENGINE_VERSION,
                f"Engine version {version[:40]} is not supported; "
                f"supported: {', '.join(self.accepted_versions)}.",
            )
        return version

    def priority_of(self, asked: int) -> int:
        """The priority within what clients may have."""
        return max(MIN_PRIORITY, min(asked, self.max_priority, MAX_PRIORITY))


@dataclass(frozen=True, slots=True)
class _Examined:
    engine_version: str
    bars: int


class Admission:
    """The service. ``check_config`` raises ``engine.ConfigError`` for a bad configuration."""

    def __init__(
        self,
        store: Store,
        policy: AdmissionPolicy,
        check_config: CheckConfig,
    ) -> None:
        self._store = store
        self.policy = policy
        self._check_config = check_config
        self.quotas = Quotas(store, policy.quotas)

    def admit_id(self, job_id: str) -> Snapshot | None:
        """Admit the job with this id as far as it needs it; ``None`` for an unknown id."""
        seen = self._store.get(job_id)
        return None if seen is None else self.admit(seen)

    def admit(self, seen: Snapshot) -> Snapshot:
        """Admit or fail a queued job; any other job is returned as it stands.

        So is one that goes on waiting for room in its owner's quota, and one that leaves its store
        no room for what admission writes.
        """
        for _ in range(MAX_TRIES):
            if seen.job.status is not JobStatus.QUEUED or seen.job.is_admitted:
                return seen
            change = self.place(seen.job, seen.read_at)
            if seen.job.is_waiting and _keeps_waiting(change):
                return seen
            try:
                admitted = self._store.commit(seen, change)
            except Conflict:
                again = self._store.get(seen.job.job_id)
                if again is None:
                    return seen
                seen = again
                continue
            except RecordRefused as error:
                # Asking again would fail again, and hold up whoever waits for an answer.
                logger.error(
                    "the store cannot hold an admitted job: %s",
                    error,
                    extra={"event": "admission_impossible", "job_id": seen.job.job_id},
                )
                return seen
            _log(admitted.job)
            return admitted
        return seen

    def place(self, job: Job, now: datetime) -> JobChange:
        """What to write on a queued job that is not admitted, by its owner's quotas too: its place,
        that it waits for one, or why it must not run.

        ``now`` is the store's clock. Raises ``StoreUnavailable``.
        """
        change = self.decide(job, now)
        if change["status"] is JobStatus.FAILED or change["lane"] not in OWN_LANES:
            return change
        user_id = job.user_id or ""
        if not job.is_waiting:
            try:
                self.quotas.check(user_id, change["bars"], now)
            except JobFailure as failure:
                return transitions.reject(job, failure.code, failure.message)
        if self.quotas.room_of(user_id) == 0:
            return transitions.hold_back(change)
        return change

    def decide(self, job: Job, now: datetime) -> JobChange:
        """The same for a job that nobody counts, because it is only asked about or runs at once."""
        try:
            examined = self._examine(job)
        except JobFailure as failure:
            return transitions.reject(job, failure.code, shorten(failure.message))
        change = transitions.admit(
            job,
            now=now,
            engine_version=examined.engine_version,
            priority=job.priority if job.is_chunk else self.policy.priority_of(job.priority),
            lane=self.policy.rollout.lane_of(job.user_id or ""),
            ageing_seconds=self.policy.ageing_seconds,
        )
        change |= JobChange(bars=examined.bars)
        trace = logs.current_traceparent()
        if trace is not None and job.traceparent is None:
            change["traceparent"] = trace
        return change

    def replay(self, job: Job, now: datetime, *, counted: bool = True) -> JobChange:
        """What to write on a failed job that a person wants to run again: examined anew, and then
        either queued with a new place or failed for what is still wrong with it. ``counted`` by its
        owner's quotas, unless it runs at once.

        Raises:
            IllegalTransition: it has not failed, or belongs to a bundle that has ended.
            StoreUnavailable: nobody can tell.
        """
        if job.bundle_id is not None:
            self._require_open(job.bundle_id)
        again = transitions.replay(job, now=now, ageing_seconds=self.policy.ageing_seconds)
        unplaced = replace(changed(job, again, now), rank=None, admitted_at=None)
        decided = self.place(unplaced, now) if counted else self.decide(unplaced, now)
        if decided["status"] is JobStatus.FAILED:
            again = again | JobChange(rank=job.rank, admitted_at=job.admitted_at)
        return again | decided

    def _require_open(self, bundle_id: str) -> None:
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status.is_final:
            raise IllegalTransition(f"bundle {bundle_id} has ended, and its jobs with it")

    def _examine(self, job: Job) -> _Examined:
        if not is_job_id(job.job_id):
            raise JobFailure(ErrorCode.INVALID_CONFIG, id_problem(job.job_id))
        if job.cancel_requested:
            raise JobFailure(ErrorCode.CANCELLED, transitions.CANCELLED_MESSAGE)
        if not job.user_id or not job.user_id.strip():
            raise JobFailure(ErrorCode.MISSING_USER, "The job has no userId.")
        if job.defects:
            raise JobFailure(
                ErrorCode.INVALID_CONFIG, f"The job is not valid: {'; '.join(job.defects)}."
            )
        limit = self.policy.max_timeout_seconds
        if job.timeout_seconds is not None and not 1 <= job.timeout_seconds <= limit:
            raise JobFailure(
                ErrorCode.INVALID_CONFIG,
                f"timeoutSeconds: expected 1 to {limit}, got {job.timeout_seconds}.",
            )
        version = self.policy.version_of(job.engine_version)
        if job.is_chunk:
            # Its bundle was examined as a whole; there is no configuration of its own.
            return _Examined(version, job.bars or 0)
        if version not in self.policy.own_versions:
            return _Examined(version, 0)
        try:
            config = self._check_config(job.config_used)
        except engine.ConfigError as error:
            raise JobFailure(ErrorCode.INVALID_CONFIG, str(error)) from None
        return _Examined(version, bars_of(config))


def shorten(message: str) -> str:
    """Bound a message that repeats what a client wrote."""
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return message[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def _keeps_waiting(change: JobChange) -> bool:
    return change["status"] is JobStatus.QUEUED and change["rank"] is None


def _log(job: Job) -> None:
    if job.status is JobStatus.QUEUED:
        logger.info(
            "job admitted",
            extra={"event": "job_admitted", "job_id": job.job_id, "lane": job.lane},
        )
    else:
        logger.info(
            "job refused",
            extra={"event": "job_refused", "job_id": job.job_id, "error_code": job.error_code},
        )
