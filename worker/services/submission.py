"""Submitting a job from this side: checked first, stored once, admitted at once.

With an idempotency key the job's id follows from the user, the key and the day, so that a request
sent twice meets the job of the first one instead of making a second, on any store and without a
record of keys.
"""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from worker.jobs.errors import Conflict, ErrorCode, JobExists, JobFailure, StoreUnavailable
from worker.jobs.job import Job, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import Clock, JobStore
from worker.services.admission import Admission, CheckConfig

logger = logging.getLogger(__name__)

#: How long a key stands for the job it first came with.
KEY_LIFETIME = timedelta(hours=24)


class KeyReused(Exception):
    """The idempotency key came before with another job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a user asks for."""

    user_id: str
    config_used: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    engine_version: str | None = None
    timeout_seconds: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The stored job; ``is_new`` is false when an earlier request had made it."""

    snapshot: Snapshot
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """A job without its id, and what admission will make of version and priority."""

    job: Job
    engine_version: str
    priority: int
    bars: int

    def named(self, job_id: str) -> Job:
        return replace(self.job, job_id=job_id)

    def made(self, stored: Job) -> bool:
        """Whether a stored job came from the same request."""
        return (
            stored.user_id == self.job.user_id
            and stored.config_used == self.job.config_used
            and stored.timeout_seconds == self.job.timeout_seconds
            and stored.priority in (self.job.priority, self.priority)
            and stored.engine_version in (self.job.engine_version, self.engine_version)
        )


class Submission:
    """The service. ``check_config`` raises ``engine.ConfigError`` for a bad configuration."""

    def __init__(
        self,
        store: JobStore,
        admission: Admission,
        clock: Clock,
        check_config: CheckConfig,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self._check_config = check_config
        self._new_id = new_id

    def submit(self, new: NewJob) -> Submitted:
        """Store and admit a job.

        Raises:
            ConfigError: the configuration is not valid; nothing was stored.
            JobFailure: the job would be refused for another reason; nothing was stored.
            KeyReused: the idempotency key belongs to another job.
            RecordRefused: no store could hold the configuration.
            StoreUnavailable: the store did not answer; with ``OutcomeUnknown`` the job may exist.
        """
        planned = self._planned(new)
        if new.idempotency_key is None:
            return self._create(self._new_id(), planned)
        return self._create_once(new.user_id, new.idempotency_key, planned)

    def check(self, new: NewJob) -> None:
        """Raise what :meth:`submit` would raise; nothing is stored."""
        plan = self._planned(new)
        self._admission.quotas.check(new.user_id, plan.bars, self._clock.now())

    def _planned(self, new: NewJob) -> _Plan:
        now = self._clock.now()
        job = Job(
            job_id="new",
            user_id=new.user_id,
            config_used=new.config_used,
            submitted_at=now,
            engine_version=new.engine_version,
            priority=new.priority,
            timeout_seconds=new.timeout_seconds,
        )
        decision = self._admission.decide(job, now)
        if decision.get("status") is JobStatus.FAILED:
            code = decision["error_code"] or ErrorCode.INVALID_CONFIG
            if code is ErrorCode.INVALID_CONFIG:
                self._check_config(new.config_used)
            raise JobFailure(code, decision["error_message"] or "The job is not valid.")
        return _Plan(job, decision["engine_version"], decision["priority"], decision["bars"])

    def _create(self, job_id: str, plan: _Plan) -> Submitted:
        self._admission.quotas.check(plan.job.user_id or "", plan.bars, self._clock.now())
        return Submitted(self._admitted(self._store.create(plan.named(job_id))), is_new=True)

    def _create_once(self, user_id: str, key: str, plan: _Plan) -> Submitted:
        today = self._clock.now().toordinal()
        yesterday = self._store.get(id_of_key(user_id, key, today - 1))
        if yesterday is not None and _is_alive(yesterday):
            return self._repeated(yesterday, plan)
        job_id = id_of_key(user_id, key, today)
        try:
            return self._create(job_id, plan)
        except (JobExists, JobFailure) as error:
            # Who is over a quota now may ask again for what was taken before.
            first = self._store.get(job_id)
            if first is None and isinstance(error, JobFailure):
                raise
            if first is None:
                raise Conflict(job_id) from None
            return self._repeated(first, plan)

    def _repeated(self, first: Snapshot, plan: _Plan) -> Submitted:
        if not plan.made(first.job):
            raise KeyReused
        return Submitted(self._admitted(first), is_new=False)

    def _admitted(self, seen: Snapshot) -> Snapshot:
        try:
            return self._admission.admit(seen)
        except StoreUnavailable as error:
            # The job is stored, and whoever hears of it next admits it: an error here would only
            # make the caller submit it a second time.
            logger.warning(
                "stored but not admitted yet: %s",
                error,
                extra={"event": "admission_delayed", "job_id": seen.job.job_id},
            )
            return seen


def id_of_key(user_id: str, key: str, day: int, *kind: str) -> str:
    """The id of what a key stands for on a day; other kinds of things have other ids."""
    told = json.dumps([user_id, key, day, *kind])
    return f"key-{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def _is_alive(first: Snapshot) -> bool:
    created = first.job.created_at
    return created is not None and first.read_at - created <= KEY_LIFETIME
