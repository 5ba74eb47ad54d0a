"""A fleet in one thread: every service that writes jobs, in any order, dying at any write."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.support import small_runs
from tests.support.clocks import TickingClock
from tests.support.faulty_store import Crash, FaultyStore
from tests.support.jobs import WANTED, a_job
from tests.support.maintenance import LONG_AGO, maintenance
from worker.jobs import transitions
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    IllegalTransition,
    LeaseLost,
    StoreUnavailable,
)
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.lease import SERVER_TIME, Lease
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.cancelling import cancel
from worker.services.claiming import Claiming
from worker.services.lease_keeper import KeeperTiming, LeaseKeeper
from worker.services.quotas import QuotaLimits
from worker.services.replaying import Replaying
from worker.services.settling import Settling

MAX_JOBS = 8
WORKERS = 3

FAULTS = st.sampled_from([None, None, None, None, "before", "after", "lost", "unheard"])
WRITES = st.integers(0, 2)
PICK = st.integers(0, MAX_JOBS - 1)
WHO = st.integers(0, WORKERS - 1)


@dataclass
class Run:
    """What a worker has in hand, and how sure it is of it."""

    keeper: LeaseKeeper
    job: Job


class FleetMachine(RuleBasedStateMachine):
    """``new_store`` gives an empty store for each example."""

    def __init__(self, new_store: Callable[[], JobStore]) -> None:
        super().__init__()
        self.real = new_store()
        self.store: Any = FaultyStore(self.real)
        self.history = self.store.history
        self.clock = TickingClock()
        self.jobs: list[str] = []
        self.runs: dict[int, Run] = {}
        self.leases = 0
        self.fleet = maintenance(self.store, quotas=QuotaLimits(running=3))
        self.admission = self.fleet.services.admission
        self.settling = Settling(self.store, self.clock, lambda _: None)

    # What users and events do.

    @precondition(lambda self: len(self.jobs) < MAX_JOBS)
    @rule(
        user=st.sampled_from(["ann", "bob", ""]),
        priority=st.integers(-9, 9),
        cancelled=st.sampled_from([False, False, False, True]),
        fault=FAULTS,
    )
    def submit(self, user: str, priority: int, cancelled: bool, fault: str | None) -> None:
        job_id = f"j{len(self.jobs)}"
        with self.faults(fault, 0):
            job = a_job(
                job_id,
                user_id=user,
                priority=priority,
                cancel_requested=cancelled,
                config_used=small_runs.config(len(self.jobs) % small_runs.KINDS),
            )
            self.store.create(job)
        if job_id in self.history.states:
            self.jobs.append(job_id)

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, fault=FAULTS)
    def deliver(self, pick: int, fault: str | None) -> None:
        """An event or a ring about a job: early, late, once more."""
        with self.faults(fault, 0):
            self.fleet.services.arrivals.announce(self.job(pick))

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, fault=FAULTS)
    def cancel(self, pick: int, fault: str | None) -> None:
        with self.faults(fault, 0):
            cancel(self.store, self.job(pick))

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def cancel_by_document(self, pick: int) -> None:
        """As the security rules allow it: the flag alone, while queued or running."""
        seen = self.store.get(self.job(pick))
        if not seen.job.status.is_final:
            self.store.commit(seen, JobChange(cancel_requested=True))

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, fault=FAULTS)
    def replay(self, pick: int, fault: str | None) -> None:
        job_id = self.job(pick)
        self.history.replayed(job_id)
        with self.faults(fault, 0):
            Replaying(self.store, self.admission).replay(job_id)

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def queue_by_hand(self, pick: int) -> None:
        """A person who edits the document of a completed job, and nothing else in it."""
        seen = self.store.get(self.job(pick))
        if seen.job.status is JobStatus.COMPLETED:
            self.history.queued_by_hand(seen.job.job_id)
            self.store.commit(seen, JobChange(status=JobStatus.QUEUED))

    # What workers do.

    @precondition(lambda self: len(self.runs) < WORKERS)
    @rule(seconds=st.sampled_from([0, 90]), fault=FAULTS, writes=WRITES)
    def claim(self, seconds: int, fault: str | None, writes: int) -> None:
        """With a lease that is good for a while, or one that the next sweep finds expired."""
        with self.faults(fault, writes):
            self.begin(self.claiming(seconds).best())

    @precondition(lambda self: self.jobs and len(self.runs) < WORKERS)
    @rule(pick=PICK, seconds=st.sampled_from([0, 90]), fault=FAULTS)
    def run_exactly(self, pick: int, seconds: int, fault: str | None) -> None:
        seen = self.store.get(self.job(pick))
        if seen.job.status is JobStatus.FAILED:
            self.history.replayed(seen.job.job_id)
        with self.faults(fault, 0):
            self.begin(self.claiming(seconds).exactly(seen))

    @precondition(lambda self: self.runs)
    @rule(who=WHO, progress=st.floats(0, 1), fault=FAULTS, writes=WRITES)
    def beat(self, who: int, progress: float, fault: str | None, writes: int) -> None:
        run = self.runs.get(who)
        if run is None:
            return
        self.clock.advance(31)
        run.keeper.report(progress)
        with self.faults(fault, writes, who):
            run.keeper.tick()

    @precondition(lambda self: self.runs)
    @rule(who=WHO, how=st.sampled_from(["complete", "fail", "release"]), fault=FAULTS)
    def end(self, who: int, how: str, fault: str | None) -> None:
        """In time or long after the lease went to somebody else."""
        run = self.runs.pop(who, None)
        if run is None:
            return
        with self.faults(fault, 0):
            self.settle(run, how)

    @precondition(lambda self: self.runs)
    @rule(who=WHO)
    def die(self, who: int) -> None:
        """SIGKILL: nothing is written, the lease runs out."""
        self.bury(who)

    @rule(fault=FAULTS, writes=WRITES)
    def sweep(self, fault: str | None, writes: int) -> None:
        with self.faults(fault, writes):
            self.fleet.sweep.run()

    def teardown(self) -> None:
        """Whatever has happened, a living fleet brings every job to its end."""
        try:
            for who in list(self.runs):
                self.bury(who)
            for _ in range(2 * MAX_JOBS + 4):
                self.fleet.sweep.run()
                claimed = self.claiming(90).best()
                if claimed is None:
                    break
                self.begin(claimed)
                self.settle(self.runs.popitem()[1], "complete")
            stored = {job_id: self.real.get(job_id) for job_id in self.jobs}
            jobs = {job_id: seen.job for job_id, seen in stored.items() if seen is not None}
            assert all(job.status.is_final for job in jobs.values()), jobs
            results = {job_id: self.real.result(job_id) for job_id in jobs}
            self.history.check(jobs, results)
            for number, job_id in enumerate(self.jobs):
                self.check_numbers(number, results[job_id])
        finally:
            self.real.close()

    # What must be true of the numbers.

    def check_numbers(self, number: int, result: ResultRecord | None) -> None:
        """They are a calm run's, of the attempt that ended last, and its account balances."""
        if result is None:
            return
        states = self.history.states[result.job_id]
        ran = [job for job in states if job.status is JobStatus.RUNNING][-1]
        assert result.summary_digest == ran.hold().lease_id
        assert result.result_digest == small_runs.calm_digest(number % small_runs.KINDS)
        small_runs.check_account(result.backtest_result)

    # How they do it.

    def job(self, pick: int) -> str:
        return self.jobs[pick % len(self.jobs)]

    def claiming(self, seconds: int) -> Claiming:
        def new_lease(_: object) -> Lease:
            self.leases += 1
            return Lease(
                lease_id=f"lease-{self.leases}",
                worker_id="worker",
                heartbeat_at=SERVER_TIME,
                seconds=seconds,
            )

        return Claiming(self.store, self.admission, new_lease, WANTED)

    def begin(self, claimed: Snapshot | None) -> None:
        if claimed is None or claimed.job.status is not JobStatus.RUNNING:
            return
        keeper = LeaseKeeper(
            self.store,
            claimed,
            claimed_at=self.clock.monotonic(),
            clock=self.clock,
            timing=KeeperTiming(heartbeat=30, lease=90, timeout=1e9, stall=1e9),
            shutdown=threading.Event(),
            on_beat=lambda: None,
        )
        free = next(who for who in range(WORKERS) if who not in self.runs)
        self.runs[free] = Run(keeper, claimed.job)

    def settle(self, run: Run, how: str) -> None:
        seen = run.keeper.stop()
        hold = run.job.hold()
        result: ResultRecord | None = None
        if how == "complete":
            result = small_runs.run(run.job)

        def decide(job: Job) -> JobChange:
            if result is not None:
                digest = result.result_digest
                return transitions.complete(job, hold, result_digest=digest, duration_ms=1)
            if how == "release":
                return transitions.release(job, hold)
            return transitions.fail(job, hold, code=ErrorCode.ENGINE_ERROR, message="Broken.")

        ended = self.settling.settle(seen, hold, decide, until=float("inf"), result=result)
        for job in self.fleet.services.waiting.after(ended.job):
            self.fleet.services.arrivals.ring(job)

    def bury(self, who: int) -> None:
        """The worker is gone, and so is, after a while, its lease."""
        run = self.runs.pop(who, None)
        seen = None if run is None else self.store.get(run.job.job_id)
        if run is None or seen is None or seen.job.lease is None:
            return
        if seen.job.lease.lease_id == run.job.hold().lease_id:
            silent = replace(seen.job.lease, heartbeat_at=LONG_AGO)
            self.store.commit(seen, JobChange(lease=silent))

    @contextmanager
    def faults(self, fault: str | None, writes: int, who: int | None = None) -> Iterator[None]:
        """Let ``fault`` happen in this block. What ends it in order is no error of the fleet's."""
        self.store.fault, self.store.writes = fault, writes
        before = set(self.runs)
        try:
            yield
        except Crash:
            self.store.fault = None
            for dead in {who} if who is not None else set(self.runs) - before:
                self.bury(dead)
            self.orphans()
        except (Conflict, IllegalTransition, LeaseLost, StoreUnavailable):
            self.store.fault = None
            self.orphans()
        finally:
            self.store.fault = None

    def orphans(self) -> None:
        """Let the leases run out of claims whose worker died before it knew of them."""
        held = {run.job.hold().lease_id for run in self.runs.values()}
        for job_id in self.jobs:
            seen = self.store.get(job_id)
            lease = None if seen is None else seen.job.lease
            if lease is not None and lease.lease_id not in held:
                silent = replace(lease, heartbeat_at=LONG_AGO)
                self.store.commit(seen, JobChange(lease=silent))
