"""Between records and rows."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement

from worker.adapters.plain import plain_json
from worker.adapters.sql.tables import jobs
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Artifact, Job, JobChange, ResultRecord
from worker.jobs.lease import Lease, ServerTime
from worker.jobs.states import EnumStyle, JobStatus

#: A moment to store, or what stands for the database's own clock.
Moment: TypeAlias = datetime | ColumnElement[datetime] | ServerTime

_LEASE_COLUMNS = (
    "lease_id",
    "lease_worker_id",
    "lease_heartbeat_at",
    "lease_seconds",
    "lease_expires_at",
)


_JOB_COLUMNS = tuple(field.name for field in fields(Job) if field.name in jobs.c)


def storable(change: JobChange) -> JobChange:
    """The change as it can be stored and will be read again."""
    message = change.get("error_message")
    return change if message is None else {**change, "error_message": storable_text(message)}


def job_row(job: Job, now: Moment) -> dict[str, Any]:
    """A new job's row. What JSON cannot say in its config becomes a defect of the job."""
    fields_of_job = {field.name: getattr(job, field.name) for field in fields(job)}
    defects = list(job.defects)
    fields_of_job["config_used"] = plain_json(dict(job.config_used), "configUsed", defects)
    row = change_row(fields_of_job, now)
    text = row["submitted_at"] if isinstance(row["submitted_at"], str) else None
    row["submitted_text"] = text
    row["submitted_at"] = None if text is not None else row["submitted_at"]
    row["created_at"] = now
    row["defects"] = defects
    row["revision"] = 1
    return row


def change_row(change: JobChange | Mapping[str, Any], now: Moment) -> dict[str, Any]:
    """The columns that a change writes."""
    row: dict[str, Any] = {}
    values: dict[str, Any] = dict(change)
    for name, value in values.items():
        if name == "lease":
            row |= _lease_row(value, now)
        elif isinstance(value, ServerTime):
            row[name] = now
        elif name == "error_message" and value is not None:
            row[name] = storable_text(value)
        elif isinstance(value, (JobStatus, EnumStyle, ErrorCode)):
            row[name] = value.value
        else:
            row[name] = value
    return row


def read_job(row: Mapping[str, Any]) -> Job:
    """Raises ValueError or TypeError for a row that :func:`job_row` did not make."""
    if not isinstance(row["config_used"], dict):
        raise TypeError("config_used is no map")
    if not isinstance(row["variants"], dict | None):
        raise TypeError("variants is no map")
    values = {name: row[name] for name in _JOB_COLUMNS}
    values["submitted_at"] = row["submitted_text"] or row["submitted_at"]
    values["status"] = JobStatus(row["status"])
    values["enum_style"] = EnumStyle(row["enum_style"])
    values["error_code"] = ErrorCode(row["error_code"]) if row["error_code"] else None
    values["defects"] = tuple(row["defects"])
    values["lease"] = _read_lease(row)
    return Job(**values)


def result_row(result: ResultRecord, now: Moment) -> dict[str, Any]:
    row = {field.name: getattr(result, field.name) for field in fields(result)}
    row["artifacts"] = {name: asdict(artifact) for name, artifact in result.artifacts.items()}
    if isinstance(result.created_at, ServerTime):
        row["created_at"] = now
    return row


def read_result(row: Mapping[str, Any]) -> ResultRecord:
    values = dict(row)
    values["artifacts"] = {name: Artifact(**value) for name, value in row["artifacts"].items()}
    return ResultRecord(**values)


def storable_text(message: str) -> str:
    """A text may quote what a client wrote: half of a surrogate pair, or a zero character."""
    return message.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _lease_row(lease: Lease | None, now: Moment) -> dict[str, Any]:
    if lease is None:
        return dict.fromkeys(_LEASE_COLUMNS)
    return {
        "lease_id": lease.lease_id,
        "lease_worker_id": lease.worker_id,
        "lease_heartbeat_at": (
            now if isinstance(lease.heartbeat_at, ServerTime) else lease.heartbeat_at
        ),
        "lease_seconds": lease.seconds,
        "lease_expires_at": lease.expires_at,
    }


def _read_lease(row: Mapping[str, Any]) -> Lease | None:
    if row["lease_id"] is None:
        return None
    return Lease(
        lease_id=row["lease_id"],
        worker_id=row["lease_worker_id"],
        heartbeat_at=row["lease_heartbeat_at"],
        seconds=row["lease_seconds"],
        expires_at=row["lease_expires_at"],
    )
