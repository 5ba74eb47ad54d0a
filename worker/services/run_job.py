"""Running one claimed job to its end: load candles, run the engine, commit result and status.

Whatever happens, exactly one write ends the attempt, and only while the lease is ours.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import engine
from worker import logs
from worker.jobs import transitions
from worker.jobs.artifact_keys import folder_of_attempt
from worker.jobs.errors import ErrorCode, JobFailure, LeaseLost, StoreUnavailable
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import ArtifactStore, Clock, JobStore
from worker.services.admission import shorten
from worker.services.backtesting import ENGINE_ERROR_MESSAGE, Backtesting, as_failure
from worker.services.bundles.chunk_run import ChunkRun
from worker.services.bundles.chunk_work import Told
from worker.services.lease_keeper import KeeperTiming, LeaseKeeper, StopReason
from worker.services.outcome import Outcome
from worker.services.result_document import build_result_document
from worker.services.settling import Settling
from worker.telemetry import Telemetry

logger = logging.getLogger(__name__)

#: How often the waiting thread looks whether the engine was told to stop.
WATCH_SECONDS = 0.2

STALLED_MESSAGE = "The backtest made no progress for {:g} seconds and was stopped."
TIMEOUT_MESSAGE = (
    "The backtest did not finish within {:g} seconds. Use a shorter range or a coarser timeframe, "
    "or ask for more timeoutSeconds."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Seconds. ``grace``: how long a stopped engine may take to the edge of a chunk before it is
    given up; ``shutdown_grace`` the same while the process shuts down.
    """

    heartbeat: float
    lease: float
    timeout: float
    stall: float = 120.0
    grace: float = 10.0
    shutdown_grace: float = 4.0

    def timing(self, job: Job) -> KeeperTiming:
        """The keeper's, with the job's own time-out if it is shorter."""
        return KeeperTiming(
            heartbeat=self.heartbeat,
            lease=self.lease,
            timeout=min(self.timeout, job.timeout_seconds or self.timeout),
            stall=self.stall,
        )


