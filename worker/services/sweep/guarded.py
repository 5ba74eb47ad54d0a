"""One guarded write about one job, and many of them where one bad job must not stop the rest."""

import logging
from collections.abc import Callable, Iterable

from worker.jobs.errors import Conflict, IllegalTransition, RecordRefused, StoreUnavailable
from worker.jobs.job import Job, JobChange, Snapshot
from worker.jobs.lanes import OWN_LANES
from worker.ports import JobStore
from worker.services.passing_over import PassingOver

logger = logging.getLogger(__name__)


def attempt(store: JobStore, job_id: str, decide: Callable[[Snapshot], JobChange]) -> Job | None:
    """Read the job, decide, write; the job after that, ``None`` if there was nothing to do.

    A conflict means that somebody else acts on the job: the next sweep looks again. Jobs of other
    systems' lanes are never written.
    """
    seen = store.get(job_id)
    if seen is None or seen.job.lane not in (*OWN_LANES, None):
        return None
    try:
        return store.commit(seen, decide(seen)).job
    except (Conflict, IllegalTransition):
        return None
    except RecordRefused as error:
        logger.error(
            "the store refuses what a sweep writes: %s",
            error,
            extra={"event": "sweep_refused", "job_id": job_id},
        )
        return None


def for_each(items: Iterable[str], act: Callable[[str], int], over: PassingOver) -> int:
    """Act on each; the sum of what was done. One that fails, or is delayed, does not stop the rest.

    Raises:
        StoreUnavailable: the store does not answer.
    """

    def guarded(item: str) -> int:
        try:
            return act(item)
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("a sweep fails at one job", extra={"event": "sweep_failed"})
            return 0

    return sum(over.each(items, guarded))
