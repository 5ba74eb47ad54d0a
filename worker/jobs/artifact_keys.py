"""Where the artifacts of a job or a bundle lie, so that they are found without listing all others.

A job's have the keys ``{jobId}/{attempt}/{name}``, a bundle's ``{bundleId}/{name}``. A job and a
bundle may have the same id: only a job's artifacts lie another folder deeper.
"""

from worker.jobs.job import Job


def folder_of_attempt(job: Job) -> str:
    """The part before the names of what the job's running attempt stores."""
    return f"{job.job_id}/{job.attempt}"


def key_of_bundle(bundle_id: str, name: str) -> str:
    """The key of what is stored for a bundle as a whole."""
    return f"{bundle_id}/{name}"


def is_of_job(path: str) -> bool:
    """Whether a path below an id is that of a job's artifact, of whichever attempt."""
    return "/" in path


def is_of_bundle(path: str) -> bool:
    """Whether a path below an id is that of a bundle's artifact."""
    return not is_of_job(path)
