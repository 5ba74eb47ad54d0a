"""The job store over Firestore.

Every write is one commit guarded by the document's update time, never a transaction: those lock
what they read, and a crowd of claimers waits for locks until nobody wins. A guard that fails says
only that the document was written since; callers read again and decide.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from google.cloud import firestore
from google.cloud.firestore import DocumentSnapshot, FieldFilter, Query, WriteBatch

from worker.adapters.cursor import Cursor
from worker.adapters.firestore.bundles import FirestoreBundles
from worker.adapters.firestore.documents import (
    change_document,
    job_document,
    read_result,
    result_document,
)
from worker.adapters.firestore.encoding import PlainDataBatch
from worker.adapters.firestore.errors import committing, encoding, reading
from worker.adapters.firestore.overview import FirestoreOverview
from worker.adapters.firestore.purging import FirestorePurging
from worker.adapters.firestore.reading import read_job, utc
from worker.adapters.firestore.retries import READ_RETRY, RPC_SECONDS, UNDECODABLE
from worker.adapters.firestore.switches import FirestoreSwitches
from worker.adapters.plain import note
from worker.jobs.changes import changed
from worker.jobs.errors import Conflict, JobExists, RecordRefused, StoreUnavailable
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot, is_job_id, may_name_a_record
from worker.jobs.outcomes import leaves_none, require_outcome
from worker.jobs.retention import expiry_of_result, with_expiry
from worker.jobs.states import JobStatus
from worker.ports import Page, Wanted

JOBS = "backtestJobs"
RESULTS = "backtestResults"
BUNDLES = "backtestBundles"
SWITCHES = "backtestSwitches"

_CANDIDATES = 20

#: Documents that are written to see whether writes succeed.
_MARKERS = 32

#: Each page whose candidates were all taken by others means that others got work done.
_MAX_PAGES = 50

#: What to ask for, in turn: everything; what no client writes freely; the bare state.
_READABLE: tuple[tuple[str, ...] | None, ...] = (
    None,
    (
        *(
            "userId",
            "ownerId",
            "status",
            "engineVersion",
            "cancelRequested",
            "attempt",
            "lease",
            "progress",
        ),
        *("interruptions", "workerLosses", "rank", "admittedAt", "lane", "enumStyle"),
        *("startedAt", "completedAt", "errorMessage", "errorCode", "bundleId", "expireAt", "bars"),
        "traceparent",
    ),
    ("status",),
)


@dataclass(frozen=True, slots=True)
class _Written:
    """``at`` is the version after the write, ``server_time`` what SERVER_TIME became."""

    at: datetime
    server_time: datetime


class FirestoreJobStore(FirestoreOverview, FirestoreSwitches, FirestorePurging, FirestoreBundles):
    """``project`` and ``database`` as Google names them; credentials are the environment's."""

    def __init__(
        self, project: str, database: str = "(default)", retention: timedelta | None = None
    ) -> None:
        self._client = firestore.Client(project=project, database=database)
        self._retention = retention
        self._jobs = self._client.collection(JOBS)
        self._results = self._client.collection(RESULTS)
        self._bundles = self._client.collection(BUNDLES)
        self._switches = self._client.collection(SWITCHES)

    def create(self, job: Job) -> Snapshot:
        if not is_job_id(job.job_id):
            raise RecordRefused(f"{job.job_id!r} is not a job id")
        batch = PlainDataBatch(self._client)
        with encoding(job.job_id):
            batch.create_around(self._jobs.document(job.job_id), job_document(job), "configUsed")
        try:
            written_at = self._send(batch, job.job_id).at
        except Conflict as error:
            raise JobExists(job.job_id) from error
        return Snapshot(replace(job, created_at=utc(written_at)), written_at, utc(written_at))

    def get(self, job_id: str) -> Snapshot | None:
        if not may_name_a_record(job_id):
            return None
        for names in _READABLE:
            try:
                return self._read(job_id, names)
            except UNDECODABLE:
                continue
        raise StoreUnavailable(f"job {job_id} cannot be decoded")

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        for _ in range(_MAX_PAGES):
            candidates = self._candidates(wanted)
            if not candidates:
                return None
            while candidates:
                taken = self._take(candidates.pop(0), decide)
                if taken is not None:
                    return taken
                # There is a crowd: going on in order, it would meet at every candidate again.
                random.shuffle(candidates)
        raise StoreUnavailable("the queue changes faster than a job can be claimed")

    def _take(self, job_id: str, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        """The candidate after the change, or ``None`` if somebody else was faster."""
        seen = self.get(job_id)
        if seen is None or seen.job.status is not JobStatus.QUEUED:
            return None
        try:
            return self.commit(seen, decide(seen))
        except Conflict:
            return None

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,  # noqa: ARG002 - a precondition knows no clock
    ) -> Snapshot:
        job_id = seen.job.job_id
        require_outcome(seen.job, change, result)
        change = with_expiry(seen, change, self._retention)
        if result is not None:
            result = replace(result, expire_at=expiry_of_result(seen.job, change, result))
        batch = PlainDataBatch(self._client)
        with encoding(job_id):
            batch.update(
                self._jobs.document(job_id),
                change_document(change),
                self._client.write_option(last_update_time=seen.version),
            )
            if result is not None:
                document = result_document(result, of_chunk=seen.job.is_chunk)
                batch.set_around(self._results.document(job_id), document, "backtestResult")
            elif leaves_none(change):
                batch.delete(self._results.document(job_id))
        written = self._send(batch, job_id)
        after = changed(seen.job, change, utc(written.server_time))
        return Snapshot(after, written.at, utc(written.at))

    def result(self, job_id: str) -> ResultRecord | None:
        if not may_name_a_record(job_id):
            return None
        with reading():
            found = self._results.document(job_id).get(retry=READ_RETRY, timeout=RPC_SECONDS)
        document = found.to_dict()
        return None if document is None else read_result(job_id, document)

    def jobs_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        own = (
            self._jobs.where(filter=FieldFilter("userId", "==", user_id))
            .order_by("admittedAt", direction=Query.DESCENDING)
            .order_by("__name__", direction=Query.DESCENDING)
            .select(["admittedAt"])
        )
        if cursor:
            behind = Cursor.decode(cursor)
            own = own.start_after(
                {"admittedAt": behind.admitted_at, "__name__": self._jobs.document(behind.job_id)}
            )
        with reading():
            listed = list(own.limit(limit + 1).stream(retry=READ_RETRY, timeout=RPC_SECONDS))
        more = len(listed) > limit
        page = self._read_all([found.id for found in listed[:limit]])
        return Page(jobs=page, cursor=_cursor(listed[limit - 1]) if more else None)

    def ping(self) -> None:
        with reading():
            self._jobs.document("-").get(retry=None, timeout=RPC_SECONDS)

    def try_write(self) -> None:
        # Many processes try: one document takes about a write a second.
        marker = self._switches.document(f"write-probe-{random.randrange(_MARKERS)}")
        try:
            with committing(marker.id):
                marker.set({"at": firestore.SERVER_TIMESTAMP}, retry=None, timeout=RPC_SECONDS)
        except Conflict:
            return

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]  # Google's

    def _candidates(self, wanted: Wanted) -> list[str]:
        """Ids in queue order, those of equal rank shuffled so that workers do not collide."""
        query = (
            self._jobs.where(filter=FieldFilter("status", "==", JobStatus.QUEUED.value))
            .where(filter=FieldFilter("lane", "==", wanted.lane))
            .where(filter=FieldFilter("engineVersion", "in", list(wanted.engine_versions)))
            .order_by("rank")
            .limit(_CANDIDATES)
            .select(["rank"])
        )
        with reading():
            found = list(query.stream(retry=READ_RETRY, timeout=RPC_SECONDS))
        ordered: list[str] = []
        for _, equals in groupby(found, key=lambda snapshot: snapshot.get("rank")):
            ids = [snapshot.id for snapshot in equals]
            random.shuffle(ids)
            ordered += ids
        return ordered

    def _read_all(self, job_ids: list[str]) -> list[Job]:
        """Several jobs at once, or one by one if the library cannot decode one of them."""
        by_id: dict[str, Snapshot | None] = {}
        try:
            with reading():
                for found in self._client.get_all(
                    [self._jobs.document(job_id) for job_id in job_ids],
                    retry=READ_RETRY,
                    timeout=RPC_SECONDS,
                ):
                    by_id[found.id] = _snapshot(found)
        except UNDECODABLE:
            by_id = {job_id: self.get(job_id) for job_id in job_ids}
        ordered = [by_id[job_id] for job_id in job_ids]
        return [snapshot.job for snapshot in ordered if snapshot is not None]

    def _read(self, job_id: str, names: tuple[str, ...] | None) -> Snapshot | None:
        with reading():
            found = self._jobs.document(job_id).get(names, retry=READ_RETRY, timeout=RPC_SECONDS)
        snapshot = _snapshot(found)
        if snapshot is None or names is None:
            return snapshot
        defects: list[str] = []
        note(defects, "configUsed", "plain JSON data", {})
        return replace(snapshot, job=replace(snapshot.job, defects=tuple(defects)))

    def _send(self, batch: WriteBatch, job_id: str) -> _Written:
        with committing(job_id):
            first, *_ = batch.commit(retry=None, timeout=RPC_SECONDS)
        stamps = [value.timestamp_value for value in first.transform_results]
        return _Written(first.update_time, stamps[0] if stamps else first.update_time)


def _snapshot(found: DocumentSnapshot[Any]) -> Snapshot | None:
    document = found.to_dict()
    if document is None:
        return None
    job = read_job(found.id, document, utc(found.create_time))
    return Snapshot(job, found.update_time, utc(found.read_time))


def _cursor(found: DocumentSnapshot[Any]) -> str:
    return Cursor(utc(found.get("admittedAt")), found.id).encode()
