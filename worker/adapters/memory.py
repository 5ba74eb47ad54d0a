"""A job store in this process: for tests of services, and the plainest statement of the rules."""

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from worker.adapters.cursor import Cursor
from worker.adapters.memory_bundles import MemoryBundles
from worker.adapters.memory_overview import MemoryOverview
from worker.jobs.changes import changed
from worker.jobs.errors import Conflict, JobExists, RecordRefused
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot, is_job_id
from worker.jobs.lease import ServerTime
from worker.jobs.outcomes import leaves_none, require_outcome
from worker.jobs.retention import expiry_of_result, is_over, with_expiry
from worker.jobs.states import JobStatus
from worker.ports import Clock, Page, Pause, Wanted


@dataclass(slots=True)
class _Record:
    job: Job
    revision: int


class MemoryJobStore(MemoryOverview, MemoryBundles):
    """Thread-safe; ``clock`` is the store's clock."""

    def __init__(self, clock: Clock, retention: timedelta | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._retention = retention
        self._pause = Pause(is_on=False)
        self._artifacts_mark: str | None = None
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}
        self._results: dict[str, ResultRecord] = {}

    def create(self, job: Job) -> Snapshot:
        if not is_job_id(job.job_id):
            raise RecordRefused(f"{job.job_id!r} is not a job id")
        with self._lock:
            if job.job_id in self._records:
                raise JobExists(job.job_id)
            self._add(job)
            return self._snapshot(self._records[job.job_id])

    def get(self, job_id: str) -> Snapshot | None:
        with self._lock:
            record = self._records.get(job_id)
            return self._snapshot(record) if record else None

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        with self._lock:
            claimable = [
                (record.job.rank, job_id)
                for job_id, record in self._records.items()
                if record.job.rank is not None
                and record.job.status is JobStatus.QUEUED
                and record.job.lane == wanted.lane
                and record.job.engine_version in wanted.engine_versions
            ]
            if not claimable:
                return None
            record = self._records[min(claimable)[1]]
            seen = self._snapshot(record)
            return self._write(record, with_expiry(seen, decide(seen), self._retention))

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        with self._lock:
            record = self._records.get(seen.job.job_id)
            is_late = by is not None and self._clock.now() > by
            if record is None or record.revision != seen.version or is_late:
                raise Conflict(seen.job.job_id)
            require_outcome(seen.job, change, result)
            change = with_expiry(seen, change, self._retention)
            if result is not None:
                stored = replace(
                    copy.deepcopy(result), expire_at=expiry_of_result(seen.job, change, result)
                )
                if isinstance(stored.created_at, ServerTime):
                    stored = replace(stored, created_at=self._clock.now())
                self._results[result.job_id] = stored
            return self._write(record, change)

    def result(self, job_id: str) -> ResultRecord | None:
        with self._lock:
            return self._results.get(job_id)

    def jobs_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        behind = Cursor.decode(cursor) if cursor else None
        with self._lock:
            own = [record.job for record in self._records.values()]
        listed = [
            (Cursor.after(job), job)
            for job in own
            if job.user_id == user_id and job.admitted_at is not None and not job.is_chunk
        ]
        page = sorted(
            ((place, job) for place, job in listed if behind is None or place < behind),
            key=lambda item: item[0],
            reverse=True,
        )[: limit + 1]
        more = len(page) > limit
        return Page(
            jobs=[job for _, job in page[:limit]],
            cursor=page[limit - 1][0].encode() if more else None,
        )

    def purge_results(self, *, limit: int) -> int:
        now = self._clock.now()
        with self._lock:
            expired = [
                job_id
                for job_id, result in self._results.items()
                if result.expire_at is not None and result.expire_at < now
            ][:limit]
            for job_id in expired:
                del self._results[job_id]
        return len(expired)

    def outlived_jobs(self, *, limit: int) -> Sequence[str]:
        with self._lock:
            seen = [self._snapshot(record) for record in self._records.values()]
        over = [(one.job.expire_at, one.job.job_id) for one in seen if is_over(one)]
        return [job_id for _, job_id in sorted(over)][:limit]

    def forget(self, seen: Snapshot) -> None:
        job_id = seen.job.job_id
        with self._lock:
            record = self._records.get(job_id)
            if record is None or record.revision != seen.version:
                raise Conflict(job_id)
            del self._records[job_id]
            self._results.pop(job_id, None)

    def pause(self) -> Pause:
        with self._lock:
            return self._pause

    def set_pause(self, pause: Pause) -> None:
        with self._lock:
            self._pause = replace(pause, changed_at=self._clock.now())

    def artifacts_mark(self) -> str | None:
        with self._lock:
            return self._artifacts_mark

    def remember_artifacts(self, mark: str, *, instead_of: str | None) -> str:
        with self._lock:
            if self._artifacts_mark in (None, instead_of):
                self._artifacts_mark = mark
            return self._artifacts_mark

    def ping(self) -> None:
        return

    def try_write(self) -> None:
        return

    def close(self) -> None:
        return

    def _all(self) -> tuple[list[Job], datetime]:
        with self._lock:
            return self._every_job(), self._clock.now()

    def _every_job(self) -> list[Job]:
        return [record.job for record in self._records.values()]

    def _has_job(self, job_id: str) -> bool:
        return job_id in self._records

    def _add(self, job: Job) -> None:
        stored = replace(copy.deepcopy(job), created_at=self._clock.now())
        self._records[job.job_id] = _Record(stored, 1)

    def _write(self, record: _Record, change: JobChange) -> Snapshot:
        record.job = changed(record.job, change, self._clock.now())
        record.revision += 1
        if leaves_none(change):
            self._results.pop(record.job.job_id, None)
        return self._snapshot(record)

    def _snapshot(self, record: _Record) -> Snapshot:
        return Snapshot(record.job, record.revision, self._clock.now())
