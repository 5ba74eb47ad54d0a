"""Queue order in one immutable number."""

from datetime import datetime

MIN_PRIORITY = -9
MAX_PRIORITY = 9


def queue_rank(admitted_at: datetime, priority: int, ageing_seconds: int) -> float:
    """Lower runs first. One step of priority is worth ``ageing_seconds`` of waiting.

    Within that horizon priority is strict; beyond it an old job overtakes, so nothing starves.
    """
    return admitted_at.timestamp() - priority * ageing_seconds
