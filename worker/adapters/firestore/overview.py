"""What the sweep, the quotas and the metrics ask of Firestore.

Firestore cannot look for a field that is absent. Where that matters, the number of documents that
should have the field is compared with the number of those that do; only if they differ are the
documents paged through. A query asks for as few fields as it needs, and each has its index in
``firestore.indexes.json``.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.firestore import CollectionReference, DocumentSnapshot, FieldFilter, Query

from worker.adapters.firestore.errors import reading
from worker.adapters.firestore.reading import utc
from worker.adapters.firestore.retries import READ_RETRY, RPC_SECONDS
from worker.jobs.errors import ErrorCode
from worker.jobs.lanes import OWN_LANES
from worker.jobs.rank import MAX_PRIORITY, MIN_PRIORITY
from worker.jobs.states import DART_QUEUED, LEGACY_QUEUED, JobStatus
from worker.ports import Backlog, Fleet

#: A filter by it holds for every time, and for nothing that is not a time.
_ANY_TIME = datetime(1, 1, 1, tzinfo=UTC)
#: The same for numbers: a client may have written null, which is sorted like a value.
_ANY_NUMBER = float("-inf")

#: Who owns a job, and who owns a chunk job: two queries each, as no document has both.
_OWNER = ("userId", "ownerId")

_PAGE = 500

#: Jobs that run are as many as there are workers; more than this are looked at in several sweeps.
_MAX_RUNNING = 10_000


class FirestoreOverview:
    """``_jobs`` is the collection of jobs. Times are compared with the server's read time."""

    _jobs: CollectionReference

    def expired_leases(self, *, limit: int) -> Sequence[str]:
        silent, _ = self._silent()
        return silent[:limit]

    def overdue(self, *, longest: float, slack: float, limit: int) -> Sequence[str]:
        found = self._stream(
            self._running()
            .order_by("startedAt")
            .select(["startedAt", "timeoutSeconds"])
            .limit(_MAX_RUNNING)
        )
        return [
            job.id
            for job in found
            if (ran := _seconds_since(_read(job, "startedAt"), job)) is not None
            and ran > min(longest, _number(_read(job, "timeoutSeconds")) or longest) + slack
        ][:limit]

    def cancelled_in_queue(self, *, limit: int) -> Sequence[str]:
        cancelled = self._queued().where(filter=FieldFilter("cancelRequested", "==", True))
        ours = cancelled.where(filter=FieldFilter("lane", "in", list(OWN_LANES)))
        unranked = cancelled.where(filter=FieldFilter("rank", "==", None))
        return [*self._ids(ours.limit(limit)), *self._ids(unranked.limit(limit))][:limit]

    def unadmitted(self, *, limit: int) -> Sequence[str]:
        styles = FieldFilter("status", "in", [DART_QUEUED, LEGACY_QUEUED])
        found = self._ids(self._jobs.where(filter=styles).limit(limit))
        queued = self._queued()
        ranked = queued.where(filter=FieldFilter("rank", ">", _ANY_NUMBER))
        missing = self._count(queued) - self._count(ranked) - self._count(self._waiting())
        if missing <= 0 or len(found) >= limit:
            return found
        for job in self._pages(queued.select(["rank", "admittedAt"])):
            if _is_unadmitted(job.to_dict() or {}):
                found.append(job.id)
                missing -= 1
            if not missing or len(found) >= limit:
                break
        return found

    def waiting_users(self, *, limit: int, after: str = "") -> Sequence[str]:
        users = {user for field in _OWNER for user in self._unranked_users(field, limit, after)}
        return sorted(users)[:limit]

    def _unranked_users(self, field: str, limit: int, after: str) -> Iterator[str]:
        """One small query a user: Firestore has no DISTINCT."""
        unranked = self._queued().where(filter=FieldFilter("rank", "==", None))
        for _ in range(limit):
            behind = unranked.where(filter=FieldFilter(field, ">", after)).order_by(field)
            found = self._stream(behind.select([field]).limit(1))
            if not found:
                return
            after = str(found[0].get(field))
            yield after

    def waiting_of(self, user_id: str, *, limit: int) -> Sequence[str]:
        unranked = self._queued().where(filter=FieldFilter("rank", "==", None))
        found: list[tuple[float, datetime, str]] = []
        for field in _OWNER:
            own = (
                unranked.where(filter=FieldFilter(field, "==", user_id))
                .order_by("priority", direction=Query.DESCENDING)
                .order_by("admittedAt")
                .select(["admittedAt", "priority"])
            )
            for job in self._stream(own.limit(limit + _PAGE)):
                since = _time(_read(job, "admittedAt"))
                if since is not None:
                    found.append((-(_number(_read(job, "priority")) or 0.0), since, job.id))
        return [job_id for *_, job_id in sorted(found)][:limit]

    def failed(self, code: ErrorCode, since: timedelta, *, limit: int) -> Sequence[str]:
        recent = FieldFilter("completedAt", ">", datetime.now(UTC) - since)
        found = (
            self._jobs.where(filter=FieldFilter("errorCode", "==", code.value))
            .where(filter=recent)
            .order_by("completedAt")
            .select(["status", "bundleId"])
        )
        return [
            job.id
            for job in self._stream(found.limit(limit))
            if _read(job, "status") == JobStatus.FAILED.value and not _read(job, "bundleId")
        ]

    def backlog(self, lane: str, engine_version: str) -> Backlog | None:
        theirs = (
            self._queued()
            .where(filter=FieldFilter("lane", "==", lane))
            .where(filter=FieldFilter("engineVersion", "==", engine_version))
        )
        oldest = self._stream(theirs.order_by("admittedAt").select(["admittedAt"]).limit(1))
        if not oldest:
            return None
        (first,) = oldest
        return Backlog(
            jobs=self._count(theirs.where(filter=FieldFilter("rank", ">", _ANY_NUMBER))),
            oldest_id=first.id,
            waited=_seconds_since(_read(first, "admittedAt"), first) or 0.0,
        )

    def queued_of(self, user_id: str) -> int:
        own = self._queued().where(filter=FieldFilter("userId", "==", user_id))
        return self._count(own.where(filter=FieldFilter("admittedAt", ">", _ANY_TIME)))

    def active_of(self, user_id: str) -> int:
        return sum(self._active(field, user_id) for field in _OWNER)

    def bars_of(self, user_id: str, since: datetime) -> int:
        return sum(self._bars(field, user_id, since) for field in _OWNER)

    def _active(self, field: str, user_id: str) -> int:
        own = self._jobs.where(filter=FieldFilter(field, "==", user_id))
        running = own.where(filter=FieldFilter("status", "==", JobStatus.RUNNING.value))
        queued = own.where(filter=FieldFilter("status", "==", JobStatus.QUEUED.value))
        ranked = queued.where(filter=FieldFilter("rank", ">", _ANY_NUMBER))
        return self._count(running) + self._count(ranked)

    def _bars(self, field: str, user_id: str, since: datetime) -> int:
        own = self._jobs.where(filter=FieldFilter(field, "==", user_id))
        recent = own.where(filter=FieldFilter("admittedAt", ">", since))
        return _figure(recent.sum("bars", alias="bars"))

    def fleet(self, since: timedelta) -> Fleet:
        silent, running = self._silent()
        ours = self._queued().where(filter=FieldFilter("lane", "in", list(OWN_LANES)))
        oldest = self._stream(ours.order_by("admittedAt").select(["admittedAt"]).limit(1))
        return Fleet(
            queued=self._depth(ours.where(filter=FieldFilter("rank", ">", _ANY_NUMBER)), ours),
            waiting=self._count(self._waiting()),
            running=running,
            expired_leases=len(silent),
            oldest_seconds=max(
                (_seconds_since(_read(job, "admittedAt"), job) or 0.0 for job in oldest),
                default=0.0,
            ),
            ended=self._ended(datetime.now(UTC) - since),
        )

    def _depth(self, claimable: Query, ours: Query) -> Mapping[int, int]:
        """By priority; stops asking once all are found, and most have priority 0."""
        left = self._count(claimable)
        depth: dict[int, int] = {}
        for priority in sorted(range(MIN_PRIORITY, MAX_PRIORITY + 1), key=abs):
            if left <= 0:
                break
            count = self._count(ours.where(filter=FieldFilter("priority", "==", priority)))
            if count:
                depth[priority] = count
                left -= count
        return depth

    def _ended(self, since: datetime) -> Mapping[tuple[JobStatus, ErrorCode | None], int]:
        recent = FieldFilter("completedAt", ">", since)
        counts: dict[tuple[JobStatus, ErrorCode | None], int] = {}
        for status in (JobStatus.COMPLETED, JobStatus.FAILED):
            ended = self._jobs.where(filter=FieldFilter("status", "==", status.value))
            counts[status, None] = self._count(ended.where(filter=recent))
        for code in ErrorCode:
            if counts[JobStatus.FAILED, None] <= 0:
                break
            failed = self._jobs.where(filter=FieldFilter("errorCode", "==", code.value))
            counts[JobStatus.FAILED, code] = self._count(failed.where(filter=recent))
            counts[JobStatus.FAILED, None] -= counts[JobStatus.FAILED, code]
        return {key: count for key, count in counts.items() if count > 0}

    def _silent(self) -> tuple[list[str], int]:
        """Running jobs whose lease is over or not there, and how many run at all."""
        running = self._running()
        count = self._count(running)
        beating = self._stream(
            running.where(filter=FieldFilter("lease.heartbeatAt", ">", _ANY_TIME))
            .order_by("lease.heartbeatAt")
            .select(["lease"])
            .limit(_MAX_RUNNING)
        )
        silent = [job.id for job in beating if _is_silent(job)]
        missing = count - len(beating)
        if missing > 0:
            held = {job.id for job in beating}
            silent += [
                job.id
                for job in self._pages(running.select(["lease"]))
                if job.id not in held and _is_silent(job)
            ]
        return silent, count

    def _queued(self) -> Query:
        return self._jobs.where(filter=FieldFilter("status", "==", JobStatus.QUEUED.value))

    def _waiting(self) -> Query:
        unranked = self._queued().where(filter=FieldFilter("rank", "==", None))
        return unranked.where(filter=FieldFilter("admittedAt", ">", _ANY_TIME))

    def _running(self) -> Query:
        running = self._jobs.where(filter=FieldFilter("status", "==", JobStatus.RUNNING.value))
        return running.where(filter=FieldFilter("lane", "in", list(OWN_LANES)))

    def _ids(self, query: Query) -> list[str]:
        return [job.id for job in self._stream(query.select(["status"]))]

    def _stream(self, query: Query) -> list[DocumentSnapshot[Any]]:
        with reading():
            return list(query.stream(retry=READ_RETRY, timeout=RPC_SECONDS))

    def _pages(self, query: Query) -> Iterator[DocumentSnapshot[Any]]:
        """Everything, a page at a time, for whoever may stop early."""
        last: DocumentSnapshot[Any] | None = None
        while True:
            ordered = query.order_by("__name__").limit(_PAGE)
            page = self._stream(ordered if last is None else ordered.start_after(last))
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1]

    def _count(self, query: Query) -> int:
        return _figure(query.count(alias="jobs"))


