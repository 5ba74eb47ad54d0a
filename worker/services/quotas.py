"""What one user may have: queued jobs, jobs at work, and bars a day.

Counted in the store at each admission, so quotas may overshoot by as many jobs as are admitted at
the same moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.config import BacktestConfig
from engine.series import traded_series
from engine.timeframes import TIMEFRAMES
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import JobCounts

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """For each user; ``None`` is no limit.

    ``running`` counts jobs that run or are next to: whoever has that many waits with the others
    outside the queue, so that a claim never has to skip over a crowd.
    """

    queued: int | None = None
    running: int | None = None
    bars_a_day: int | None = None


NO_LIMITS = QuotaLimits()


class Quotas:
    """The service."""

    def __init__(self, counts: JobCounts, limits: QuotaLimits) -> None:
        self._counts = counts
        self._limits = limits

    @property
    def holds_back(self) -> bool:
        """Whether anybody ever waits."""
        return self._limits.running is not None

    def check(self, user_id: str, bars: int, now: datetime, *, what: str = "job") -> None:
        """May this user queue one more job, of so many bars? Or bundle, or ``what`` it is called.

        Raises:
            JobFailure: QUOTA_EXCEEDED.
        """
        queued = self._limits.queued
        if queued is not None and self._counts.queued_of(user_id) >= queued:
            raise JobFailure(
                ErrorCode.QUOTA_EXCEEDED,
                f"You have {queued} queued jobs already, which is all you may have. "
                "Wait until some of them have run, or cancel some.",
            )
        daily = self._limits.bars_a_day
        if daily is None:
            return
        used = self._counts.bars_of(user_id, now - _DAY)
        if used + bars > daily:
            raise JobFailure(
                ErrorCode.QUOTA_EXCEEDED,
                f"This {what} covers {bars:,} bars. You may use {daily:,} a day, and have used "
                f"{used:,} in the last 24 hours.",
            )

    def room_of(self, user_id: str) -> int | None:
        """How many more of the user's jobs may be at work; ``None`` is any number."""
        limit = self._limits.running
        return None if limit is None else max(0, limit - self._counts.active_of(user_id))


def bars_of(config: object) -> int:
    """How many bars a configuration covers, as if its markets never closed."""
    if not isinstance(config, BacktestConfig):
        return 0
    bars = len(config.price_path or ())
    for series in traded_series(config):
        if series.start is not None and series.end is not None:
            length = timedelta(milliseconds=TIMEFRAMES[series.timeframe])
            bars += (series.end - series.start) // length + 1
    return bars
