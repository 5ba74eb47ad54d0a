"""While chunk jobs run, the record of their bundle says how far they are."""

import logging
import threading
from pathlib import Path

import pytest

from tests.support.bundle_house import House, open_house
from tests.support.clocks import TickingClock
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.memory import MemoryJobStore
from worker.jobs import transitions
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import Conflict, StoreUnavailable
from worker.jobs.job import Snapshot
from worker.jobs.states import JobStatus
from worker.services.bundles.telling import SECONDS, BundleTelling


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A bundle of six variants in three chunk jobs."""
    house = open_house(MemoryJobStore(TickingClock()), tmp_path, chunk_size=2)
    house.expand()
    return house


class Waits:
    """Instead of waiting: what was asked for, and that it is over after so many."""

    def __init__(self, times: int) -> None:
        self.asked: list[float] = []
        self._times = times

    def __call__(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return len(self.asked) > self._times


def tell(house: House, *, waits: int) -> list[float]:
    """Tell until so many waits are over; how long each of them was, the first that ends it too."""
    made = Waits(waits)
    telling = BundleTelling(house.services.bundle_progress, part_of=lambda seconds: seconds / 2)
    telling.tell("b1", made)
    return made.asked


def run(house: House, progress: float) -> Snapshot:
    """A chunk job that runs and has come so far."""
    running = house.claim()
    assert running is not None
    job, lease = running.job, running.job.lease
    assert lease is not None
    change = transitions.beat(job, job.hold(), lease=lease, progress=progress)
    return house.store.commit(running, change)


def test_the_bundle_says_how_far_its_running_chunk_jobs_are(house: House) -> None:
    run(house, 0.5)
    tell(house, waits=2)
    assert house.bundle().progress == pytest.approx(0.5 * 2 / 6)
    house.finish(run(house, 0.75), lambda index: index != 2)
    tell(house, waits=2)
    bundle = house.bundle()
    assert (bundle.completed, bundle.failed) == (1, 1)
    assert bundle.progress == pytest.approx((0.5 * 2 + 2) / 6)


def test_alone_a_worker_writes_every_other_second(house: House) -> None:
    run(house, 0.1)
    assert tell(house, waits=4) == [SECONDS, 0, SECONDS, SECONDS, SECONDS]


def test_several_take_turns(house: House) -> None:
    """Each waits for as many times; they begin at different moments."""
    for _ in range(3):
        run(house, 0.1)
    assert tell(house, waits=3) == [SECONDS, SECONDS, 3 * SECONDS, 3 * SECONDS]


def test_what_has_not_changed_is_not_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run(house, 0.1)
    tell(house, waits=2)
    monkeypatch.setattr(house.store, "commit_bundle", None)
    assert len(tell(house, waits=4)) == 5


def test_a_run_that_is_over_at_once_asks_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(house, 0.5)
    monkeypatch.setattr(house.store, "chunk_tally", None)
    assert tell(house, waits=0) == [SECONDS]


def test_it_never_ends_a_bundle(house: House) -> None:
    house.work()
    tell(house, waits=2)
    bundle = house.bundle()
    assert (bundle.status, bundle.progress) == (JobStatus.RUNNING, 0.0)
    house.services.bundle_progress.update("b1")
    assert tell(house, waits=2) == [SECONDS, 0, SECONDS]
    assert house.bundle().status is JobStatus.COMPLETED


def test_a_write_of_somebody_else_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(house, 0.5)
    commit = house.store.commit_bundle

    def be_late(*_: object) -> object:
        monkeypatch.setattr(house.store, "commit_bundle", commit)
        raise Conflict("b1")

    monkeypatch.setattr(house.store, "commit_bundle", be_late)
    assert len(tell(house, waits=2)) == 3
    assert house.bundle().progress == 0.0
    tell(house, waits=2)
    assert house.bundle().progress > 0


@pytest.mark.parametrize("method", ["chunk_tally", "get_bundle", "commit_bundle"])
def test_a_store_that_is_away_is_asked_again(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    run(house, 0.5)
    sound, asked = getattr(house.store, method), []

    def answer_at_last(*given: object) -> object:
        asked.append(given)
        if len(asked) <= 2:
            raise StoreUnavailable("no answer")
        return sound(*given)

    monkeypatch.setattr(house.store, method, answer_at_last)
    with caplog.at_level(logging.WARNING):
        pauses = tell(house, waits=4)
    assert house.bundle().progress > 0
    assert min(pauses[2:]) >= SECONDS
    assert {record.event for record in caplog.records if hasattr(record, "event")} == {
        "bundle_delayed"
    }


def test_the_thread_ends_with_the_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run(house, 0.5)
    monkeypatch.setattr("worker.services.bundles.telling.SECONDS", 0.001)
    written = threading.Event()
    commit = house.store.commit_bundle

    def note(seen: object, change: BundleChange) -> object:
        after = commit(seen, change)  # type: ignore[arg-type]  # as it was given
        written.set()
        return after

    monkeypatch.setattr(house.store, "commit_bundle", note)
    with BundleTelling(house.services.bundle_progress).during("b1"):
        assert written.wait(PATIENCE_SECONDS)
        (teller,) = [one for one in threading.enumerate() if one.name == "bundle-teller"]
    teller.join(PATIENCE_SECONDS)
    assert not teller.is_alive()