def _figure(aggregation: Any) -> int:
    """The one number of an aggregation, whose types the library declares wrongly."""
    with reading():
        ((figure,),) = aggregation.get(retry=READ_RETRY, timeout=RPC_SECONDS)
    return int(figure.value or 0)


def _read(job: DocumentSnapshot[Any], name: str) -> Any:
    return (job.to_dict() or {}).get(name)


def _is_unadmitted(job: Mapping[str, Any]) -> bool:
    """It has no place and does not wait for one. Waiting jobs say so by a rank of null; one without
    the field was refused, and a person has queued it again.
    """
    is_waiting = job.get("rank", "") is None and _time(job.get("admittedAt")) is not None
    return _number(job.get("rank")) is None and not is_waiting


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value == value else None


def _time(value: Any) -> datetime | None:
    return utc(value) if isinstance(value, datetime) else None


def _seconds_since(value: Any, job: DocumentSnapshot[Any]) -> float | None:
    """Seconds from a time in the document to when the server read it."""
    moment = _time(value)
    return None if moment is None else (utc(job.read_time) - moment).total_seconds()


def _is_silent(job: DocumentSnapshot[Any]) -> bool:
    lease = _read(job, "lease")
    if not isinstance(lease, Mapping):
        return True
    silence = _seconds_since(lease.get("heartbeatAt"), job)
    seconds = _number(lease.get("seconds"))
    return silence is None or seconds is None or silence > seconds
