"""What a running bundle says of itself, and how it ends."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.support.bundle_house import House, open_house
from tests.support.bundles import read_bundle
from tests.support.clocks import TickingClock
from tests.support.control import CONFIG
from worker.adapters.memory import MemoryJobStore
from worker.jobs.bundle import BundleChange, BundleSnapshot
from worker.jobs.errors import (
    BucketUnavailable,
    Conflict,
    ErrorCode,
    IllegalTransition,
    OutcomeUnknown,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.job import Artifact, Job, JobChange
from worker.jobs.states import JobStatus
from worker.services.passing_over import DELAYED_AT_ONCE
from worker.services.replaying import Replaying


class Troubled(MemoryJobStore):
    """Commits of bundles meet these errors, in turn; ``written`` counts those that were made."""

    def __init__(self) -> None:
        super().__init__(TickingClock())
        self.troubles: list[Exception] = []
        self.written = 0

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Any = ()
    ) -> BundleSnapshot:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None and not isinstance(trouble, OutcomeUnknown):
            raise trouble
        after = super().commit_bundle(seen, change, jobs)
        self.written += 1
        if trouble is not None:
            raise trouble
        return after


@pytest.fixture
def store() -> Troubled:
    return Troubled()


@pytest.fixture
def house(store: Troubled, tmp_path: Path) -> House:
    return open_house(store, tmp_path, chunk_size=2)


def between(store: Troubled, act: Callable[[], object]) -> None:
    """Have this done right before the next commit of a bundle."""
    commit = store.commit_bundle

    def commit_after(*given: Any) -> BundleSnapshot:
        store.commit_bundle = commit  # type: ignore[method-assign]  # in its place
        act()
        return commit(*given)

    store.commit_bundle = commit_after  # type: ignore[method-assign]  # in its place


def ended(house: House, running: Any) -> Job:
    job = house.finish(running)
    house.services.bundle_progress.after(job)
    return job


class TestProgress:
    def test_it_grows_with_every_chunk(self, house: House) -> None:
        house.expand()
        seen = []
        for _ in range(3):
            ended(house, house.claim())
            bundle = house.bundle()
            seen.append((bundle.status, bundle.completed, round(bundle.progress, 3)))
        assert seen == [
            (JobStatus.RUNNING, 2, 0.333),
            (JobStatus.RUNNING, 4, 0.667),
            (JobStatus.COMPLETED, 6, 1.0),
        ]

    def test_a_live_look_counts_what_runs_and_writes_nothing(
        self, house: House, store: Troubled
    ) -> None:
        house.expand()
        running = house.claim()
        assert running is not None
        store.commit(running, JobChange(progress=0.5))
        written = store.written
        bundle = house.services.bundle_progress.live(house.bundle())
        assert bundle.progress == pytest.approx(1 / 6)
        assert house.bundle().progress == 0.0
        assert store.written == written

    def test_a_live_look_at_an_ended_bundle_is_the_bundle(self, house: House) -> None:
        house.expand()
        house.run()
        bundle = house.bundle()
        assert house.services.bundle_progress.live(bundle) is bundle

    def test_the_sweep_brings_it_up_to_date(self, house: House) -> None:
        house.expand()
        running = house.claim()
        assert running is not None
        house.finish(running)
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle().completed == 2
        assert house.swept() == {}

    def test_who_meets_another_writer_leaves_it_at_that(
        self, house: House, store: Troubled
    ) -> None:
        house.expand()
        store.troubles = [Conflict("b1")]
        ended(house, house.claim())
        assert house.bundle().completed == 0
        ended(house, house.claim())
        assert house.bundle().completed == 4

    def test_a_job_of_no_bundle_is_no_news(self, house: House, store: Troubled) -> None:
        house.expand()
        job = replace(house.chunks()[0], bundle_id=None, status=JobStatus.COMPLETED)
        assert house.services.bundle_progress.after(job) is None
        assert house.services.bundle_progress.after(house.chunks()[0]) is None
        assert store.written == 1

    @pytest.mark.parametrize("trouble", [StoreUnavailable("away"), ValueError("what?")])
    def test_trouble_after_a_jobs_end_is_left_to_the_sweep(
        self, house: House, store: Troubled, trouble: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        house.expand()
        store.troubles = [trouble]
        with caplog.at_level(logging.WARNING):
            ended(house, house.claim())
        assert "a bundle" in caplog.text
        assert house.swept() == {"running_bundles": 1}


class TestTheEnd:
    def test_a_bundle_ends_with_its_last_chunk(self, house: House) -> None:
        house.expand()
        assert house.run(lambda index: index != 3) == 3
        bundle = house.bundle()
        assert (bundle.status, bundle.completed, bundle.failed) == (JobStatus.COMPLETED, 5, 1)
        assert bundle.completed_at is not None
        assert (bundle.error_code, bundle.error_message) == (None, None)
        assert bundle.summary is not None
        assert bundle.summary["best"]["index"] == 0
        rows = house.rows()
        assert [row["index"] for row in rows] == list(range(6))
        assert [row["errorCode"] for row in rows] == [None] * 3 + ["INVALID_CONFIG"] + [None] * 2

    def test_a_bundle_of_which_nothing_came_has_failed_for_the_reason_of_most(
        self, house: House
    ) -> None:
        house.expand()
        lost = house.claim()
        assert lost is not None
        house.fail(lost, ErrorCode.WORKER_LOST)
        house.run(lambda _: False)
        bundle = house.bundle()
        assert (bundle.status, bundle.completed, bundle.failed) == (JobStatus.FAILED, 0, 6)
        assert bundle.error_code is ErrorCode.INVALID_CONFIG
        assert bundle.error_message == (
            "No variant succeeded. Most of them: parameters.slow: expected more than fast."
        )
        assert {row["errorCode"] for row in house.rows()} == {"WORKER_LOST", "INVALID_CONFIG"}

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (ErrorCode.WORKER_LOST, "The worker that ran this variant stopped answering."),
            (ErrorCode.TIMEOUT, "The job of this variant ran out of time and left no results."),
            (ErrorCode.ENGINE_ERROR, "It failed."),
        ],
    )
    def test_a_chunk_job_that_left_nothing_gives_its_code_to_its_variants(
        self, house: House, code: ErrorCode, message: str
    ) -> None:
        house.expand()
        lost = house.claim()
        assert lost is not None
        house.fail(lost, code)
        house.run()
        bundle = house.bundle()
        assert (bundle.status, bundle.completed, bundle.failed) == (JobStatus.COMPLETED, 4, 2)
        told = [(row["errorCode"], row["errorMessage"]) for row in house.rows()]
        assert told.count((code.value, message)) == 2
        assert told.count((None, None)) == 4

    def test_a_chunk_job_that_is_gone_is_no_obstacle(self, house: House, store: Troubled) -> None:
        house.expand()
        house.work()
        del store._records[house.chunks()[1].job_id]
        assert house.swept() == {"running_bundles": 1}
        assert (house.bundle().completed, house.bundle().failed) == (4, 2)
        assert [row["errorCode"] for row in house.rows()][2:4] == ["ENGINE_ERROR"] * 2

    def test_rows_that_nobody_can_read_end_the_bundle(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        house.expand()
        running = house.claim()
        assert running is not None
        job = house.finish(running)
        for path in house.artifacts._directory.rglob(f"{job.job_id}/**/*.parquet"):
            path.write_bytes(b"no rows")
        house.run()
        bundle = house.bundle()
        assert (bundle.status, bundle.error_code) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)
        assert bundle.error_message == "The results of the variants could not be put together."
        assert "bundle_unreadable" in {getattr(record, "event", "") for record in caplog.records}

    def test_it_is_not_ended_while_a_chunk_job_runs(self, house: House) -> None:
        house.expand()
        running = [house.claim() for _ in range(3)]
        house.finish(running[0])  # type: ignore[arg-type]  # each was claimed
        house.finish(running[1])  # type: ignore[arg-type]  # each was claimed
        house.swept()
        assert house.bundle().status is JobStatus.RUNNING
        house.finish(running[2])  # type: ignore[arg-type]  # each was claimed
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle().status is JobStatus.COMPLETED

    def test_two_finalisers_write_one_end(self, house: House, store: Troubled) -> None:
        house.expand()
        house.work()
        before = store.written
        first = house.services.bundle_progress.update("b1")
        second = house.services.bundle_progress.update("b1")
        assert first is not None
        assert second is not None
        assert store.written == before + 1
        assert first.version == second.version == read_bundle(store).version

    def files(self, house: House) -> set[str]:
        """What lies there for bundles, by name."""
        return {path.name for path in house.artifacts._directory.glob("b1/*.parquet")}

    def test_who_comes_second_with_the_same_takes_nothing_away(
        self, house: House, store: Troubled
    ) -> None:
        house.expand()
        house.work()
        between(store, lambda: house.services.bundle_progress.update("b1"))
        after = house.services.bundle_progress.update("b1")
        assert after is not None
        assert after.bundle.status is JobStatus.COMPLETED
        assert len(self.files(house)) == 1
        assert len(house.rows()) == 6

    def test_who_comes_second_with_something_else_takes_it_back(
        self, house: House, store: Troubled
    ) -> None:
        """A chunk was replayed while it read the others."""
        house.expand()
        lost = house.claim()
        assert lost is not None
        failed = house.fail(lost, ErrorCode.WORKER_LOST)
        house.work()

        def replay_and_end() -> None:
            Replaying(house.store, house.services.admission).replay(failed.job_id)
            house.run()
            assert house.bundle().completed == 6

        between(store, replay_and_end)
        after = house.services.bundle_progress.update("b1")

        assert after is not None
        assert (after.bundle.status, after.bundle.completed) == (JobStatus.COMPLETED, 6)
        assert len(self.files(house)) == 1
        assert [row["errorCode"] for row in house.rows()] == [None] * 6

    def test_what_cannot_be_taken_back_is_left(
        self,
        house: House,
        store: Troubled,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        house.expand()
        house.work()
        between(
            store,
            lambda: store.commit_bundle(
                read_bundle(store), BundleChange(status=JobStatus.FAILED, progress=1.0)
            ),
        )
        away = Mock(side_effect=StoreUnavailable("no answer"))
        monkeypatch.setattr(house.artifacts, "remove", away)
        after = house.services.bundle_progress.update("b1")
        assert after is not None
        assert after.bundle.status is JobStatus.FAILED
        assert away.call_count == 1
        assert "artifact_left" in {getattr(record, "event", "") for record in caplog.records}

    def test_another_writer_in_between_does_not_stop_it(
        self, house: House, store: Troubled
    ) -> None:
        house.expand()
        house.work()
        store.troubles = [Conflict("b1"), Conflict("b1")]
        after = house.services.bundle_progress.update("b1")
        assert after is not None
        assert after.bundle.status is JobStatus.COMPLETED

    def test_an_end_that_was_written_unheard_is_found(self, house: House, store: Troubled) -> None:
        house.expand()
        house.work()
        before = store.written
        store.troubles = [OutcomeUnknown("no answer")]
        after = house.services.bundle_progress.update("b1")
        assert after is not None
        assert after.bundle.status is JobStatus.COMPLETED
        assert store.written == before + 1

    def test_a_document_without_room_for_the_whole_summary_gets_a_shorter_one(
        self, house: House, store: Troubled
    ) -> None:
        house.expand("b1")
        house.expand("b2")
        for bundle_id, refusals in (("b1", 1), ("b2", 2)):
            house.work()
            store.troubles = [RecordRefused("too long")] * refusals
            house.services.bundle_progress.update(bundle_id)
        shorter = house.bundle("b1")
        assert shorter.summary is not None
        assert shorter.summary["best"]["overrides"] == {}
        assert shorter.summary["best"]["metrics"]["sharpe"] == 0.7
        assert shorter.completed == 6
        shortest = house.bundle("b2")
        assert (shortest.status, shortest.summary) == (JobStatus.COMPLETED, {})
        assert len(house.rows("b2")) == 6

    def test_one_that_is_always_written_by_others_is_left_to_the_sweep(
        self, house: House, store: Troubled
    ) -> None:
        house.expand()
        house.work()
        store.troubles = [Conflict("b1")] * 10
        with pytest.raises(StoreUnavailable, match="faster"):
            house.services.bundle_progress.update("b1")
        assert house.swept() == {"running_bundles": 1}


class TestTroubleWithOne:
    def away_for(self, house: House, prefix: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Rows of bundles of such ids cannot be read; which of them were asked for."""
        asked: list[str] = []
        read = house.artifacts.read

        def read_some(artifact: Artifact) -> bytes:
            name = artifact.uri.removeprefix(f"{house.artifacts._directory.as_uri()}/")
            if name.startswith(prefix):
                asked.append(name.partition("-")[0])
                raise BucketUnavailable("no answer")
            return read(artifact)

        monkeypatch.setattr(house.artifacts, "read", read_some)
        return asked

    def test_a_bundle_whose_rows_are_out_of_reach_is_passed_over(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        for bundle_id in ("a1", "b1"):
            house.expand(bundle_id)
            house.work()
        self.away_for(house, "a", monkeypatch)
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle("a1").status is JobStatus.RUNNING
        assert house.bundle("b1").status is JobStatus.COMPLETED
        assert "bundle_delayed" in {getattr(record, "event", "") for record in caplog.records}
        monkeypatch.undo()
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle("a1").status is JobStatus.COMPLETED

    def test_after_some_of_them_the_next_sweep_goes_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each may take half a minute of waiting."""
        bundles = [f"a{number}" for number in range(DELAYED_AT_ONCE + 1)]
        for bundle_id in (*bundles, "b1"):
            house.expand(bundle_id)
            house.work()
        asked = self.away_for(house, "a", monkeypatch)
        house.sweep.run()
        assert sorted(set(asked)) == bundles[:DELAYED_AT_ONCE]
        assert house.bundle("b1").status is JobStatus.RUNNING
        assert house.swept() == {"running_bundles": 1}
        assert house.bundle("b1").status is JobStatus.COMPLETED

    def test_a_store_that_is_away_ends_the_sweep_at_once(
        self, house: House, store: Troubled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for bundle_id in ("a1", "a2"):
            house.expand(bundle_id)
            house.work()
        monkeypatch.setattr(store, "ping", Mock(side_effect=StoreUnavailable("no answer")))
        asked = self.away_for(house, "a", monkeypatch)
        with pytest.raises(StoreUnavailable):
            house.sweep.run()
        assert set(asked) == {"a1"}


class TestReplays:
    def test_a_failed_chunk_job_may_be_replayed_while_its_bundle_runs(self, house: House) -> None:
        house.expand()
        lost = house.claim()
        assert lost is not None
        failed = house.fail(lost, ErrorCode.WORKER_LOST)
        house.services.bundle_progress.after(failed)
        assert house.bundle().failed == 2

        Replaying(house.store, house.services.admission).replay(failed.job_id)

        house.services.bundle_progress.update("b1")
        assert house.bundle().failed == 0
        assert house.run() == 3
        assert (house.bundle().completed, house.bundle().failed) == (6, 0)

    def test_after_its_end_nothing_of_it_runs_again(self, house: House) -> None:
        house.expand()
        lost = house.claim()
        assert lost is not None
        failed = house.fail(lost, ErrorCode.WORKER_LOST)
        house.run()
        with pytest.raises(IllegalTransition, match="bundle b1 has ended"):
            Replaying(house.store, house.services.admission).replay(failed.job_id)
        assert house.bundle().failed == 2

    def test_a_reclaimed_chunk_job_starts_anew(self, house: House, store: Troubled) -> None:
        house.expand()
        dead = house.claim(seconds=-1)
        assert dead is not None
        assert house.swept()["expired_leases"] == 1
        assert house.run() == 3
        assert house.bundle().completed == 6
        assert store.get(dead.job.job_id).job.worker_losses == 1  # type: ignore[union-attr]  # it is there

    def test_lost_twice_its_variants_are_lost(self, house: House) -> None:
        house.expand()
        for _ in range(2):
            dead = house.claim(seconds=-1)
            assert dead is not None
            house.swept()
        assert house.run() == 2
        bundle = house.bundle()
        assert (bundle.status, bundle.completed, bundle.failed) == (JobStatus.COMPLETED, 4, 2)
        assert [row["errorCode"] for row in house.rows()[:2]] == ["WORKER_LOST"] * 2


def test_retention_covers_bundles_and_spares_their_chunk_jobs(tmp_path: Path) -> None:
    store = MemoryJobStore(TickingClock(), timedelta(days=2))
    house = open_house(store, tmp_path, chunk_size=3)
    house.expand(base_config=CONFIG)
    house.run()
    bundle = house.bundle()
    assert bundle.expire_at is not None
    assert bundle.completed_at is not None
    assert bundle.expire_at - bundle.completed_at < timedelta(days=2)
    for job in house.chunks():
        assert job.expire_at is not None
        assert job.expire_at - bundle.completed_at > timedelta(days=29)
