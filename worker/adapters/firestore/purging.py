"""Removing ended jobs and bundles from Firestore when their time is over.

Results are left to the time-to-live policy on their ``expireAt``. Jobs and bundles are not: their
records say which artifacts are to go with them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore import (
    Client,
    CollectionReference,
    DocumentReference,
    DocumentSnapshot,
    FieldFilter,
    Query,
)

from worker.adapters.firestore.errors import committing
from worker.adapters.firestore.retries import RPC_SECONDS
from worker.jobs.bundle import BundleSnapshot
from worker.jobs.job import Snapshot
from worker.jobs.retention import RECORD_OUTLIVES


class FirestorePurging(ABC):
    """``_jobs``, ``_results`` and ``_bundles`` are the collections."""

    _client: Client
    _jobs: CollectionReference
    _results: CollectionReference
    _bundles: CollectionReference

    @abstractmethod
    def _stream(self, query: Query) -> list[DocumentSnapshot[Any]]:
        """All that a query finds."""

    def purge_results(self, *, limit: int) -> int:  # noqa: ARG002 - the port's
        """The time-to-live policy on ``expireAt`` does it."""
        return 0

    def outlived_jobs(self, *, limit: int) -> Sequence[str]:
        return self._outlived(self._jobs, limit)

    def outlived_bundles(self, *, limit: int) -> Sequence[str]:
        return self._outlived(self._bundles, limit)

    def forget(self, seen: Snapshot) -> None:
        job_id = seen.job.job_id
        self._delete(self._jobs.document(job_id), seen.version, self._results.document(job_id))

    def forget_bundle(self, seen: BundleSnapshot) -> None:
        self._delete(self._bundles.document(seen.bundle.bundle_id), seen.version)

    def _outlived(self, collection: CollectionReference, limit: int) -> Sequence[str]:
        # By this machine's clock: each is judged again by when the server read it.
        since = FieldFilter("expireAt", "<", datetime.now(UTC) - RECORD_OUTLIVES)
        over = collection.where(filter=since).order_by("expireAt").select(["expireAt"])
        return [found.id for found in self._stream(over.limit(limit))]

    def _delete(self, record: DocumentReference, version: Any, *beside: DocumentReference) -> None:
        batch = self._client.batch()
        batch.delete(record, self._client.write_option(last_update_time=version))
        for document in beside:
            batch.delete(document)
        with committing(record.id):
            batch.commit(retry=None, timeout=RPC_SECONDS)
