"""What of a bundle has ended so far: the tables of its rows, and its kept results."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from worker.jobs.bundle import VARIANT_ROWS, Bundle
from worker.jobs.chunks import Chunk, chunk_of
from worker.jobs.job import Artifact, Job
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.bundles.kept_results import NAME as RESULTS
from worker.services.bundles.kept_results import part_of
from worker.services.bundles.reading_ahead import read_ahead

#: Chunk jobs of which the artifacts are remembered.
KEPT_CHUNKS = 4_000


@dataclass(frozen=True, slots=True)
class EndedTable:
    """A table with the rows of some variants."""

    chunk: Chunk
    rows: Artifact


class EndedRows:
    """The service; for many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], Mapping[str, Artifact]] = OrderedDict()
        self._lock = threading.Lock()

    def tables(self, bundle: Bundle) -> Sequence[EndedTable]:
        """The one table of a bundle that has ended, or those of its completed chunk jobs."""
        whole = bundle.artifacts.get(VARIANT_ROWS)
        if whole is not None:
            return [EndedTable(Chunk(start=0, count=bundle.total), whole)]
        return list(self._chunk_tables(bundle))

    def result_part(self, bundle: Bundle, index: int) -> Artifact | None:
        """The artifact in which the full result of a variant would be, if there is one yet."""
        best = bundle.artifacts.get(RESULTS)
        if best is not None:
            return best
        for job, chunk in self._completed(bundle):
            if index in chunk:
                return part_of(self._artifacts(job), index)
        return None

    def _chunk_tables(self, bundle: Bundle) -> Iterator[EndedTable]:
        completed = list(self._completed(bundle))
        found = read_ahead((job for job, _ in completed), self._artifacts)
        for (_, chunk), artifacts in zip(completed, found, strict=True):
            if VARIANT_ROWS in artifacts:
                yield EndedTable(chunk, artifacts[VARIANT_ROWS])

    def _completed(self, bundle: Bundle) -> Iterator[tuple[Job, Chunk]]:
        for job in self._store.chunk_jobs(bundle.bundle_id):
            # One that failed may not even say which variants were its own.
            if job.status is JobStatus.COMPLETED and (chunk := chunk_of(job)) is not None:
                yield job, chunk

    def _artifacts(self, job: Job) -> Mapping[str, Artifact]:
        key = (job.job_id, job.attempt)
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        record = self._store.result(job.job_id)
        found = {} if record is None else record.artifacts
        if found:
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > KEPT_CHUNKS:
                    self._kept.popitem(last=False)
        return found
