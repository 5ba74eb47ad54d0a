"""What a commit makes of a job's result: one exists if and only if the job is completed."""

from worker.jobs.errors import RecordRefused
from worker.jobs.job import Job, JobChange, ResultRecord
from worker.jobs.states import JobStatus


def require_outcome(job: Job, change: JobChange, result: ResultRecord | None) -> None:
    """Raises ``RecordRefused`` for a result that is not that of this job's completion."""
    if result is None:
        return
    if result.job_id != job.job_id or change.get("status") is not JobStatus.COMPLETED:
        raise RecordRefused(
            f"a result of job {result.job_id} cannot be written with a job {job.job_id} "
            f"that becomes {change.get('status', job.status)}"
        )


def leaves_none(change: JobChange) -> bool:
    """Whether there must be no result after this change, whatever a person has left behind."""
    return change.get("status") is JobStatus.FAILED
