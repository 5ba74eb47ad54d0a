"""Reading a job that anybody may have written: nothing in it makes this raise.

A field of a wrong type holds its default in the job, and a defect says so. Fields of other names
are left alone: no write of this store touches them.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from worker.adapters.plain import note, plain_json
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.lease import Lease
from worker.jobs.states import EnumStyle, JobStatus, read_status

_MAX_SUBMITTED_TEXT = 40


def utc(moment: datetime) -> datetime:
    """A plain datetime for the library's own kind, which is always UTC."""
    return datetime.combine(moment.date(), moment.time(), UTC)


def read_job(job_id: str, document: Mapping[str, Any], created_at: datetime | None) -> Job:
    """The job in a document, with its defects."""
    read = Reader(document)
    status, style = read.status()
    if document.get("enumStyle") == EnumStyle.DART.value:
        style = EnumStyle.DART
    named = read.text("jobId")
    if named is not None and named != job_id:
        note(read.defects, "jobId", f"the document's id {job_id!r}", named)
    return Job(
        job_id=job_id,
        user_id=read.text("userId") or read.owner_of_chunk(),
        status=status,
        config_used=read.config(),
        submitted_at=read.submitted_at(),
        created_at=created_at,
        engine_version=read.text("engineVersion"),
        priority=read.whole("priority") or 0,
        timeout_seconds=read.whole("timeoutSeconds"),
        cancel_requested=read.flag("cancelRequested"),
        started_at=read.time("startedAt"),
        completed_at=read.time("completedAt"),
        error_message=read.text("errorMessage"),
        error_code=read.error_code(),
        progress=read.number("progress") or 0.0,
        attempt=read.whole("attempt") or 0,
        lease=read.lease(),
        interruptions=read.whole("interruptions") or 0,
        worker_losses=read.whole("workerLosses") or 0,
        rank=read.number("rank"),
        admitted_at=read.time("admittedAt"),
        lane=read.text("lane"),
        enum_style=style,
        bundle_id=read.text("bundleId"),
        variants=read.map("variants"),
        bars=read.whole("bars"),
        duration_ms=read.whole("durationMs"),
        result_digest=read.text("resultDigest"),
        expire_at=read.time("expireAt"),
        traceparent=read.text("traceparent"),
        defects=tuple(read.defects),
    )


class Reader:
    """Typed access to one document's fields; null and absent are the same."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.defects: list[str] = []

    def text(self, name: str) -> str | None:
        value = self._document.get(name)
        if value is None or isinstance(value, str):
            return value
        self._refuse(name, "a string", value)
        return None

    def whole(self, name: str) -> int | None:
        value = self._document.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        self._refuse(name, "an integer", value)
        return None

    def number(self, name: str) -> float | None:
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self._refuse(name, "a finite number", value)
        return None

    def flag(self, name: str) -> bool:
        value = self._document.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._refuse(name, "true or false", value)
        return False

    def time(self, name: str) -> datetime | None:
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, datetime):
            return utc(value)
        self._refuse(name, "a timestamp", value)
        return None

    def map(self, name: str) -> Mapping[str, Any] | None:
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, Mapping):
            plain: dict[str, Any] = plain_json(value, name, self.defects)
            return plain
        self._refuse(name, "a map", value)
        return None

    def list(self, name: str) -> list[Any] | None:
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, list):
            plain: list[Any] = plain_json(value, name, self.defects)
            return plain
        self._refuse(name, "a list", value)
        return None

    def owner_of_chunk(self) -> str | None:
        """Chunk jobs name their owner elsewhere, where no client's query finds them."""
        return self.text("ownerId") if self.text("bundleId") is not None else None

    def config(self) -> Mapping[str, Any]:
        if self._document.get("configUsed") is None:
            note(self.defects, "configUsed", "a map (required)", None)
        return self.map("configUsed") or {}

    def status(self) -> tuple[JobStatus, EnumStyle]:
        value = self._document.get("status")
        if isinstance(value, str):
            try:
                return read_status(value)
            except ValueError:
                pass
        note(self.defects, "status", "queued, running, completed or failed", value)
        return JobStatus.QUEUED, EnumStyle.PLAIN

    def submitted_at(self) -> datetime | str | None:
        value = self._document.get("submittedAt")
        if isinstance(value, datetime):
            return utc(value)
        if value is None or (isinstance(value, str) and len(value) <= _MAX_SUBMITTED_TEXT):
            return value
        self._refuse("submittedAt", "a timestamp or an ISO-8601 string", value)
        return None

    def error_code(self) -> ErrorCode | None:
        value = self.text("errorCode")
        if value is None or value in ErrorCode.__members__:
            return ErrorCode(value) if value else None
        self._refuse("errorCode", "a known code", value)
        return None

    def lease(self) -> Lease | None:
        value = self._document.get("lease")
        if value is None:
            return None
        if isinstance(value, Mapping):
            inner = Reader(value)
            lease_id, worker_id = inner.text("leaseId"), inner.text("workerId")
            heartbeat_at, seconds = inner.time("heartbeatAt"), inner.whole("seconds")
            if lease_id and worker_id and heartbeat_at and seconds is not None:
                return Lease(
                    lease_id=lease_id,
                    worker_id=worker_id,
                    heartbeat_at=heartbeat_at,
                    seconds=seconds,
                    expires_at=inner.time("expiresAt"),
                )
        self._refuse("lease", "a lease", value)
        return None

    def _refuse(self, name: str, expected: str, value: Any) -> None:
        note(self.defects, name, expected, value)
