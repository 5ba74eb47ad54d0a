"""The documents this store writes: camelCase names, Timestamps, the server's clock."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from google.cloud.firestore import SERVER_TIMESTAMP

from worker.adapters.firestore.reading import utc
from worker.jobs.job import Artifact, Job, JobChange, ResultRecord
from worker.jobs.lease import Lease, ServerTime
from worker.jobs.states import EnumStyle

#: What is known of a job beside its document's fields.
_NOT_IN_DOCUMENT = {"created_at", "defects"}

#: Fields that clients expect in every job, null before they have a value.
_ALWAYS = {"started_at", "completed_at", "error_message"}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def job_document(job: Job) -> dict[str, Any]:
    """A whole new job. Unset fields are left out: a null ``rank`` would be sorted like a rank, and
    stands for a job that waits.

    A chunk job has ``ownerId`` instead of ``userId``, by which clients look for documents.
    """
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    if job.enum_style is EnumStyle.PLAIN:
        del values["enum_style"]
    if job.is_chunk:
        values["owner_id"] = values.pop("user_id")
    return change_document(
        {
            name: value
            for name, value in values.items()
            if name not in _NOT_IN_DOCUMENT
            and (value is not None or name in _ALWAYS or (name == "rank" and job.is_waiting))
        }
    )


def change_document(change: JobChange | Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a change writes; a lease is replaced as a whole."""
    values: dict[str, Any] = dict(change)
    return {camel(name): _value(value) for name, value in values.items()}


def artifact_map(artifact: Artifact) -> dict[str, Any]:
    return {"uri": artifact.uri, "rows": artifact.rows, "sha256": artifact.sha256}


def result_document(result: ResultRecord, *, of_chunk: bool = False) -> dict[str, Any]:
    """A whole result. A chunk job's is none that a client finds, and holds artifacts only."""
    document = {
        "jobId": result.job_id,
        "ownerId" if of_chunk else "userId": result.user_id,
        "createdAt": _value(result.created_at),
        "engineVersion": result.engine_version,
        "resultDigest": result.result_digest,
        "summaryDigest": result.summary_digest,
    }
    if not of_chunk:
        document["backtestResult"] = dict(result.backtest_result)
    if result.artifacts:
        document["artifacts"] = {
            name: artifact_map(artifact) for name, artifact in result.artifacts.items()
        }
    if result.expire_at is not None:
        document["expireAt"] = result.expire_at
    return document


def read_result(job_id: str, document: Mapping[str, Any]) -> ResultRecord:
    """A result that this store wrote, or one that was imported with fewer fields."""
    created_at = document.get("createdAt")
    return ResultRecord(
        job_id=job_id,
        user_id=document.get("userId") or document.get("ownerId") or "",
        engine_version=document.get("engineVersion") or "",
        result_digest=document.get("resultDigest") or "",
        summary_digest=document.get("summaryDigest"),
        backtest_result=document.get("backtestResult") or {},
        artifacts={
            name: Artifact(uri=item["uri"], rows=item["rows"], sha256=item["sha256"])
            for name, item in (document.get("artifacts") or {}).items()
        },
        created_at=ServerTime.NOW if created_at is None else utc(created_at),
        expire_at=utc(document["expireAt"]) if document.get("expireAt") else None,
    )


def _value(value: Any) -> Any:
    if isinstance(value, ServerTime):
        return SERVER_TIMESTAMP
    if isinstance(value, Lease):
        return {
            "leaseId": value.lease_id,
            "workerId": value.worker_id,
            "heartbeatAt": _value(value.heartbeat_at),
            "seconds": value.seconds,
            "expiresAt": value.expires_at,
        }
    return value.value if isinstance(value, StrEnum) else value
