"""A worker's temporary right to run one job, and the fencing token that goes with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class ServerTime(Enum):
    """Stands for "the store's own clock at commit" wherever a change carries a time."""

    NOW = "now"


SERVER_TIME = ServerTime.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """``seconds`` is how long the lease outlives ``heartbeat_at``; ``expires_at`` only informs."""

    lease_id: str
    worker_id: str
    heartbeat_at: datetime | ServerTime
    seconds: int
    expires_at: datetime | None = None

    def is_expired(self, read_at: datetime) -> bool:
        """Judge by two times of the store's clock, never by a worker's."""
        return self.has_been_silent_for(self.seconds, read_at)

    def has_been_silent_for(self, seconds: float, read_at: datetime) -> bool:
        """Whether the last heartbeat is longer ago than that, on the store's clock."""
        if isinstance(self.heartbeat_at, ServerTime):
            return False
        return read_at - self.heartbeat_at > timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Hold:
    """What a worker must still match in the store to be allowed to write: its fencing token."""

    job_id: str
    attempt: int
    lease_id: str
