"""Bundles in one thread: users, events, workers and sweeps in any order, dying at any write."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.support.bundle_house import House, open_house
from tests.support.bundles import a_bundle
from tests.support.control import CONFIG
from tests.support.faulty_store import Crash, FaultyStore
from tests.support.maintenance import LONG_AGO
from worker.jobs import bundle_transitions, transitions
from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot
from worker.jobs.chunks import chunk_of
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    IllegalTransition,
    LeaseLost,
    StoreUnavailable,
)
from worker.jobs.job import Job, JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.quotas import QuotaLimits
from worker.services.replaying import Replaying

MAX_BUNDLES = 4
CHUNK_SIZE = 2

FAULTS = st.sampled_from([None, None, None, None, "before", "after", "lost", "unheard"])
WRITES = st.integers(0, 3)
PICK = st.integers(0, MAX_BUNDLES - 1)


@dataclass
class BundleHistory:
    """The states of each bundle in the order in which they were committed."""

    states: dict[str, list[Bundle]] = field(default_factory=dict)

    def wrote(self, bundle: Bundle) -> None:
        self.states.setdefault(bundle.bundle_id, []).append(bundle)

    def check(self) -> None:
        for states in self.states.values():
            for before, after in pairwise(states):
                told = f"{after.bundle_id}: {before.status} → {after.status}"
                assert not before.status.is_final, f"{told}: written after its end"
                assert after.progress >= before.progress, f"{told}: progress went back"
                if before.status is JobStatus.RUNNING:
                    assert after.status is not JobStatus.QUEUED, told
                    assert (after.total, after.chunks) == (before.total, before.chunks), told


class FaultyBundleStore(FaultyStore):
    """The same for the writes of bundles."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.bundles = BundleHistory()

    def create_bundle(self, bundle: Bundle) -> BundleSnapshot:
        return self._write_bundle(lambda: self.store.create_bundle(bundle))

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Any = ()
    ) -> BundleSnapshot:
        return self._write_bundle(lambda: self.store.commit_bundle(seen, change, jobs))

    def _write_bundle(self, write: Callable[[], BundleSnapshot]) -> BundleSnapshot:
        def and_note() -> None:
            nonlocal written
            written = write()
            self.bundles.wrote(written.bundle)

        written: BundleSnapshot | None = None
        self._write(and_note)
        assert written is not None
        return written


