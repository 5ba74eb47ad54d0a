"""How long jobs and their parts take, and how often somebody looks."""

from typing import Self

from pydantic import Field, model_validator

from worker.settings.section import Section

#: What a job needs beside the engine's own time: claiming, loading candles, the last commit.
OVERHEAD_SECONDS = 20

#: Nothing is waited for longer than a day; of much more a system's clock knows nothing.
LONGEST_SECONDS = 86_400


class Timing(Section):
    """Seconds, and how many workers share the work."""

    heartbeat_seconds: float = Field(30, gt=0, description="Seconds between two beats of a job.")
    lease_seconds: int = Field(
        90,
        ge=1,
        le=LONGEST_SECONDS,
        description="A worker whose last beat is older than this has lost its job.",
    )
    job_timeout_seconds: int = Field(540, ge=1, description="Longest run of one job.")
    ack_deadline_seconds: int = Field(
        600, ge=10, le=600, description="Ack deadline of the push subscription."
    )
    drain_seconds: float = Field(
        30,
        ge=0,
        description="A push claims another job only while it is younger than this.",
    )
    shutdown_seconds: float = Field(
        8,
        gt=0,
        le=LONGEST_SECONDS,
        description="Time to give the running job back after SIGTERM.",
    )
    job_poll_interval_seconds: float = Field(
        5,
        gt=0,
        le=LONGEST_SECONDS,
        description="A poller looks at the queue this often, also when nothing has woken it.",
    )
    sweep_seconds: float = Field(
        60,
        gt=0,
        le=LONGEST_SECONDS,
        description="Seconds between two sweeps where no scheduler calls `/tasks/sweep`: with "
        "`DOORBELL=local`, and in `poll`.",
    )
    max_concurrent_backtests: int = Field(
        2, ge=1, le=256, description="Processes that a poller runs, each with one job at a time."
    )
    max_workers: int = Field(
        10, ge=1, description="Most workers at once: the sweep never rings more often than that."
    )

    @model_validator(mode="after")
    def _timing(self) -> Self:
        if 3 * self.heartbeat_seconds > self.lease_seconds:
            raise ValueError(
                f"LEASE_SECONDS={self.lease_seconds} must be at least three times "
                f"HEARTBEAT_SECONDS={self.heartbeat_seconds:g}"
            )
        busy = self.drain_seconds + self.job_timeout_seconds + OVERHEAD_SECONDS
        if busy > self.ack_deadline_seconds:
            raise ValueError(
                f"ACK_DEADLINE_SECONDS={self.ack_deadline_seconds} must be at least "
                f"DRAIN_SECONDS + JOB_TIMEOUT_SECONDS + {OVERHEAD_SECONDS} = {busy:g}"
            )
        return self
