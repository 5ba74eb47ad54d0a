"""How many pollers a queue deserves: a pure rule over the fleet's figures."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRule:
    """``floor`` and ``ceiling`` bound the answer; ``jobs_each`` run at once in one poller.

    ``patience``: seconds that the oldest job may wait before a queue is worth another poller, which
    takes some seconds to start itself.
    """

    floor: int = 0
    ceiling: int = 10
    jobs_each: int = 1
    patience: float = 15.0

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.ceiling:
            raise ValueError(f"floor {self.floor} must be from 0 to the ceiling {self.ceiling}")
        if self.jobs_each < 1:
            raise ValueError(f"jobs_each must be at least 1, not {self.jobs_each}")


def wanted_pollers(
    rule: ScalingRule, *, current: int, queued: int, running: int, oldest_seconds: float
) -> int:
    """The number of pollers to have next.

    Up at once, as far as all jobs take: a queue that has waited for ``patience``, or that nobody is
    there to take. Down slowly, by half of what is idle: never while jobs are queued, and never
    below what runs, because a poller that leaves gives its jobs back and they start anew.
    """
    busy = ceil(running / rule.jobs_each)
    everything = ceil((running + queued) / rule.jobs_each)
    if queued and (oldest_seconds >= rule.patience or not current):
        wanted = max(current, everything)
    elif queued:
        wanted = max(current, busy)
    else:
        idle = max(0, current - max(busy, rule.floor))
        wanted = current - ceil(idle / 2)
    return min(max(wanted, rule.floor), rule.ceiling)
