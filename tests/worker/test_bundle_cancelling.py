"""A bundle that is cancelled as a whole, by its owner over HTTP or through its document."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.bundle_house import House, open_house, statuses
from tests.support.bundles import read_bundle
from tests.support.clocks import TickingClock
from tests.support.jobs import an_admitted_job, read
from worker.adapters.memory import MemoryJobStore
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import Conflict, ErrorCode, StoreUnavailable
from worker.jobs.states import JobStatus
from worker.services.quotas import QuotaLimits


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(TickingClock())


@pytest.fixture
def house(store: MemoryJobStore, tmp_path: Path) -> House:
    return open_house(store, tmp_path, chunk_size=1)


def cancelled(house: House, bundle_id: str = "b1") -> tuple[JobStatus, ErrorCode | None]:
    after = house.services.bundle_cancelling.cancel(bundle_id)
    assert after is not None
    return after.bundle.status, after.bundle.error_code


class TestByRequest:
    def test_a_queued_bundle_ends_at_once(self, house: House) -> None:
        house.create()
        assert cancelled(house) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        assert house.services.bundle_arrivals.announce("b1").value == "refused"
        assert house.chunks() == []

    def test_so_does_one_of_which_nothing_runs_yet(self, house: House) -> None:
        house.expand()
        assert cancelled(house) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        assert set(statuses(house.chunks())) == {JobStatus.FAILED}
        assert house.claim() is None
        assert {row["errorCode"] for row in house.rows()} == {"CANCELLED"}

    def test_what_has_finished_stays_readable(self, house: House) -> None:
        house.expand()
        for _ in range(2):
            running = house.claim()
            assert running is not None
            house.finish(running)
        assert cancelled(house) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        bundle = house.bundle()
        assert (bundle.completed, bundle.failed, bundle.progress) == (2, 4, 1.0)
        assert [row["errorCode"] for row in house.rows()] == [None] * 2 + ["CANCELLED"] * 4
        assert bundle.summary is not None
        assert bundle.summary["best"] is not None

    def test_chunk_jobs_that_run_are_asked_to_stop_and_end_it(self, house: House) -> None:
        house.expand()
        running = house.claim()
        assert running is not None
        assert cancelled(house) == (JobStatus.RUNNING, None)
        assert house.bundle().cancel_requested
        told = read(house.store, running.job.job_id)
        assert told.job.cancel_requested
        house.services.bundle_progress.after(house.finish(told, lambda _: False))
        assert house.bundle().status is JobStatus.FAILED

    def test_a_cancellation_that_came_too_late_changes_nothing(self, house: House) -> None:
        house.expand()
        last = None
        while (running := house.claim()) is not None:
            last = running
            if running.job.variants and running.job.variants["start"] < 5:
                house.finish(running)
        assert last is not None
        assert cancelled(house) == (JobStatus.RUNNING, None)
        house.services.bundle_progress.after(house.finish(read(house.store, last.job.job_id)))
        bundle = house.bundle()
        assert (bundle.status, bundle.completed) == (JobStatus.COMPLETED, 6)

    def test_as_often_as_one_likes(self, house: House) -> None:
        house.expand()
        house.claim()
        assert cancelled(house) == cancelled(house) == (JobStatus.RUNNING, None)
        house.create("b2")
        assert cancelled(house, "b2") == cancelled(house, "b2")

    def test_one_that_has_ended_stays_as_it_is(self, house: House, store: MemoryJobStore) -> None:
        house.expand()
        house.run()
        before = read_bundle(store).version
        assert cancelled(house) == (JobStatus.COMPLETED, None)
        assert read_bundle(store).version == before

    def test_an_unknown_bundle_is_none(self, house: House) -> None:
        assert house.services.bundle_cancelling.cancel("nobody") is None

    def test_running_chunk_jobs_are_stopped_before_the_others(self, house: House) -> None:
        house.expand()
        house.claim()
        house.services.bundle_cancelling.cancel("b1", limit=1)
        stopped = [job for job in house.chunks() if job.cancel_requested]
        assert statuses(stopped) == [JobStatus.RUNNING]
        assert statuses(house.chunks()).count(JobStatus.QUEUED) == 5

    def test_what_waits_for_room_gets_it(self, store: MemoryJobStore, tmp_path: Path) -> None:
        house = open_house(store, tmp_path, quotas=QuotaLimits(running=2), chunk_size=1)
        house.expand()
        waiting = an_admitted_job("own", rank=None, lane=None)
        store.create(waiting)
        house.services.bundle_cancelling.cancel("b1")
        assert read(store, "own").job.is_admitted
        assert [ring.job_id for ring in house.doorbell.rings][-1] == "own"

    def test_a_bell_that_is_down_is_no_obstacle(
        self, store: MemoryJobStore, tmp_path: Path
    ) -> None:
        house = open_house(store, tmp_path, quotas=QuotaLimits(running=1), chunk_size=3)
        house.expand()
        store.create(an_admitted_job("own", rank=None, lane=None))
        house.doorbell.is_down = True
        assert cancelled(house) == (JobStatus.FAILED, ErrorCode.CANCELLED)


class TestThroughTheDocument:
    def flag(self, house: House) -> None:
        """As the security rules allow it."""
        house.store.commit_bundle(read_bundle(house.store), BundleChange(cancel_requested=True))

    def test_the_sweep_ends_a_queued_one(self, house: House) -> None:
        house.create()
        self.flag(house)
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle().error_code is ErrorCode.CANCELLED

    def test_the_sweep_stops_the_chunk_jobs_of_a_running_one(self, house: House) -> None:
        house.expand()
        running = house.claim()
        assert running is not None
        self.flag(house)
        assert house.swept() == {"running_bundles": 1}
        assert statuses(house.chunks()).count(JobStatus.FAILED) == 5
        assert read(house.store, running.job.job_id).job.cancel_requested
        assert house.swept() == {}
        house.fail(read(house.store, running.job.job_id), ErrorCode.CANCELLED)
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle().error_code is ErrorCode.CANCELLED


class Stubborn(MemoryJobStore):
    """Somebody else writes its bundles, or its jobs, whenever we try."""

    what = "commit_bundle"

    def commit_bundle(self, *given: Any, **more: Any) -> Any:
        if self.what == "commit_bundle":
            raise Conflict("b1")
        return super().commit_bundle(*given, **more)

    def commit(self, *given: Any, **more: Any) -> Any:
        if self.what == "commit":
            raise Conflict("j1")
        return super().commit(*given, **more)


def test_who_cannot_get_through_says_so(tmp_path: Path) -> None:
    house = open_house(Stubborn(TickingClock()), tmp_path)
    house.create()
    with pytest.raises(Conflict, match="faster than it can be cancelled"):
        house.services.bundle_cancelling.cancel("b1")


def test_a_chunk_job_that_cannot_be_stopped_now_is_stopped_by_the_next_sweep(
    tmp_path: Path,
) -> None:
    store = Stubborn(TickingClock())
    store.what = ""
    house = open_house(store, tmp_path, chunk_size=3)
    house.expand()
    store.what = "commit"
    assert cancelled(house) == (JobStatus.RUNNING, None)
    store.what = ""
    house.swept()
    assert house.bundle().error_code is ErrorCode.CANCELLED


def test_a_chunk_job_whose_row_is_locked_does_not_keep_the_others_running(
    house: House, store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.expand()
    locked, *others = house.chunks()
    get = store.get

    def held(job_id: str) -> Any:
        if job_id == locked.job_id:
            raise StoreUnavailable("canceling statement due to lock timeout")
        return get(job_id)

    with monkeypatch.context() as patch:
        patch.setattr(store, "get", held)
        assert cancelled(house) == (JobStatus.RUNNING, None)
    stopped = [read(store, job.job_id).job.error_code for job in others]
    assert stopped == [ErrorCode.CANCELLED] * len(others)
    house.swept()
    assert house.bundle().error_code is ErrorCode.CANCELLED
