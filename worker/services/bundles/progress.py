"""Following a bundle's chunk jobs: its counts, and its end when the last of them has ended.

Counts are computed from the chunk jobs and never added up, so whoever writes them last is right.
"""

import logging
from dataclasses import replace
from typing import TypeVar

from worker.jobs import bundle_transitions
from worker.jobs.bundle import Bundle, BundleOutline, BundleSnapshot
from worker.jobs.chunks import ChunkTally
from worker.jobs.errors import Conflict, StoreUnavailable
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.bundles.finalising import Finalising

B = TypeVar("B", bound=BundleOutline)

logger = logging.getLogger(__name__)


class BundleProgress:
    """The service."""

    def __init__(self, store: Store, finalising: Finalising) -> None:
        self._store = store
        self._finalising = finalising

    def update(self, bundle_id: str) -> BundleSnapshot | None:
        """Write what a running bundle has come to, its end included; the bundle as it stands then.

        Somebody else who writes it at the same moment has newer figures, or the next one will.

        Raises:
            StoreUnavailable: nothing was written, or nobody knows.
        """
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.RUNNING:
            return seen
        tally = self._store.chunk_tally(bundle_id)
        if not tally.unfinished:
            return self._finalising.finalise(bundle_id)
        return self._advance(seen, tally)

    def tell(self, bundle_id: str) -> int:
        """Write what a running bundle has come to, never its end; how many chunk jobs of it run.

        Raises:
            StoreUnavailable: nothing was written, or nobody knows.
        """
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.RUNNING:
            return 0
        tally = self._store.chunk_tally(bundle_id)
        if tally.unfinished:
            self._advance(seen, tally)
        return tally.running

    def running(self, bundle_id: str) -> int:
        """How many chunk jobs of a bundle run."""
        return self._store.chunk_tally(bundle_id).running

    def _advance(self, seen: BundleSnapshot, tally: ChunkTally) -> BundleSnapshot:
        change = bundle_transitions.advance(seen.bundle, tally)
        if change is None:
            return seen
        try:
            return self._store.commit_bundle(seen, change)
        except Conflict:
            return seen

    def after(self, ended: Job) -> Bundle | None:
        """The same after the end of a job that may be a chunk job; what fails, the sweep does."""
        if ended.bundle_id is None or not ended.status.is_final:
            return None
        try:
            seen = self.update(ended.bundle_id)
        except StoreUnavailable as error:
            logger.warning(
                "a bundle is not up to date: %s",
                error,
                extra={"event": "bundle_delayed", "bundle_id": ended.bundle_id},
            )
            return None
        except Exception:
            logger.exception(
                "a bundle cannot be brought up to date",
                extra={"event": "bundle_failed_update", "bundle_id": ended.bundle_id},
            )
            return None
        return None if seen is None else seen.bundle

    def live(self, bundle: B) -> B:
        """A bundle, or its outline, as its chunk jobs say it is now; nothing is written.

        Raises:
            StoreUnavailable: they cannot be counted.
        """
        if bundle.status is not JobStatus.RUNNING:
            return bundle
        change = bundle_transitions.advance(bundle, self._store.chunk_tally(bundle.bundle_id))
        if change is None:
            return bundle
        return replace(
            bundle,
            completed=change["completed"],
            failed=change["failed"],
            progress=change["progress"],
        )
