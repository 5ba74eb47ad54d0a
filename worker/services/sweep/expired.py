"""Results, jobs, bundles and artifacts whose time is over are removed.

Artifacts go before the record that names their owner. Whatever interrupts that, the record is still
there, and the next sweep begins again with it. A job that is replayed meanwhile loses nothing: its
record has changed, so it stays, and what its new attempt writes is too young to be removed.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from worker.jobs.artifact_keys import is_of_bundle, is_of_job
from worker.jobs.errors import BucketUnavailable, Conflict
from worker.jobs.job import Snapshot, is_job_id
from worker.jobs.lanes import OWN_LANES
from worker.jobs.retention import end_of_record, is_over, keep_longer
from worker.ports import ArtifactStore, Clock, Store
from worker.services.passing_over import PassingOver
from worker.services.sweep.guarded import attempt, for_each

logger = logging.getLogger(__name__)

#: Of each kind in one sweep; a store that has just been given a retention is emptied by and by.
LIMIT = 500
#: In a sweep no further record is begun after this: the artifacts of each are listed first.
SECONDS = 15.0


class Expired:
    """The maintenance job."""

    name = "purged"

    def __init__(
        self, store: Store, artifacts: ArtifactStore, clock: Clock, *, keeps_all: bool
    ) -> None:
        """A process that ``keeps_all`` removes nothing, even where another one has set a date."""
        self._store = store
        self._over = PassingOver(store, "record")
        self._artifacts = artifacts
        self._clock = clock
        self._keeps_all = keeps_all
        self._until = 0.0

    def run(self) -> int:
        """How many results and records were removed."""
        if self._keeps_all:
            return 0
        self._until = self._clock.monotonic() + SECONDS
        done = self._store.purge_results(limit=LIMIT)
        done += self._each(self._store.outlived_jobs(limit=LIMIT), self._job)
        return done + self._each(self._store.outlived_bundles(limit=LIMIT), self._bundle)

    def _each(self, ids: Sequence[str], act: Callable[[str], int]) -> int:
        def in_time(one: str) -> int:
            if self._is_late():
                return 0
            try:
                return act(one)
            except BucketUnavailable as error:
                logger.warning(
                    "artifacts cannot be removed now: %s", error, extra={"event": "purge_delayed"}
                )
                self._until = self._clock.monotonic()
                return 0

        return for_each(ids, in_time, self._over)

    def _is_late(self) -> bool:
        return self._clock.monotonic() >= self._until

    def _job(self, job_id: str) -> int:
        seen = self._store.get(job_id)
        if seen is None or seen.job.lane not in (*OWN_LANES, None):
            return 0
        before = end_of_record(seen)
        if before is None or not is_over(seen):
            return 0
        bundle_id = seen.job.bundle_id
        if bundle_id is not None and self._store.get_bundle(bundle_id) is not None:
            # The bundle refers to what this chunk job left, and takes it along at its own end.
            attempt(self._store, job_id, keep_longer)
            return 0
        return self._forget(seen, before)

    def _bundle(self, bundle_id: str) -> int:
        """Its chunk jobs go first: by the bundle they are found."""
        seen = self._store.get_bundle(bundle_id)
        before = end_of_record(seen) if seen is not None else None
        if seen is None or before is None or not is_over(seen):
            return 0
        done = 0
        for job in self._store.chunk_jobs(bundle_id):
            chunk = None if self._is_late() else self._store.get(job.job_id)
            if chunk is None or not chunk.job.status.is_final:
                return done
            done += self._forget(chunk, before)
        if self._is_late():
            return done
        self._discard(bundle_id, is_of_bundle, before)
        try:
            self._store.forget_bundle(seen)
        except Conflict:
            return done
        return done + 1

    def _discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> None:
        # What has another id never ran, and its id might be no name of a folder.
        if is_job_id(owner):
            self._artifacts.discard(owner, is_meant, before)

    def _forget(self, seen: Snapshot, before: datetime) -> int:
        """1 if the job and its artifacts are gone, 0 if the job was written meanwhile."""
        self._discard(seen.job.job_id, is_of_job, before)
        try:
            self._store.forget(seen)
        except Conflict:
            return 0
        return 1
