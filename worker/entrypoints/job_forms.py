"""How jobs and results look in JSON: camelCase names, RFC 3339 times in UTC.

What a store needs for its queue (rank, lane, lease) is not part of these forms.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from worker.jobs.errors import ErrorCode
from worker.jobs.job import Artifact, Job, ResultRecord
from worker.jobs.lease import ServerTime
from worker.jobs.states import JobStatus

#: What a list shows of a configuration.
_SHOWN_IN_LISTS = ("strategyId", "symbol", "timeframe", "startDate", "endDate", "label")


def rfc3339(time: datetime) -> str:
    """UTC, with ``Z``."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]


class Form(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class JobState(Form):
    """What every form of a job tells."""

    job_id: str
    user_id: str | None
    status: JobStatus = Field(description="`queued`, `running`, `completed` or `failed`.")
    submitted_at: Time | str | None = Field(description="As the client wrote it.")
    admitted_at: Time | None = Field(description="When the job got its place in the queue.")
    started_at: Time | None
    completed_at: Time | None = Field(description="When the job ended, well or not.")
    progress: float = Field(description="0 to 1, of the running attempt.")
    engine_version: str | None
    error_code: ErrorCode | None
    error_message: str | None


class JobSummary(JobState):
    """A job as a list shows it."""

    strategy_id: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    label: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**_state(job), **_shown(job.config_used))


class JobForm(JobState):
    """A job in full."""

    priority: int
    timeout_seconds: int | None
    cancel_requested: bool
    attempt: int = Field(description="How many times a worker has started this job.")
    interruptions: int = Field(description="Shut-downs of a worker in the middle of this job.")
    worker_losses: int = Field(description="Workers that stopped answering since submission.")
    duration_ms: int | None
    result_digest: str | None
    expire_at: Time | None
    config_used: dict[str, Any] = Field(description="As it was submitted.")

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            **_state(job),
            priority=job.priority,
            timeout_seconds=job.timeout_seconds,
            cancel_requested=job.cancel_requested,
            attempt=job.attempt,
            interruptions=job.interruptions,
            worker_losses=job.worker_losses,
            duration_ms=job.duration_ms,
            result_digest=job.result_digest,
            expire_at=job.expire_at,
            config_used=dict(job.config_used),
        )

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class ArtifactForm(Form):
    """A complete series beside a result."""

    uri: str
    rows: int
    sha256: str


class ResultForm(Form):
    """What describes :func:`result_json`."""

    job_id: str
    user_id: str
    created_at: Time | None
    engine_version: str
    result_digest: str = Field(description="Over everything that the numbers are.")
    summary_digest: str | None = Field(description="Over the metrics that a sweep has too.")
    backtest_result: dict[str, Any] = Field(description="Curve, cycles, trades, metrics and more.")
    artifacts: dict[str, ArtifactForm] = Field(description="Series too long for this answer.")


def result_json(record: ResultRecord) -> dict[str, Any]:
    """A result with its complete series' names; without a model, as it may be 900 KiB."""
    return {
        "jobId": record.job_id,
        "userId": record.user_id,
        "createdAt": None
        if isinstance(record.created_at, ServerTime)
        else rfc3339(record.created_at),
        "engineVersion": record.engine_version,
        "resultDigest": record.result_digest,
        "summaryDigest": record.summary_digest,
        "backtestResult": dict(record.backtest_result),
        "artifacts": {name: _artifact_json(item) for name, item in record.artifacts.items()},
    }


def _artifact_json(artifact: Artifact) -> dict[str, Any]:
    return {"uri": artifact.uri, "rows": artifact.rows, "sha256": artifact.sha256}


def _state(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "user_id": job.user_id,
        "status": job.status,
        "submitted_at": job.submitted_at,
        "admitted_at": job.admitted_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "progress": job.progress,
        "engine_version": job.engine_version,
        "error_code": job.error_code,
        "error_message": job.error_message,
    }


def _shown(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name in _SHOWN_IN_LISTS if isinstance(value := config.get(name), str)}
