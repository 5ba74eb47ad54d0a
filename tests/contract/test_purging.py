"""What the sweep removes for good: artifacts with the records that refer to them, and no others."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.conftest import STORES
from tests.support.bundle_house import open_house
from tests.support.bundles import an_expanded_bundle, claim_chunk, finish_chunk, read_bundle
from tests.support.clocks import TickingClock
from tests.support.ended import JUST_OVER, expire, expire_bundle
from tests.support.jobs import a_running_job, claim_best, finish, read
from worker.adapters.gcs import GcsArtifacts
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.system_clock import SystemClock
from worker.jobs import transitions
from worker.jobs.artifact_keys import folder_of_attempt, key_of_bundle
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import BucketUnavailable, ErrorCode
from worker.jobs.job import Artifact, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import ArtifactStore, Clock, Store
from worker.services.bundles.variant_lists import store_variants
from worker.services.sweep.expired import SECONDS, Expired

COLUMNS = {"equity": [1.0, 2.5]}

#: For what the store has no part in but its guard.
on_some_stores = pytest.mark.parametrize("keeping", STORES[:2], indirect=True)


class Crash(BaseException):
    """The process died here."""


@dataclass
class House:
    """A store, the artifacts beside it, and the step of the sweep."""

    store: Store
    artifacts: ArtifactStore
    clock: Clock = field(default_factory=SystemClock)

    def purge(self) -> int:
        return Expired(self.store, self.artifacts, self.clock, keeps_all=False).run()

    def running(self, job_id: str = "j1") -> tuple[Snapshot, Artifact]:
        """A job whose attempt has stored an artifact and not yet ended."""
        running = a_running_job(self.store, job_id)
        return running, self.put(f"{folder_of_attempt(running.job)}/trades")

    def completed(self, job_id: str = "j1") -> Artifact:
        running, artifact = self.running(job_id)
        finish(self.store, running, artifacts={"trades": artifact})
        return artifact

    def put(self, key: str) -> Artifact:
        return self.artifacts.put(key, COLUMNS)

    def has(self, artifact: Artifact) -> bool:
        try:
            return bool(self.artifacts.read(artifact))
        except FileNotFoundError:
            return False

    def bundle(self, bundle_id: str = "b1") -> tuple[list[str], list[Artifact], Artifact]:
        """A running bundle whose two chunk jobs have ended: their ids, their artifacts, its own."""
        an_expanded_bundle(self.store, bundle_id, size=3)
        parts: dict[str, Artifact] = {}
        for _ in range(2):
            running = claim_chunk(self.store)
            parts[running.job.job_id] = self.put(f"{folder_of_attempt(running.job)}/variants")
            finish_chunk(self.store, running, completed=3, failed=0)
        return [*parts], [*parts.values()], self.put(key_of_bundle(bundle_id, "variants-0123"))

    def end_bundle(self, bundle_id: str = "b1") -> None:
        seen = read_bundle(self.store, bundle_id)
        self.store.commit_bundle(seen, BundleChange(status=JobStatus.COMPLETED))


def grow_old(artifact: Artifact) -> None:
    """Let a file have been written years ago."""
    os.utime(urlsplit(artifact.uri).path, (0, 0))


@pytest.fixture
def house(keeping: Store, tmp_path: Path) -> House:
    return House(keeping, ParquetFiles(tmp_path / "artifacts"))


@pytest.fixture(params=["directory", "bucket"])
def any_house(request: pytest.FixtureRequest, house: House) -> House:
    """Beside a directory, and beside a part of a bucket."""
    if request.param == "bucket":
        house.artifacts = GcsArtifacts(f"gs://{request.getfixturevalue('bucket')}/artifacts")
    return house


def test_artifacts_go_with_the_record_a_week_after_the_result(any_house: House) -> None:
    house = any_house
    over, expired, kept = (house.completed(job_id) for job_id in ("over", "expired", "kept"))
    expire(house.store, "over", JUST_OVER)
    expire(house.store, "expired", timedelta(minutes=1))

    assert house.purge() >= 1

    assert [house.store.get(name) is None for name in ("over", "expired", "kept")] == [
        *(True, False, False)
    ]
    assert [house.has(artifact) for artifact in (over, expired, kept)] == [False, True, True]
    assert house.purge() == 0


def test_what_lost_and_failed_attempts_left_goes_too(any_house: House) -> None:
    house = any_house
    running, first = house.running()
    house.store.commit(running, transitions.release(running.job, running.job.hold()))
    again = claim_best(house.store)
    assert again is not None
    second = house.put(f"{folder_of_attempt(again.job)}/trades")
    house.store.commit(
        again,
        transitions.fail(
            again.job, again.job.hold(), code=ErrorCode.TIMEOUT, message="No.", duration_ms=1
        ),
    )
    assert again.job.attempt == 2
    assert house.purge() == 0
    assert house.has(first)
    expire(house.store, "j1", JUST_OVER)

    assert house.purge() == 1

    assert not house.has(first)
    assert not house.has(second)


def test_a_bundle_of_the_same_id_keeps_its_own(any_house: House) -> None:
    house = any_house
    of_job = house.completed("b1")
    _, parts, whole = house.bundle("b1")
    expire(house.store, "b1", JUST_OVER)

    assert house.purge() >= 1

    assert not house.has(of_job)
    assert all(map(house.has, [*parts, whole]))

    again = house.completed("b1")
    house.end_bundle()
    expire_bundle(house.store, "b1", JUST_OVER)
    assert house.purge() == 3
    assert house.store.get_bundle("b1") is None
    assert house.has(again)
    assert not any(map(house.has, [*parts, whole]))


def test_a_bundle_takes_its_chunk_jobs_and_all_their_artifacts_along(any_house: House) -> None:
    house = any_house
    ids, parts, whole = house.bundle()
    house.end_bundle()
    assert house.purge() == 0
    expire_bundle(house.store, "b1", JUST_OVER)

    assert house.purge() == 3

    assert house.store.get_bundle("b1") is None
    assert house.store.chunk_jobs("b1") == []
    assert [house.store.result(job_id) for job_id in ids] == [None, None]
    assert not any(map(house.has, [*parts, whole]))


@pytest.mark.parametrize("ended", [False, True])
def test_a_living_bundle_keeps_chunk_jobs_however_old(house: House, ended: bool) -> None:
    ids, parts, whole = house.bundle()
    if ended:
        house.end_bundle()
    for job_id in ids:
        seen = read(house.store, job_id)
        house.store.commit(seen, {"expire_at": seen.read_at - timedelta(days=300)})

    assert house.purge() == 0

    assert all(house.store.result(job_id) is not None for job_id in ids)
    assert all(map(house.has, [*parts, whole]))
    assert house.store.outlived_jobs(limit=10) == [], "they do not stand before others"


def test_chunk_jobs_whose_bundle_is_gone_go_by_their_own_date(house: House) -> None:
    ids, parts, _ = house.bundle()
    house.store.forget_bundle(read_bundle(house.store))
    expire(house.store, ids[0], JUST_OVER)

    assert house.purge() >= 1

    assert [house.store.get(job_id) is None for job_id in ids] == [True, False]
    assert [house.has(part) for part in parts] == [False, True]


@on_some_stores
def test_a_bundle_with_a_chunk_job_that_runs_waits_for_it(house: House) -> None:
    an_expanded_bundle(house.store, size=3)
    claim_chunk(house.store)
    house.end_bundle()
    expire_bundle(house.store, "b1", JUST_OVER)

    assert house.purge() == 0
    assert house.store.get_bundle("b1") is not None
    assert len(house.store.chunk_jobs("b1")) == 2


class Dying:
    """Artifacts at which the process dies after so many were deleted."""

    def __init__(self, artifacts: ArtifactStore, deletions: int) -> None:
        self._artifacts = artifacts
        self._left = deletions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._artifacts, name)

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        def is_meant_yet(path: str) -> bool:
            if self._left == 0:
                raise Crash
            self._left -= is_meant(path)
            return is_meant(path)

        count = self._artifacts.discard(owner, is_meant_yet, before)
        if self._left == 0:
            raise Crash
        return count


@on_some_stores
@pytest.mark.parametrize("deletions", [0, 1, 2, 3, 4])
def test_a_crash_half_way_loses_nothing_but_time(house: House, deletions: int) -> None:
    """Killed before, between and after the artifacts of a job, before its record is deleted."""
    artifacts = [house.completed("a"), house.put("a/1/equityCurve")]
    artifacts += [house.completed("b"), house.put("b/1/equityCurve")]
    kept = house.completed("c")
    for job_id in ("a", "b"):
        expire(house.store, job_id, JUST_OVER)
    dying = House(house.store, Dying(house.artifacts, deletions))

    with pytest.raises(Crash):
        dying.purge()

    left = [artifact for artifact in artifacts if house.has(artifact)]
    assert len(left) == len(artifacts) - deletions
    for artifact in left:
        assert house.store.get(artifact.uri.split("/")[-3]) is not None, "it would be orphaned"
    house.purge()
    assert [house.store.get(job_id) is None for job_id in "abc"] == [True, True, False]
    assert not any(map(house.has, artifacts))
    assert house.has(kept)


@on_some_stores
def test_a_crash_within_a_bundle_leaves_the_bundle_to_find_the_rest_by(house: House) -> None:
    ids, parts, whole = house.bundle()
    house.end_bundle()
    expire_bundle(house.store, "b1", JUST_OVER)

    with pytest.raises(Crash):
        House(house.store, Dying(house.artifacts, 2)).purge()

    assert house.store.get_bundle("b1") is not None
    assert house.has(whole)
    house.purge()
    assert house.store.get_bundle("b1") is None
    assert not any(map(house.has, [*parts, whole]))
    assert [house.store.get(job_id) for job_id in ids] == [None, None]


class Meanwhile:
    """Artifacts beside which something else happens before they are deleted."""

    def __init__(self, artifacts: ArtifactStore, happens: Callable[[], None]) -> None:
        self._artifacts = artifacts
        self._happens: list[Callable[[], None]] = [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._artifacts, name)

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        if self._happens:
            self._happens.pop()()
        return self._artifacts.discard(owner, is_meant, before)


def test_a_job_that_is_replayed_meanwhile_keeps_its_record_and_new_artifacts(house: House) -> None:
    running, old = house.running()
    house.store.commit(
        running,
        transitions.fail(
            running.job, running.job.hold(), code=ErrorCode.TIMEOUT, message="", duration_ms=1
        ),
    )
    expire(house.store, "j1", timedelta(days=8))
    grow_old(old)
    new: list[Artifact] = []

    def replay() -> None:
        failed = read(house.store, "j1")
        change = transitions.replay(failed.job, now=failed.read_at, ageing_seconds=3600)
        house.store.commit(failed, change)
        claimed = claim_best(house.store)
        assert claimed is not None
        new.append(house.put(f"{folder_of_attempt(claimed.job)}/trades"))

    assert House(house.store, Meanwhile(house.artifacts, replay)).purge() == 0

    job = read(house.store, "j1").job
    assert (job.status, job.attempt, job.expire_at) == (JobStatus.RUNNING, 2, None)
    assert not house.has(old)
    assert house.has(new[0])


def test_a_new_job_of_the_same_id_is_not_touched(house: House) -> None:
    """Another sweep was faster, and the id is in use again before this one goes on."""
    old = house.completed()
    expire(house.store, "j1", timedelta(days=8))
    grow_old(old)
    new: list[Artifact] = []

    def begin_anew() -> None:
        assert house.purge() >= 1
        assert not house.has(old)
        new.append(house.completed())

    house_of_a_slow_sweep = House(house.store, Meanwhile(house.artifacts, begin_anew))
    house_of_a_slow_sweep.purge()

    assert read(house.store, "j1").job.status is JobStatus.COMPLETED
    assert house.store.result("j1") is not None
    assert house.has(new[0])


@on_some_stores
def test_a_process_without_a_retention_removes_nothing(house: House) -> None:
    """Also not what another process has given a date: it may know another place of artifacts."""
    artifact = house.completed()
    expire(house.store, "j1", timedelta(days=300))
    step = Expired(house.store, house.artifacts, house.clock, keeps_all=True)

    assert step.run() == 0
    assert house.store.result("j1") is not None
    assert house.has(artifact)


class Away:
    """Artifacts out of reach."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def discard(self, owner: str, *_: object) -> int:
        self.asked.append(owner)
        raise BucketUnavailable("gs://bucket: no answer")