class BundleMachine(RuleBasedStateMachine):
    """``new_store`` gives an empty store for each example."""

    def __init__(self, new_store: Callable[[], Store]) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.real = new_store()
        self.store = FaultyBundleStore(self.real)
        self.house: House = open_house(
            self.store,
            Path(self.directory.name),
            quotas=QuotaLimits(running=3),
            chunk_size=CHUNK_SIZE,
        )
        self.bundles: list[str] = []
        self.runs: list[Snapshot] = []
        self.slow: Any = None

    # What users and events do.

    @precondition(lambda self: len(self.bundles) < MAX_BUNDLES)
    @rule(
        variants=st.integers(1, 7),
        user=st.sampled_from(["ann", "bob"]),
        flaw=st.sampled_from([None, None, None, None, "rank_by", "cancelled"]),
        fault=FAULTS,
    )
    def submit(self, variants: int, user: str, flaw: str | None, fault: str | None) -> None:
        bundle = a_bundle(
            f"b{len(self.bundles)}",
            user_id=user,
            base_config=CONFIG,
            variants=[{"label": str(index)} for index in range(variants)],
            rank_by="luck" if flaw == "rank_by" else "sharpe",
            cancel_requested=flaw == "cancelled",
        )
        with self.faults(fault, 0):
            self.store.create_bundle(bundle)
        if bundle.bundle_id in self.store.bundles.states:
            self.bundles.append(bundle.bundle_id)

    @precondition(lambda self: self.bundles)
    @rule(pick=PICK, fault=FAULTS)
    def deliver(self, pick: int, fault: str | None) -> None:
        """The event of a bundle's creation: early, late, once more."""
        with self.faults(fault, 0):
            self.house.services.bundle_arrivals.announce(self.bundle(pick))

    @precondition(lambda self: self.bundles)
    @rule(pick=PICK, fault=FAULTS, writes=WRITES)
    def cancel(self, pick: int, fault: str | None, writes: int) -> None:
        with self.faults(fault, writes):
            self.house.services.bundle_cancelling.cancel(self.bundle(pick))

    @precondition(lambda self: self.bundles)
    @rule(pick=PICK)
    def cancel_by_document(self, pick: int) -> None:
        """As the security rules allow it: the flag alone, while queued or running."""
        seen = self.store.get_bundle(self.bundle(pick))
        if not seen.bundle.status.is_final:
            self.store.commit_bundle(seen, BundleChange(cancel_requested=True))

    @precondition(lambda self: self.bundles)
    @rule(pick=PICK, number=st.integers(0, 3), fault=FAULTS)
    def replay(self, pick: int, number: int, fault: str | None) -> None:
        """An operator brings a chunk job back that its worker lost."""
        failed = [
            job
            for job in self.store.chunk_jobs(self.bundle(pick))
            if job.error_code is ErrorCode.WORKER_LOST
        ]
        if not failed:
            return
        job = failed[number % len(failed)]
        self.store.history.replayed(job.job_id)
        with self.faults(fault, 0):
            Replaying(
                self.store,
                self.house.services.admission,
            ).replay(job.job_id)

    # What workers do.

    @precondition(lambda self: len(self.runs) < 3)
    @rule(seconds=st.sampled_from([-1, 90]), fault=FAULTS)
    def claim(self, seconds: int, fault: str | None) -> None:
        """With a lease that is good for a while, or one that the next sweep finds expired."""
        with self.faults(fault, 0):
            claimed = self.house.claim(seconds=seconds)
            if claimed is not None and claimed.job.status is JobStatus.RUNNING:
                self.runs.append(claimed)

    @precondition(lambda self: self.runs)
    @rule(
        who=st.integers(0, 2),
        how=st.sampled_from(["complete", "nothing", "fail", "release"]),
        is_heard=st.booleans(),
        fault=FAULTS,
        writes=WRITES,
    )
    def end(self, who: int, how: str, is_heard: bool, fault: str | None, writes: int) -> None:
        """In time or long after the lease went to somebody else; its bundle may not hear of it."""
        run = self.runs.pop(who % len(self.runs))
        with self.faults(fault, writes):
            ended = self.settle(run, how)
            if ended is not None and is_heard:
                self.house.services.waiting.after(ended)
                self.house.services.bundle_progress.after(ended)

    @precondition(lambda self: self.runs)
    @rule(who=st.integers(0, 2))
    def die(self, who: int) -> None:
        """SIGKILL: nothing is written, the lease runs out."""
        self.bury(self.runs.pop(who % len(self.runs)).job)

    @precondition(lambda self: self.bundles and self.slow is None)
    @rule(pick=PICK)
    def begin_update(self, pick: int) -> None:
        """Somebody has read a bundle and its chunk jobs, and takes long to write what they say."""
        seen = self.store.get_bundle(self.bundle(pick))
        if seen.bundle.status is JobStatus.RUNNING:
            tally = self.store.chunk_tally(seen.bundle.bundle_id)
            change = bundle_transitions.advance(seen.bundle, tally)
            self.slow = (seen, change or BundleChange(progress=seen.bundle.progress))

    @precondition(lambda self: self.slow is not None)
    @rule()
    def end_update(self) -> None:
        (seen, change), self.slow = self.slow, None
        with self.faults(None, 0):
            self.store.commit_bundle(seen, change)

    @rule(fault=FAULTS, writes=WRITES)
    def sweep(self, fault: str | None, writes: int) -> None:
        with self.faults(fault, writes):
            self.house.sweep.run()

    def teardown(self) -> None:
        """Whatever has happened, a living fleet brings every bundle to its end."""
        try:
            for bundle_id in self.bundles:
                for job in self.real.chunk_jobs(bundle_id):
                    self.bury(job)
                self.wait_out(bundle_id)
            for _ in range(MAX_BUNDLES * 4 + 8):
                self.house.sweep.run()
                claimed = self.house.claim()
                if claimed is not None:
                    self.settle(claimed, "complete")
            self.house.sweep.run()
            self.store.bundles.check()
            for bundle_id in self.bundles:
                self.check(self.house.bundle(bundle_id))
        finally:
            self.real.close()
            self.directory.cleanup()

    def wait_out(self, bundle_id: str) -> None:
        """The time after a try to expand a bundle whose answer was lost is over."""
        seen = self.store.get_bundle(bundle_id)
        if seen.bundle.status is JobStatus.QUEUED and seen.bundle.next_expansion_at is not None:
            self.store.commit_bundle(seen, BundleChange(next_expansion_at=seen.read_at))

    def check(self, bundle: Bundle) -> None:
        """What must be true of a bundle that has ended."""
        assert bundle.status.is_final, bundle
        jobs = self.real.chunk_jobs(bundle.bundle_id)
        assert self.store.bundles.states[bundle.bundle_id][-1] == bundle, "written unheard"
        ends = [one for one in self.store.bundles.states[bundle.bundle_id] if one.status.is_final]
        assert len(ends) == 1
        if bundle.chunks is None:
            assert jobs == []
            assert bundle.status is JobStatus.FAILED
            return
        assert len(jobs) == bundle.chunks
        assert all(job.status.is_final for job in jobs), jobs
        rows = self.house.rows(bundle.bundle_id)
        assert [row["index"] for row in rows] == list(range(bundle.total))
        sound = sum(row["errorCode"] is None for row in rows)
        assert (bundle.completed, bundle.failed) == (sound, bundle.total - sound)
        assert bundle.summary is not None
        codes = {row["errorCode"] for row in rows}
        if bundle.status is JobStatus.COMPLETED:
            assert sound > 0
            assert bundle.error_code is None
        elif bundle.error_code is ErrorCode.CANCELLED:
            assert bundle.cancel_requested
            assert "CANCELLED" in codes
        else:
            assert sound == 0
            assert bundle.error_code in codes

    # How they do it.

    def bundle(self, pick: int) -> str:
        return self.bundles[pick % len(self.bundles)]

    def settle(self, run: Snapshot, how: str) -> Job | None:
        """Write the end of an attempt as its worker would, of the job as it is now."""
        now = self.store.get(run.job.job_id)
        held = now.job.lease
        if held is None or held.lease_id != run.job.lease.lease_id:  # type: ignore[union-attr]  # the run was claimed
            return None
        chunk = chunk_of(run.job)
        assert chunk is not None
        if how == "release":
            change = transitions.release(now.job, run.job.hold())
            released: Job = self.store.commit(now, change).job
            return released
        if how == "fail":
            return self.house.fail(now, ErrorCode.TIMEOUT)
        return self.house.finish(now, lambda index: how == "complete" and index % 3 != 2)

    def bury(self, run: Job) -> None:
        """Let the lease of a dead worker run out."""
        now = self.store.get(run.job_id)
        lease = now.job.lease
        if lease is not None and run.lease is not None and lease.lease_id == run.lease.lease_id:
            self.store.commit(now, JobChange(lease=replace(lease, heartbeat_at=LONG_AGO)))

    @contextmanager
    def faults(self, fault: str | None, writes: int) -> Iterator[None]:
        """Whoever acts in here may die or hear no answer, at the write after ``writes``."""
        self.store.fault, self.store.writes = fault, writes
        try:
            yield
        except (Crash, StoreUnavailable, Conflict, LeaseLost, IllegalTransition):
            pass
        finally:
            self.store.fault = None
