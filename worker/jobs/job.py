"""The records a store keeps: a job, and the result that exists only beside ``completed``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from worker.jobs.errors import ErrorCode
from worker.jobs.lease import Hold, Lease, ServerTime
from worker.jobs.states import EnumStyle, JobStatus

#: The pattern of job ids in rules, API and stores alike.
JOB_ID_PATTERN = r"[A-Za-z0-9_-]{1,128}"

#: Document ids that Firestore keeps for itself.
_RESERVED_ID = re.compile(r"__.*__")


#: The longest id of a Firestore document, in bytes.
_LONGEST_RECORD_ID = 1500


def is_job_id(text: str) -> bool:
    """Whether a job may bear this id; none is created under any other."""
    return bool(re.fullmatch(JOB_ID_PATTERN, text)) and not _RESERVED_ID.fullmatch(text)


def may_name_a_record(text: str) -> bool:
    """Whether a server that writes into the store itself may have put a record under this id."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    is_path = text in (".", "..") or "/" in text or "\0" in text
    return 1 <= size <= _LONGEST_RECORD_ID and not is_path and not _RESERVED_ID.fullmatch(text)


def id_problem(text: str) -> str:
    """What to tell the owner of a record whose id is none that a job or bundle may bear."""
    return (
        "The id is not valid: expected 1 to 128 letters, digits, underscores and hyphens, "
        f"got {text[:64]!r}."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One backtest job, whatever store it lies in.

    ``defects`` lists what a client wrote with a wrong type or value ("priority: expected an
    integer, got 'high'"); the field then holds its default. Admission turns defects into
    INVALID_CONFIG, so that reading a bad document never raises. ``bars`` is what the daily quota
    counts: how many bars the job covers. ``traceparent`` is the trace in which the job was created:
    whoever runs it later logs in it.
    """

    job_id: str
    user_id: str | None = None
    status: JobStatus = JobStatus.QUEUED
    config_used: Mapping[str, Any] = field(default_factory=dict)
    submitted_at: datetime | str | None = None
    created_at: datetime | None = None
    engine_version: str | None = None
    priority: int = 0
    timeout_seconds: int | None = None
    cancel_requested: bool = False
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None
    error_code: ErrorCode | None = None
    progress: float = 0.0
    attempt: int = 0
    lease: Lease | None = None
    interruptions: int = 0
    worker_losses: int = 0
    rank: float | None = None
    admitted_at: datetime | None = None
    lane: str | None = None
    enum_style: EnumStyle = EnumStyle.PLAIN
    bundle_id: str | None = None
    variants: Mapping[str, Any] | None = None
    bars: int | None = None
    duration_ms: int | None = None
    result_digest: str | None = None
    expire_at: datetime | None = None
    traceparent: str | None = None
    defects: tuple[str, ...] = ()

    @property
    def is_admitted(self) -> bool:
        return self.rank is not None

    @property
    def is_chunk(self) -> bool:
        """It runs a part of a bundle, and nobody sees it as a job of its own."""
        return self.bundle_id is not None

    @property
    def is_waiting(self) -> bool:
        """Admission has seen it and keeps it out of the queue until its owner's other jobs end."""
        return (
            self.status is JobStatus.QUEUED and self.rank is None and self.admitted_at is not None
        )

    def hold(self) -> Hold:
        """The fencing token of the attempt that is running.

        Raises:
            ValueError: nobody holds the job.
        """
        if self.lease is None:
            raise ValueError(f"job {self.job_id} has no lease")
        return Hold(self.job_id, self.attempt, self.lease.lease_id)


class JobChange(TypedDict, total=False):
    """The fields of a :class:`Job` that one commit writes; the others stay as they are."""

    status: JobStatus
    engine_version: str
    priority: int
    cancel_requested: bool
    started_at: datetime | ServerTime | None
    completed_at: datetime | ServerTime | None
    error_message: str | None
    error_code: ErrorCode | None
    progress: float
    attempt: int
    lease: Lease | None
    interruptions: int
    worker_losses: int
    rank: float | None
    admitted_at: datetime | ServerTime | None
    lane: str | None
    bars: int
    variants: Mapping[str, Any] | None
    enum_style: EnumStyle
    traceparent: str
    duration_ms: int | None
    result_digest: str | None
    expire_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A complete series that did not fit the result document."""

    uri: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """``backtestResults/{jobId}``: written in the same commit as the job's ``completed``.

    A chunk job's has artifacts and an empty ``backtest_result``.
    """

    job_id: str
    user_id: str
    engine_version: str
    result_digest: str
    summary_digest: str | None
    backtest_result: Mapping[str, Any]
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    created_at: datetime | ServerTime = ServerTime.NOW
    expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as it was read.

    ``version`` is the store's own token of that state (an update time, a revision): a commit
    that names it fails if anything was written since. ``read_at`` is the store's clock.
    """

    job: Job
    version: Any
    read_at: datetime