@on_some_stores
def test_while_the_bucket_is_away_records_stay_and_the_sweep_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for job_id in ("a", "b"):
        house.completed(job_id)
        expire(house.store, job_id, JUST_OVER)
    away = Away()

    with caplog.at_level(logging.WARNING):
        House(house.store, away).purge()  # type: ignore[arg-type]  # it has what is asked for

    assert away.asked == ["a"], "each try takes half a minute"
    assert all(house.store.get(job_id) is not None for job_id in ("a", "b"))
    assert [record.event for record in caplog.records if hasattr(record, "event")] == [
        "purge_delayed"
    ]


class SlowArtifacts:
    """Each look at them takes a while of the clock."""

    def __init__(self, artifacts: ArtifactStore, clock: TickingClock, seconds: float) -> None:
        self._artifacts = artifacts
        self._clock = clock
        self._seconds = seconds

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        self._clock.advance(self._seconds)
        return self._artifacts.discard(owner, is_meant, before)


@on_some_stores
def test_a_sweep_stops_in_time_and_the_next_goes_on(house: House) -> None:
    for job_id in "abcd":
        house.completed(job_id)
        expire(house.store, job_id, JUST_OVER)
    house.store.purge_results(limit=10)
    clock = TickingClock()
    slow = SlowArtifacts(house.artifacts, clock, SECONDS / 2)
    step = Expired(house.store, slow, clock, keeps_all=False)  # type: ignore[arg-type]  # as above

    assert [step.run() for _ in range(3)] == [2, 2, 0]


@on_some_stores
@pytest.mark.parametrize("days", [7, None])
def test_a_sweep_leaves_no_file_of_a_bundle_whose_time_is_over(
    keeping: Store, tmp_path: Path, days: int | None
) -> None:
    """From its expansion to its end, as an installation does it, with RETENTION_DAYS or without."""
    installation = open_house(keeping, tmp_path, chunk_size=2, retention_days=days)
    store_variants(installation.artifacts, "b1", [{"parameters.fast": 5}])
    installation.expand()
    assert installation.run() == 3
    assert installation.bundle().status is JobStatus.COMPLETED
    expire_bundle(keeping, "b1", JUST_OVER)
    files = set((tmp_path / "artifacts").rglob("*.parquet"))
    assert len(files) == 5, "of three chunks, of the whole, and the list of variants"

    swept = installation.swept()

    left = set((tmp_path / "artifacts").rglob("*"))
    if days is None:
        assert "purged" not in swept
        assert left > files
        assert keeping.get_bundle("b1") is not None
    else:
        assert swept["purged"] == 4
        assert left == set()
        assert keeping.get_bundle("b1") is None