class Runner:
    """The service. ``shutdown`` is set when the process has to go."""

    def __init__(
        self,
        *,
        store: JobStore,
        backtesting: Backtesting,
        chunks: ChunkRun,
        artifacts: ArtifactStore,
        clock: Clock,
        limits: RunLimits,
        shutdown: threading.Event,
        telemetry: Telemetry,
        on_abandoned: Callable[[], None],
        machine_fault: Callable[[], str | None] = lambda: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``on_abandoned`` is called when a stopped engine did not stop: this process still
        computes, and should be replaced. ``machine_fault`` says what is wrong with this machine.
        """
        self._machine_fault = machine_fault
        self._store = store
        self._backtesting = backtesting
        self._chunks = chunks
        self._artifacts = artifacts
        self._clock = clock
        self._limits = limits
        self._shutdown = shutdown
        self._telemetry = telemetry
        self._on_abandoned = on_abandoned
        self._settling = Settling(store, clock, pause)

    def run(self, claimed: Snapshot, claimed_at: float) -> Snapshot:
        """Run the job until it has ended, or is back in the queue because of a shutdown.

        ``claimed_at`` is the monotonic clock just before the claim.

        Raises:
            LeaseLost: somebody else has the job now; nothing was written.
            StoreUnavailable: the end could not be written; the lease will expire.
        """
        job = claimed.job
        # The trace that rang may be another job's.
        with logs.about(job_id=job.job_id, traceparent=job.traceparent):
            return self._run(claimed, claimed_at)

    def _run(self, claimed: Snapshot, claimed_at: float) -> Snapshot:
        job = claimed.job
        keeper = LeaseKeeper(
            self._store,
            claimed,
            claimed_at=claimed_at,
            clock=self._clock,
            timing=self._limits.timing(job),
            shutdown=self._shutdown,
            on_beat=self._telemetry.beat,
        )
        self._telemetry.job_started(job, claimed.read_at, self._clock.monotonic() - claimed_at)
        logger.info(
            "job started",
            extra={
                "event": "job_started",
                "attempt": job.attempt,
                "waited_ms": _waited_ms(claimed),
            },
        )
        keeper.start()
        work = _Work(lambda: self._work(job, keeper))
        try:
            self._watch(keeper, work)
            ended = self._end(job, keeper, work, claimed_at)
        except LeaseLost:
            self._telemetry.lease_lost()
            logger.warning("lease lost, nothing written", extra={"event": "lease_lost"})
            raise
        finally:
            keeper.abandon()
            self._telemetry.job_left()
            if not work.done.is_set():
                logger.critical("the engine did not stop", extra={"event": "abandoned"})
                self._on_abandoned()
        self._note(ended.job, self._clock.monotonic() - claimed_at)
        return ended

    def _work(self, job: Job, keeper: LeaseKeeper) -> Outcome:
        """Everything but the end, in a thread of its own; writes nothing about the job."""
        if job.is_chunk:
            return self._chunks.run(job, self._told(job, keeper))
        result = self._backtesting.run(
            job.config_used, on_progress=keeper.report, should_stop=keeper.should_stop
        )
        document = build_result_document(job.job_id, result.to_outline(), job.enum_style)
        artifacts = {
            name: self._artifacts.put(f"{folder_of_attempt(job)}/{name}", columns)
            for name, columns in document.complete.items()
        }
        return Outcome(
            ResultRecord(
                job_id=job.job_id,
                user_id=job.user_id or "",
                engine_version=job.engine_version or engine.ENGINE_VERSION,
                result_digest=result.result_digest,
                summary_digest=result.summary_digest,
                backtest_result=document.backtest_result,
                artifacts=artifacts,
            )
        )

    def _told(self, job: Job, keeper: LeaseKeeper) -> Told:
        """A chunk that is cancelled or out of time has something to show for it all the same."""

        def why() -> JobFailure | None:
            is_over = keeper.reason in (StopReason.SHUTDOWN, StopReason.LEASE_LOST)
            return None if is_over else self._why_stopped(job, keeper)

        return Told(on_progress=keeper.report, should_stop=keeper.should_stop, why=why)

    def _watch(self, keeper: LeaseKeeper, work: "_Work") -> None:
        """Wait for the engine; once it is told to stop, not longer than the grace."""
        told_at: float | None = None
        while not work.done.wait(WATCH_SECONDS):
            if not keeper.should_stop():
                continue
            now = self._clock.monotonic()
            told_at = now if told_at is None else told_at
            shutting_down = self._shutdown.is_set()
            grace = self._limits.shutdown_grace if shutting_down else self._limits.grace
            if now - told_at >= grace:
                return

    def _end(self, job: Job, keeper: LeaseKeeper, work: "_Work", claimed_at: float) -> Snapshot:
        seen = keeper.stop()
        hold = job.hold()
        duration_ms = round((self._clock.monotonic() - claimed_at) * 1000)
        until = keeper.answered + self._limits.timing(job).trust

        def settle(decide: Callable[[Job], JobChange], record: ResultRecord | None) -> Snapshot:
            return self._settling.settle(seen, hold, decide, until=until, result=record)

        def fail(failure: JobFailure) -> Snapshot:
            message = shorten(failure.message)
            return settle(
                lambda now: transitions.fail(
                    now, hold, code=failure.code, message=message, duration_ms=duration_ms
                ),
                None,
            )

        # In this order: an engine that was given up may still end between the two looks.
        was_stopped, outcome = work.was_stopped, work.outcome
        if outcome is None and was_stopped:
            if keeper.reason is StopReason.SHUTDOWN:
                return settle(lambda now: transitions.release(now, hold), None)
            return fail(self._why_stopped(job, keeper))
        failure = work.failure() if outcome is None else None
        if _may_be_the_machines(failure, outcome) and self._machine_fault() is not None:
            # Whatever the job is, it would have failed here. Others can run it.
            return settle(lambda now: transitions.release(now, hold), None)
        if outcome is None:
            assert failure is not None, "it ended without an outcome"
            return fail(failure)
        record, change = outcome.record, outcome.change
        try:
            return settle(
                lambda now: (
                    transitions.complete(
                        now, hold, result_digest=record.result_digest, duration_ms=duration_ms
                    )
                    | change
                ),
                record,
            )
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception:
            logger.exception(
                "the result cannot be stored",
                extra={"event": "result_refused"},
            )
            return fail(JobFailure(ErrorCode.ENGINE_ERROR, ENGINE_ERROR_MESSAGE))

    def _why_stopped(self, job: Job, keeper: LeaseKeeper) -> JobFailure:
        timing = self._limits.timing(job)
        match keeper.reason:
            case StopReason.CANCELLED:
                return JobFailure(ErrorCode.CANCELLED, transitions.CANCELLED_MESSAGE)
            case StopReason.TIMEOUT:
                return JobFailure(ErrorCode.TIMEOUT, TIMEOUT_MESSAGE.format(timing.timeout))
            case StopReason.STALLED:
                return JobFailure(ErrorCode.ENGINE_ERROR, STALLED_MESSAGE.format(timing.stall))
            case _:
                return JobFailure(ErrorCode.ENGINE_ERROR, ENGINE_ERROR_MESSAGE)

    def _note(self, job: Job, seconds: float) -> None:
        self._telemetry.job_ended(job, seconds)
        released = job.status is JobStatus.QUEUED
        logger.info(
            "job %s",
            "released" if released else job.status,
            extra={
                "event": "job_released" if released else f"job_{job.status}",
                "attempt": job.attempt,
                "error_code": job.error_code,
                "duration_ms": round(seconds * 1000),
            },
        )


#: What a job fails with on a machine that misses its candles, or cannot write.
_MACHINES = (ErrorCode.DATA_NOT_FOUND, ErrorCode.DATA_INVALID, ErrorCode.ENGINE_ERROR)


def _may_be_the_machines(failure: JobFailure | None, outcome: Outcome | None) -> bool:
    """Whether a fault of this machine could be why the job, or variants of a chunk, failed."""
    if outcome is not None:
        return bool((outcome.change.get("variants") or {}).get("failed"))
    return failure is not None and failure.code in _MACHINES


def _waited_ms(claimed: Snapshot) -> int | None:
    """From admission to this claim, by the store's clock; ``None`` if there is no telling."""
    admitted_at = claimed.job.admitted_at
    if admitted_at is None:
        return None
    return max(0, round((claimed.read_at - admitted_at).total_seconds() * 1000))


class _Work:
    """A computation in a daemon thread: if it never ends, it does not keep the process alive."""

    def __init__(self, compute: Callable[[], Outcome]) -> None:
        self.done = threading.Event()
        self.outcome: Outcome | None = None
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._compute = compute
        threading.Thread(target=context.run, args=(self._run,), name="engine", daemon=True).start()

    def _run(self) -> None:
        try:
            self.outcome = self._compute()
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    @property
    def was_stopped(self) -> bool:
        """It ended because it was told to, or did not even then."""
        return not self.done.is_set() or isinstance(self._error, engine.Stopped)

    def failure(self) -> JobFailure:
        assert self._error is not None, "it ended without an outcome"
        return as_failure(self._error)
