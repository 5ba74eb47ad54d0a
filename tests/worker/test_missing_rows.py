"""A bundle of which one chunk's rows are not where this process looks for artifacts."""

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.bundle_house import House, open_house
from tests.support.clocks import TickingClock
from worker.adapters.memory import MemoryJobStore
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.services.bundles.finalising import FIRST_DELAY, LONGEST_DELAY


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def house(tmp_path: Path, clock: TickingClock) -> House:
    return open_house(MemoryJobStore(clock), tmp_path, chunk_size=2, clock=clock)


def with_rows_elsewhere(house: House, bundle_id: str = "b1") -> Callable[[], None]:
    """Run the bundle to the end of its last chunk job, with the rows of the first one moved away;
    puts them back when it is called.
    """
    house.expand(bundle_id)
    running = house.claim()
    assert running is not None
    job = house.finish(running)
    folder = house.artifacts._directory / job.job_id
    elsewhere = folder.with_name(f"{job.job_id}-elsewhere")
    folder.rename(elsewhere)
    house.run()
    return lambda: folder.parent.joinpath(elsewhere.name).rename(folder) and None


def test_it_does_not_end_and_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with_rows_elsewhere(house)
    bundle = house.bundle()
    assert (bundle.status, bundle.completed_at) == (JobStatus.RUNNING, None)
    told = [one for one in caplog.records if vars(one).get("event") == "bundle_rows_missing"]
    assert [(one.levelno, vars(one)["bundle_id"]) for one in told] == [(logging.ERROR, "b1")]


def test_it_ends_whole_when_the_rows_are_there(house: House, clock: TickingClock) -> None:
    put_back = with_rows_elsewhere(house)
    house.swept()
    put_back()
    clock.advance(FIRST_DELAY)
    assert house.swept() == {"running_bundles": 1}
    bundle = house.bundle()
    assert (bundle.status, bundle.completed, bundle.failed) == (JobStatus.COMPLETED, 6, 0)
    assert {row["errorCode"] for row in house.rows()} == {None}


def test_it_is_read_again_ever_more_seldom(
    house: House, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rows_elsewhere(house)
    looked_at: list[float] = []
    read = house.artifacts.read

    def noted(artifact: object) -> bytes:
        looked_at.append(clock.monotonic())
        return read(artifact)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(house.artifacts, "read", noted)
    for _ in range(600):
        clock.advance(10)
        house.swept()
    pauses = [after - before for before, after in pairwise(looked_at) if after - before > 5]
    assert len(pauses) < 20
    assert pauses[-1] >= LONGEST_DELAY
    assert all(later > sooner - 1 for sooner, later in pairwise(pauses))


def test_others_end_meanwhile(house: House) -> None:
    with_rows_elsewhere(house, "a1")
    house.expand("b1")
    house.work()
    assert house.swept() == {"running_bundles": 1}
    assert house.bundle("b1").status is JobStatus.COMPLETED


def test_its_owner_may_give_it_up(house: House) -> None:
    with_rows_elsewhere(house)
    after = house.services.bundle_cancelling.cancel("b1")
    assert after is not None
    assert (after.bundle.status, after.bundle.error_code) == (
        JobStatus.FAILED,
        ErrorCode.CANCELLED,
    )
    assert (after.bundle.completed, after.bundle.failed) == (4, 2)
    codes = [row["errorCode"] for row in house.rows()]
    assert codes == ["CANCELLED", "CANCELLED", None, None, None, None]


def test_whoever_restarts_looks_at_once(house: House, tmp_path: Path, clock: TickingClock) -> None:
    put_back = with_rows_elsewhere(house)
    put_back()
    again = open_house(house.store, tmp_path, clock=clock)
    assert again.swept() == {"running_bundles": 1}
