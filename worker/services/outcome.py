"""What the work of a job came to, for the commit that completes it."""

from dataclasses import dataclass, field

from worker.jobs.job import JobChange, ResultRecord


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result, and what the job itself says of it beside its status."""

    record: ResultRecord
    change: JobChange = field(default_factory=lambda: JobChange())
