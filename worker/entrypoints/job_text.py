"""A job as aligned text."""

from datetime import UTC, datetime

from worker.entrypoints.terminal_text import one_line
from worker.jobs.job import Job


def job_text(job: Job) -> str:
    """What its owner wants to know, one line a fact; facts that are not there have no line."""
    config = job.config_used
    what = [config.get(name) for name in ("strategyId", "symbol", "timeframe", "label")]
    facts = [
        ("Job", job.job_id),
        ("Backtest", " ".join(str(part) for part in what if part)),
        ("Status", str(job.status) + (", asked to stop" if _is_stopping(job) else "")),
        ("Progress", f"{job.progress:.0%}" if not job.status.is_final else None),
        ("Owner", job.user_id),
        ("Priority", str(job.priority) if job.priority else None),
        ("Engine", job.engine_version),
        ("Attempts", str(job.attempt) if job.attempt else None),
        ("Admitted", _time(job.admitted_at)),
        ("Started", _time(job.started_at)),
        ("Ended", _time(job.completed_at)),
        ("Took", f"{job.duration_ms / 1000:.2f} s" if job.duration_ms is not None else None),
        ("Error", job.error_code),
        ("Why", job.error_message),
        ("Digest", job.result_digest),
    ]
    return "\n".join(f"{name:<10}{one_line(value)}" for name, value in facts if value)


def _is_stopping(job: Job) -> bool:
    return job.cancel_requested and not job.status.is_final


def _time(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else None
