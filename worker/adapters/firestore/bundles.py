"""Bundles in Firestore.

A chunk job's document names its owner in ``ownerId`` and has no ``userId``: clients find documents
by ``userId``, and neither their queries nor the rules' ever meet a chunk job then.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from google.cloud.firestore import (
    Client,
    CollectionReference,
    DocumentSnapshot,
    FieldFilter,
    Query,
    WriteBatch,
)

from worker.adapters.cursor import Cursor
from worker.adapters.firestore.bundle_documents import (
    OUTLINE_FIELDS,
    bundle_change_document,
    bundle_document,
    read_bundle,
    read_outline,
)
from worker.adapters.firestore.documents import job_document
from worker.adapters.firestore.encoding import PlainDataBatch
from worker.adapters.firestore.errors import encoding, reading
from worker.adapters.firestore.reading import read_job, utc
from worker.adapters.firestore.retries import READ_RETRY, RPC_SECONDS, UNDECODABLE
from worker.adapters.plain import note
from worker.jobs.bundle import (
    Bundle,
    BundleChange,
    BundleOutline,
    BundleSnapshot,
    is_bundle_id,
)
from worker.jobs.changes import changed_bundle
from worker.jobs.chunks import ChunkTally, start_of
from worker.jobs.errors import BundleExists, Conflict, RecordRefused, StoreUnavailable
from worker.jobs.job import Job, may_name_a_record
from worker.jobs.lanes import OWN_LANES
from worker.jobs.retention import bundle_with_expiry
from worker.jobs.states import DART_QUEUED, LEGACY_QUEUED, JobStatus
from worker.ports import BundlePage

#: What to ask for, in turn: everything; what no client writes freely; the bare state.
_READABLE: tuple[tuple[str, ...] | None, ...] = (
    None,
    (
        *("userId", "status", "engineVersion", "cancelRequested", "total", "completed", "failed"),
        *("progress", "startedAt", "completedAt", "errorMessage", "errorCode", "admittedAt"),
        *("lane", "enumStyle", "chunkSize", "chunks", "expireAt", "variantsArtifact"),
        *("expansionTries", "nextExpansionAt"),
    ),
    ("status",),
)


class FirestoreBundles(ABC):
    """``_jobs`` and ``_bundles`` are the collections."""

    _client: Client
    _jobs: CollectionReference
    _bundles: CollectionReference
    _retention: timedelta | None

    @abstractmethod
    def _send(self, batch: WriteBatch, name: str) -> Any:
        """Commit: when it was written, and what the server's clock became."""

    @abstractmethod
    def _stream(self, query: Query) -> list[DocumentSnapshot[Any]]:
        """All that a query finds."""

    @abstractmethod
    def _pages(self, query: Query) -> Iterator[DocumentSnapshot[Any]]:
        """The same, page by page."""

    @abstractmethod
    def _count(self, query: Query) -> int:
        """How many that are."""

    def create_bundle(self, bundle: Bundle) -> BundleSnapshot:
        if not is_bundle_id(bundle.bundle_id):
            raise RecordRefused(f"{bundle.bundle_id!r} is not a bundle id")
        large = "baseConfig" if bundle.variants is None else "variants"
        batch = PlainDataBatch(self._client)
        with encoding(bundle.bundle_id):
            batch.create_around(
                self._bundles.document(bundle.bundle_id), bundle_document(bundle), large
            )
        try:
            written_at = self._send(batch, bundle.bundle_id).at
        except Conflict as error:
            raise BundleExists(bundle.bundle_id) from error
        stored = replace(bundle, created_at=utc(written_at))
        return BundleSnapshot(stored, written_at, utc(written_at))

    def get_bundle(self, bundle_id: str) -> BundleSnapshot | None:
        if not may_name_a_record(bundle_id):
            return None
        for names in _READABLE:
            try:
                return self._read_bundle(bundle_id, names)
            except UNDECODABLE:
                continue
        raise StoreUnavailable(f"bundle {bundle_id} cannot be decoded")

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Sequence[Job] = ()
    ) -> BundleSnapshot:
        bundle_id = seen.bundle.bundle_id
        change = bundle_with_expiry(change, seen.read_at, self._retention)
        batch = PlainDataBatch(self._client)
        with encoding(bundle_id):
            batch.update(
                self._bundles.document(bundle_id),
                bundle_change_document(change),
                self._client.write_option(last_update_time=seen.version),
            )
            for job in jobs:
                batch.create(self._jobs.document(job.job_id), job_document(job))
        written = self._send(batch, bundle_id)
        after = changed_bundle(seen.bundle, change, utc(written.server_time))
        return BundleSnapshot(after, written.at, utc(written.at))

    def bundles_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> BundlePage:
        own = (
            self._bundles.where(filter=FieldFilter("userId", "==", user_id))
            .order_by("admittedAt", direction=Query.DESCENDING)
            .order_by("__name__", direction=Query.DESCENDING)
            .limit(limit + 1)
        )
        if cursor:
            behind = Cursor.decode(cursor)
            own = own.start_after(
                {
                    "admittedAt": behind.admitted_at,
                    "__name__": self._bundles.document(behind.job_id),
                }
            )
        bundles: list[BundleOutline]
        try:
            listed = self._stream(own.select(OUTLINE_FIELDS))
            bundles = [read_outline(found.id, found.to_dict() or {}) for found in listed[:limit]]
        except UNDECODABLE:
            # One of them cannot be read even so; read alone, it has what can be read of it.
            listed = self._stream(own.select(["admittedAt"]))
            read = [self.get_bundle(found.id) for found in listed[:limit]]
            bundles = [seen.bundle for seen in read if seen is not None]
        last = listed[limit - 1] if len(listed) > limit else None
        return BundlePage(
            bundles=bundles,
            cursor=Cursor(utc(last.get("admittedAt")), last.id).encode() if last else None,
        )

    def chunk_jobs(self, bundle_id: str) -> Sequence[Job]:
        own = self._jobs.where(filter=FieldFilter("bundleId", "==", bundle_id))
        found = [
            read_job(job.id, job.to_dict() or {}, utc(job.create_time)) for job in self._stream(own)
        ]
        return sorted(found, key=start_of)

    def chunk_tally(self, bundle_id: str) -> ChunkTally:
        """Counted by the server: read one by one, a bundle's jobs would cost a thousand reads."""
        own = self._jobs.where(filter=FieldFilter("bundleId", "==", bundle_id))

        def sums(status: JobStatus, *fields: str) -> dict[str, float]:
            those = own.where(filter=FieldFilter("status", "==", status.value))
            asked: Any = those.count(alias="jobs")
            for field in fields:
                asked = asked.sum(field, alias=field.replace(".", "_"))
            with reading():
                (figures,) = asked.get(retry=READ_RETRY, timeout=RPC_SECONDS)
            return {figure.alias: figure.value or 0 for figure in figures}

        running = sums(JobStatus.RUNNING, "progress")
        completed = sums(JobStatus.COMPLETED, "variants.completed", "variants.failed")
        failed = sums(JobStatus.FAILED, "variants.count")
        return ChunkTally(
            queued=int(sums(JobStatus.QUEUED)["jobs"]),
            running=int(running["jobs"]),
            completed=int(completed["jobs"]),
            failed=int(failed["jobs"]),
            progress=float(running["progress"]),
            variants_completed=int(completed["variants_completed"]),
            variants_failed=int(completed["variants_failed"]),
            variants_lost=int(failed["variants_count"]),
        )

    def unexpanded_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        spellings = [JobStatus.QUEUED.value, DART_QUEUED, LEGACY_QUEUED]
        queued = self._bundles.where(filter=FieldFilter("status", "in", spellings))
        if after:
            behind = FieldFilter("__name__", ">", self._bundles.document(after))
            queued = queued.where(filter=behind)
        found: list[str] = []
        for bundle in self._pages(queued.select(["lane", "nextExpansionAt"])):
            if _is_to_expand(bundle):
                found.append(bundle.id)
            if len(found) >= limit:
                break
        return found

    def running_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        status = FieldFilter("status", "==", JobStatus.RUNNING.value)
        running = self._bundles.where(filter=status).order_by("__name__").select(["status"])
        if after:
            running = running.start_after({"__name__": self._bundles.document(after)})
        return [bundle.id for bundle in self._stream(running.limit(limit))]

    def open_bundles_of(self, user_id: str) -> int:
        own = self._bundles.where(filter=FieldFilter("userId", "==", user_id))
        is_open = [JobStatus.QUEUED.value, JobStatus.RUNNING.value]
        return self._count(own.where(filter=FieldFilter("status", "in", is_open)))

    def _read_bundle(self, bundle_id: str, names: tuple[str, ...] | None) -> BundleSnapshot | None:
        with reading():
            found = self._bundles.document(bundle_id).get(
                names, retry=READ_RETRY, timeout=RPC_SECONDS
            )
        document = found.to_dict()
        if document is None:
            return None
        bundle = read_bundle(bundle_id, document, utc(found.create_time))
        if names is not None:
            defects: list[str] = []
            note(defects, "baseConfig", "plain JSON data", {})
            bundle = replace(bundle, defects=tuple(defects))
        return BundleSnapshot(bundle, found.update_time, utc(found.read_time))


def _is_to_expand(bundle: DocumentSnapshot[Any]) -> bool:
    document = bundle.to_dict() or {}
    due = document.get("nextExpansionAt")
    is_due = not isinstance(due, datetime) or utc(due) <= utc(bundle.read_time)
    return is_due and document.get("lane") in (*OWN_LANES, None)
