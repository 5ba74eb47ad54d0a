"""The bundles of the memory store."""

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta

from worker.adapters.cursor import Cursor
from worker.jobs.bundle import (
    Bundle,
    BundleChange,
    BundleOutline,
    BundleSnapshot,
    is_bundle_id,
)
from worker.jobs.changes import changed_bundle
from worker.jobs.chunks import ChunkTally, start_of, tally
from worker.jobs.errors import BundleExists, Conflict, RecordRefused
from worker.jobs.job import Job
from worker.jobs.lanes import OWN_LANES
from worker.jobs.retention import bundle_with_expiry, is_over
from worker.jobs.states import JobStatus
from worker.ports import BundlePage, Clock


@dataclass(slots=True)
class _Record:
    bundle: Bundle
    revision: int


class MemoryBundles(ABC):
    """``_lock`` guards jobs and bundles alike: one commit may write both."""

    _clock: Clock
    _retention: timedelta | None
    _lock: threading.Lock

    def __init__(self) -> None:
        self._bundles: dict[str, _Record] = {}

    @abstractmethod
    def _every_job(self) -> list[Job]:
        """All jobs; the caller has the lock."""

    @abstractmethod
    def _has_job(self, job_id: str) -> bool:
        """The same for one."""

    @abstractmethod
    def _add(self, job: Job) -> None:
        """Store a new job; the caller has the lock."""

    def create_bundle(self, bundle: Bundle) -> BundleSnapshot:
        if not is_bundle_id(bundle.bundle_id):
            raise RecordRefused(f"{bundle.bundle_id!r} is not a bundle id")
        with self._lock:
            if bundle.bundle_id in self._bundles:
                raise BundleExists(bundle.bundle_id)
            stored = replace(copy.deepcopy(bundle), created_at=self._clock.now())
            self._bundles[bundle.bundle_id] = record = _Record(stored, 1)
            return self._seen(record)

    def get_bundle(self, bundle_id: str) -> BundleSnapshot | None:
        with self._lock:
            record = self._bundles.get(bundle_id)
            return self._seen(record) if record else None

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Sequence[Job] = ()
    ) -> BundleSnapshot:
        with self._lock:
            record = self._bundles.get(seen.bundle.bundle_id)
            if record is None or record.revision != seen.version:
                raise Conflict(seen.bundle.bundle_id)
            if any(self._has_job(job.job_id) for job in jobs):
                raise Conflict(f"bundle {seen.bundle.bundle_id} has chunk jobs already")
            for job in jobs:
                self._add(job)
            change = bundle_with_expiry(change, seen.read_at, self._retention)
            record.bundle = changed_bundle(record.bundle, copy.deepcopy(change), self._clock.now())
            record.revision += 1
            return self._seen(record)

    def forget_bundle(self, seen: BundleSnapshot) -> None:
        bundle_id = seen.bundle.bundle_id
        with self._lock:
            record = self._bundles.get(bundle_id)
            if record is None or record.revision != seen.version:
                raise Conflict(bundle_id)
            del self._bundles[bundle_id]

    def bundles_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> BundlePage:
        behind = Cursor.decode(cursor) if cursor else None
        listed = [
            (Cursor(bundle.admitted_at, bundle.bundle_id), bundle)
            for bundle in self._those(lambda bundle: bundle.user_id == user_id)
            if bundle.admitted_at is not None
        ]
        page = sorted(
            ((place, bundle) for place, bundle in listed if behind is None or place < behind),
            key=lambda item: item[0],
            reverse=True,
        )[: limit + 1]
        return BundlePage(
            bundles=[_outline(bundle) for _, bundle in page[:limit]],
            cursor=page[limit - 1][0].encode() if len(page) > limit else None,
        )

    def chunk_jobs(self, bundle_id: str) -> Sequence[Job]:
        with self._lock:
            own = [job for job in self._every_job() if job.bundle_id == bundle_id]
        return sorted(own, key=start_of)

    def chunk_tally(self, bundle_id: str) -> ChunkTally:
        return tally(self.chunk_jobs(bundle_id))

    def unexpanded_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        now = self._clock.now()
        queued = self._those(
            lambda bundle: (
                bundle.status is JobStatus.QUEUED
                and bundle.lane in (*OWN_LANES, None)
                and (bundle.next_expansion_at is None or bundle.next_expansion_at <= now)
            )
        )
        return sorted(bundle.bundle_id for bundle in queued if bundle.bundle_id > after)[:limit]

    def running_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        running = self._those(lambda bundle: bundle.status is JobStatus.RUNNING)
        return sorted(bundle.bundle_id for bundle in running if bundle.bundle_id > after)[:limit]

    def outlived_bundles(self, *, limit: int) -> Sequence[str]:
        with self._lock:
            seen = [self._seen(record) for record in self._bundles.values()]
        over = [(one.bundle.expire_at, one.bundle.bundle_id) for one in seen if is_over(one)]
        return [bundle_id for _, bundle_id in sorted(over)][:limit]

    def open_bundles_of(self, user_id: str) -> int:
        return len(
            self._those(lambda bundle: bundle.user_id == user_id and not bundle.status.is_final)
        )

    def _those(self, wanted: Callable[[Bundle], bool]) -> list[Bundle]:
        with self._lock:
            return [record.bundle for record in self._bundles.values() if wanted(record.bundle)]

    def _seen(self, record: _Record) -> BundleSnapshot:
        return BundleSnapshot(record.bundle, record.revision, self._clock.now())


def _outline(bundle: Bundle) -> BundleOutline:
    return BundleOutline(
        **{field.name: getattr(bundle, field.name) for field in fields(BundleOutline)}
    )
