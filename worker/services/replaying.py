"""Running a job again because a person asked for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import engine
from worker.jobs.errors import Conflict, IllegalTransition, JobFailure
from worker.jobs.job import ResultRecord, Snapshot
from worker.ports import JobStore
from worker.services.admission import Admission
from worker.services.backtesting import Backtesting, as_failure

MAX_TRIES = 5


class UnknownJob(Exception):
    """No job has this id."""


class Replaying:
    """Puts failed jobs back into the queue."""

    def __init__(self, store: JobStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    def replay(self, job_id: str) -> Snapshot:
        """Examine a failed job anew: it is queued with a new place, or failed for what is still
        wrong with it. The caller rings.

        Raises:
            UnknownJob: there is none.
            IllegalTransition: it has not failed.
        """
        for _ in range(MAX_TRIES):
            seen = self._store.get(job_id)
            if seen is None:
                raise UnknownJob(f"there is no job {job_id}")
            change = self._admission.replay(seen.job, seen.read_at)
            try:
                return self._store.commit(seen, change)
            except Conflict:
                continue
        raise IllegalTransition(f"job {job_id} keeps changing; try again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether a second run gave the same numbers from the same candles.

    ``problem`` says why there was no second result to compare.
    """

    digest_matches: bool
    data_matches: bool
    problem: str | None = None


class Recomputing:
    """Runs a completed job a second time and compares; never touches what is stored."""

    def __init__(
        self,
        backtesting: Backtesting,
        *,
        timeout_seconds: float,
        shutting_down: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backtesting = backtesting
        self._timeout = timeout_seconds
        self._shutting_down = shutting_down
        self._monotonic = monotonic

    def compare(self, seen: Snapshot, stored: ResultRecord) -> Comparison:
        """Raises ``engine.Stopped`` if the process shuts down or the time is up."""
        deadline = self._monotonic() + self._timeout
        try:
            result = self._backtesting.run(
                seen.job.config_used,
                should_stop=lambda: self._shutting_down() or self._monotonic() >= deadline,
            )
        except engine.Stopped:
            raise
        except Exception as error:
            failure: JobFailure = as_failure(error)
            return Comparison(digest_matches=False, data_matches=False, problem=failure.message)
        fingerprint = result.to_outline()["dataFingerprint"]
        return Comparison(
            digest_matches=result.result_digest == stored.result_digest,
            data_matches=fingerprint == stored.backtest_result.get("dataFingerprint"),
        )
