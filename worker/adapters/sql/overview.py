"""What the sweep, the quotas and the metrics ask of a database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Engine, Select, and_, func, or_, select

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import read
from worker.adapters.sql.tables import jobs
from worker.adapters.sql.types import UtcTime
from worker.jobs.errors import ErrorCode
from worker.jobs.lanes import OWN_LANES
from worker.jobs.states import DART_QUEUED, LEGACY_QUEUED, JobStatus
from worker.ports import Backlog, Fleet

_QUEUED = jobs.c.status == JobStatus.QUEUED.value
_OURS = jobs.c.lane.in_(OWN_LANES)
_RUNNING = and_(jobs.c.status == JobStatus.RUNNING.value, _OURS)
_CLAIMABLE = and_(_QUEUED, jobs.c.rank.is_not(None))
_WAITING = and_(_QUEUED, jobs.c.rank.is_(None), jobs.c.admitted_at.is_not(None))
_UNADMITTED = and_(_QUEUED, jobs.c.rank.is_(None), jobs.c.admitted_at.is_(None))
#: As other systems and shipped clients spell it.
_QUEUED_ELSEWHERE = jobs.c.status.in_((LEGACY_QUEUED, DART_QUEUED))

#: No chunk job.
_ALONE = jobs.c.bundle_id.is_(None)

#: Jobs that run are as many as there are workers; more than this are looked at in several sweeps.
_MAX_RUNNING = 10_000


class SqlOverview:
    """Everything is judged by the store's clock."""

    _engine: Engine

    def expired_leases(self, *, limit: int) -> Sequence[str]:
        silent, _ = self._silent()
        return silent[:limit]

    def overdue(self, *, longest: float, slack: float, limit: int) -> Sequence[str]:
        running = (
            select(jobs.c.job_id, jobs.c.started_at, jobs.c.timeout_seconds, self._now_column())
            .where(_RUNNING, jobs.c.started_at.is_not(None))
            .order_by(jobs.c.started_at)
            .limit(_MAX_RUNNING)
        )
        return [
            row.job_id
            for row in self._rows(running)
            if row.now - row.started_at
            > timedelta(seconds=min(longest, row.timeout_seconds or longest) + slack)
        ][:limit]

    def cancelled_in_queue(self, *, limit: int) -> Sequence[str]:
        return self._ids(
            select(jobs.c.job_id)
            .where(_QUEUED, jobs.c.cancel_requested.is_(True), or_(_OURS, jobs.c.rank.is_(None)))
            .limit(limit)
        )

    def unadmitted(self, *, limit: int) -> Sequence[str]:
        spelled = self._ids(select(jobs.c.job_id).where(_QUEUED_ELSEWHERE).limit(limit))
        unseen = select(jobs.c.job_id).where(_UNADMITTED).order_by(jobs.c.created_at)
        return [*spelled, *self._ids(unseen.limit(limit))][:limit]

    def waiting_users(self, *, limit: int, after: str = "") -> Sequence[str]:
        return self._ids(
            select(jobs.c.user_id)
            .distinct()
            .where(_WAITING, jobs.c.user_id > after)
            .order_by(jobs.c.user_id)
            .limit(limit)
        )

    def waiting_of(self, user_id: str, *, limit: int) -> Sequence[str]:
        return self._ids(
            select(jobs.c.job_id)
            .where(_WAITING, jobs.c.user_id == user_id)
            .order_by(jobs.c.priority.desc(), jobs.c.admitted_at, jobs.c.job_id)
            .limit(limit)
        )

    def failed(self, code: ErrorCode, since: timedelta, *, limit: int) -> Sequence[str]:
        now = self._rows(select(self._now_column()))[0].now
        return self._ids(
            select(jobs.c.job_id)
            .where(
                jobs.c.completed_at > now - since,
                jobs.c.status == JobStatus.FAILED.value,
                jobs.c.error_code == code.value,
                _ALONE,
            )
            .order_by(jobs.c.completed_at, jobs.c.job_id)
            .limit(limit)
        )

    def backlog(self, lane: str, engine_version: str) -> Backlog | None:
        theirs = and_(_CLAIMABLE, jobs.c.lane == lane, jobs.c.engine_version == engine_version)
        oldest = (
            select(jobs.c.job_id, jobs.c.admitted_at, self._now_column())
            .where(theirs)
            .order_by(jobs.c.admitted_at, jobs.c.job_id)
            .limit(1)
        )
        found = self._rows(oldest)
        if not found:
            return None
        (first,) = found
        return Backlog(
            jobs=self._count(theirs),
            oldest_id=first.job_id,
            waited=(first.now - (first.admitted_at or first.now)).total_seconds(),
        )

    def queued_of(self, user_id: str) -> int:
        return self._count(
            and_(jobs.c.user_id == user_id, _QUEUED, jobs.c.admitted_at.is_not(None), _ALONE)
        )

    def active_of(self, user_id: str) -> int:
        running = jobs.c.status == JobStatus.RUNNING.value
        return self._count(and_(jobs.c.user_id == user_id, or_(running, _CLAIMABLE)))

    def bars_of(self, user_id: str, since: datetime) -> int:
        """Of jobs and of chunk jobs, each by an index of its own."""
        recent = select(func.coalesce(func.sum(jobs.c.bars), 0)).where(
            jobs.c.user_id == user_id, jobs.c.admitted_at > since
        )
        both = recent.where(_ALONE).union_all(recent.where(~_ALONE))
        return sum(int(row[0]) for row in self._rows(both))

    def fleet(self, since: timedelta) -> Fleet:
        silent, running = self._silent()
        queued = (
            select(jobs.c.priority, func.count(), func.min(jobs.c.admitted_at, type_=UtcTime))
            .where(_CLAIMABLE, _OURS)
            .group_by(jobs.c.priority)
        )
        now = self._rows(select(self._now_column()))[0].now
        ended = (
            select(jobs.c.status, jobs.c.error_code, func.count())
            .where(
                jobs.c.status.in_([JobStatus.COMPLETED.value, JobStatus.FAILED.value]),
                jobs.c.completed_at > now - since,
            )
            .group_by(jobs.c.status, jobs.c.error_code)
        )
        depth = self._rows(queued)
        oldest = min((row[2] for row in depth if row[2] is not None), default=now)
        return Fleet(
            queued={priority: count for priority, count, _ in depth},
            waiting=self._count(_WAITING),
            running=running,
            expired_leases=len(silent),
            oldest_seconds=max(0.0, (now - oldest).total_seconds()),
            ended={
                (JobStatus(status), ErrorCode(code) if code else None): count
                for status, code, count in self._rows(ended)
            },
        )

    def _silent(self) -> tuple[list[str], int]:
        """Running jobs whose lease is over, silent ones first, and how many run at all."""
        running = (
            select(
                jobs.c.job_id, jobs.c.lease_heartbeat_at, jobs.c.lease_seconds, self._now_column()
            )
            .where(_RUNNING)
            .order_by(jobs.c.lease_heartbeat_at.nulls_first())
            .limit(_MAX_RUNNING)
        )
        rows = self._rows(running)
        silent = [
            row.job_id
            for row in rows
            if row.lease_heartbeat_at is None
            or row.now - row.lease_heartbeat_at > timedelta(seconds=row.lease_seconds)
        ]
        return silent, len(rows)

    def _now_column(self) -> Any:
        return store_clock(self._engine).label("now")

    def _ids(self, query: Select[Any]) -> list[str]:
        return [row[0] for row in self._rows(query)]

    def _count(self, condition: ColumnElement[bool]) -> int:
        return int(self._rows(select(func.count()).select_from(jobs).where(condition))[0][0])

    def _rows(self, query: Select[Any] | CompoundSelect[Any]) -> Sequence[Any]:
        return read(self._engine, lambda connection: connection.execute(query).all())
