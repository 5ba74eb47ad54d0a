"""Chunk jobs: the jobs that run a bundle's variants, a range of them each.

A chunk job is an ordinary job to the queue, the lease and the sweep. It belongs to its bundle's
owner but is none of the jobs that its owner sees: its config is empty, ``bundle_id`` names the
bundle, and ``variants`` says which of the bundle's variants are its own.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.jobs.job import Job
from worker.jobs.states import JobStatus

#: More chunk jobs than this no bundle is cut into; chunks grow instead. All of them are created in
#: one commit, of which the tightest store takes 4 MiB.
MAX_CHUNKS = 1_000

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The variants ``start`` … ``start + count - 1``, and how many of them ended how."""

    start: int
    count: int
    completed: int = 0
    failed: int = 0

    def __contains__(self, index: int) -> bool:
        """Whether the variant with this index is one of its own."""
        return self.start <= index < self.start + self.count

    def to_map(self) -> dict[str, int]:
        """As it stands in a job's ``variants``."""
        return {
            "start": self.start,
            "count": self.count,
            "completed": self.completed,
            "failed": self.failed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTally:
    """A bundle's chunk jobs, counted in its store.

    ``queued`` … ``failed`` count chunk jobs by status, ``progress`` is the sum of the progress of
    those that run. ``variants_completed`` and ``variants_failed`` come from chunk jobs that are
    completed; ``variants_lost`` are all variants of chunk jobs that are failed.
    """

    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    progress: float = 0.0
    variants_completed: int = 0
    variants_failed: int = 0
    variants_lost: int = 0

    @property
    def unfinished(self) -> int:
        """How many chunk jobs have still to end."""
        return self.queued + self.running


def chunk_of(job: Job) -> Chunk | None:
    """The variants of a chunk job; ``None`` for every other job.

    Raises:
        ValueError: it says that it belongs to a bundle, but not which variants are its own.
    """
    if job.bundle_id is None:
        return None
    found: Mapping[str, Any] = job.variants or {}
    numbers = {name: found.get(name, 0) for name in ("start", "count", "completed", "failed")}
    if not all(_is_count(number) for number in numbers.values()) or not numbers["count"]:
        raise ValueError(f"chunk job {job.job_id} has no range of variants")
    return Chunk(**numbers)


def start_of(job: Job) -> int:
    """The index of a chunk job's first variant, to sort by; 0 for one that names none."""
    start = (job.variants or {}).get("start")
    return int(start) if start is not None and _is_count(start) else 0


def tally(jobs: Iterable[Job]) -> ChunkTally:
    """Count chunk jobs. One that cannot say which variants are its own counts for none."""
    by_status = Counter[JobStatus]()
    progress = 0.0
    completed = failed = lost = 0
    for job in jobs:
        by_status[job.status] += 1
        try:
            chunk = chunk_of(job) or Chunk(start=0, count=0)
        except ValueError:
            chunk = Chunk(start=0, count=0)
        if job.status is JobStatus.RUNNING:
            progress += job.progress
        elif job.status is JobStatus.COMPLETED:
            completed += chunk.completed
            failed += chunk.failed
        elif job.status is JobStatus.FAILED:
            lost += chunk.count
    return ChunkTally(
        queued=by_status[JobStatus.QUEUED],
        running=by_status[JobStatus.RUNNING],
        completed=by_status[JobStatus.COMPLETED],
        failed=by_status[JobStatus.FAILED],
        progress=progress,
        variants_completed=completed,
        variants_failed=failed,
        variants_lost=lost,
    )


def ranges(total: int, size: int) -> Iterator[Chunk]:
    """``total`` variants in chunks of ``size``; the last has the rest."""
    for start in range(0, total, size):
        yield Chunk(start=start, count=min(size, total - start))


def chunk_job_id(bundle_id: str, created_at: datetime, number: int) -> str:
    """The id of a bundle's chunk job, the same whoever expands the bundle.

    It depends on when the store created the bundle, so that nobody can take the ids of a bundle
    before it is there, and a bundle made anew under an old name gets ids of its own.
    """
    told = f"{bundle_id} {created_at.astimezone(UTC).isoformat()}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return f"{bundle_id[:_SHOWN_CHARACTERS]}-{digest}-{number:04d}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
