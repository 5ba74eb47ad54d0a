"""From a queued bundle to chunk jobs in the queue, whoever hears of it and how often."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.support.bundle_house import House, open_house, statuses
from tests.support.bundles import read_bundle
from tests.support.clocks import TickingClock
from tests.support.control import CONFIG
from tests.support.jobs import ADMITTED_AT, an_admitted_job
from worker.adapters.memory import MemoryJobStore
from worker.jobs import bundle_transitions
from worker.jobs.bundle import Bundle, BundleChange
from worker.jobs.chunks import Chunk, chunk_of
from worker.jobs.errors import (
    Conflict,
    DoorbellUnavailable,
    ErrorCode,
    OutcomeUnknown,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.rank import queue_rank
from worker.jobs.states import JobStatus
from worker.services.arrivals import Arrival
from worker.services.bundles.admission import Examined
from worker.services.bundles.bars import BundleBars
from worker.services.bundles.expansion import Expansion
from worker.services.quotas import QuotaLimits
from worker.services.sweep.bundles import EXPANDED_AT_ONCE


def raise_at(
    prefix: str, error: BaseException, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make bundles of such ids trouble to admission."""
    admission = house.services.bundle_admission
    examine = admission.examine

    def examined(bundle: Bundle) -> Examined:
        if bundle.bundle_id.startswith(prefix):
            raise error
        return examine(bundle)

    monkeypatch.setattr(admission, "examine", examined)


class Killed(BaseException):
    """The end of a process in the middle of its work."""


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def store(clock: TickingClock) -> MemoryJobStore:
    return MemoryJobStore(clock)


@pytest.fixture
def house(store: MemoryJobStore, tmp_path: Path) -> House:
    return open_house(store, tmp_path, chunk_size=4, max_workers=3)


class TestChunkJobs:
    def test_the_bundle_runs_and_its_chunk_jobs_are_claimable(self, house: House) -> None:
        bundle = house.expand(priority=-3)
        assert (bundle.status, bundle.lane, bundle.total) == (JobStatus.RUNNING, "push", 6)
        assert (bundle.chunk_size, bundle.chunks) == (4, 2)
        assert bundle.started_at is not None
        chunks = house.chunks()
        assert [chunk_of(job) for job in chunks] == [
            Chunk(start=0, count=4),
            Chunk(start=4, count=2),
        ]
        for job in chunks:
            assert job.admitted_at is not None
            assert job.rank == queue_rank(job.admitted_at, -3, 3600)
            assert (job.lane, job.priority, job.engine_version) == ("push", -3, "1.0.0")
            assert (job.user_id, job.bundle_id, dict(job.config_used)) == ("ann", "b1", {})

    def test_their_bars_are_those_of_their_variants(self, house: House) -> None:
        bundle = house.create().bundle
        variants = house.services.bundle_admission.examine(bundle).variants
        house.services.bundle_arrivals.announce("b1")
        counted = BundleBars(CONFIG, variants)
        assert [job.bars for job in house.chunks()] == [
            counted.of(Chunk(start=0, count=4)),
            counted.of(Chunk(start=4, count=2)),
        ]
        assert counted.total == sum(job.bars or 0 for job in house.chunks()) > 0

    def test_a_priority_above_a_clients_is_clamped(self, house: House) -> None:
        assert house.expand(priority=9).priority == 0
        assert {job.priority for job in house.chunks()} == {0}

    def test_an_old_bundle_keeps_the_place_it_was_seen_at(self, house: House) -> None:
        house.expand(admitted_at=ADMITTED_AT)
        assert {job.admitted_at for job in house.chunks()} == {ADMITTED_AT}

    def test_over_the_running_quota_they_wait(self, store: MemoryJobStore, tmp_path: Path) -> None:
        house = open_house(store, tmp_path, quotas=QuotaLimits(running=3), chunk_size=1)
        store.create(an_admitted_job("own"))
        house.expand()
        waiting = [job.is_waiting for job in house.chunks()]
        assert waiting == [False, False, True, True, True, True]
        assert all(job.lane is None for job in house.chunks()[2:])
        assert store.active_of("ann") == 3

    def test_those_that_wait_enter_with_their_first_rank(
        self, store: MemoryJobStore, tmp_path: Path
    ) -> None:
        """Nobody looks into a chunk job for a config."""
        house = open_house(store, tmp_path, quotas=QuotaLimits(running=1), chunk_size=2)
        house.expand(priority=-2)
        first = house.claim()
        assert first is not None
        ended = house.finish(first)
        (ranked,) = house.services.waiting.after(ended)
        assert ranked.bundle_id == "b1"
        assert (ranked.rank, ranked.lane, ranked.priority) == (first.job.rank, "push", -2)
        assert ranked.bars == first.job.bars
        assert house.run() == 2
        assert house.bundle().status is JobStatus.COMPLETED


class TestRepetitions:
    def test_the_same_event_again_changes_nothing_but_rings(self, house: House) -> None:
        house.create()
        arrivals = house.services.bundle_arrivals
        assert [arrivals.announce("b1") for _ in range(2)] == [Arrival.RUNG] * 2
        assert len(house.chunks()) == 2
        assert len(house.doorbell.rings) == 4

    def test_an_unknown_bundle_is_nobodys(self, house: House) -> None:
        assert house.services.bundle_arrivals.announce("nobody") is Arrival.UNKNOWN
        assert house.services.bundle_arrivals.announce("a/b") is Arrival.UNKNOWN

    def test_one_that_has_ended_is_not_rung_for(self, house: House) -> None:
        house.expand()
        house.run()
        assert house.services.bundle_arrivals.announce("b1") is Arrival.UNDER_WAY
        house.expand("b2", rank_by="x")
        assert house.services.bundle_arrivals.announce("b2") is Arrival.REFUSED
        assert len(house.doorbell.rings) == 2


class TestRings:
    def test_one_for_each_worker_that_could_help(
        self, store: MemoryJobStore, tmp_path: Path
    ) -> None:
        house = open_house(store, tmp_path, chunk_size=1, max_workers=3)
        house.expand()
        assert [ring.job_id for ring in house.doorbell.rings] == [
            job.job_id for job in house.chunks()[:3]
        ]
        assert {ring.engine_version for ring in house.doorbell.rings} == {"1.0.0"}

    def test_they_carry_the_trace(self, house: House) -> None:
        house.create()
        house.services.bundle_arrivals.announce("b1", "00-trace")
        assert {ring.traceparent for ring in house.doorbell.rings} == {"00-trace"}
        assert {job.traceparent for job in house.chunks()} == {"00-trace"}

    def test_a_bell_that_is_down_leaves_the_bundle_expanded(self, house: House) -> None:
        house.create()
        house.doorbell.is_down = True
        with pytest.raises(DoorbellUnavailable):
            house.services.bundle_arrivals.announce("b1")
        assert house.bundle().status is JobStatus.RUNNING
        house.doorbell.is_down = False
        assert house.services.bundle_arrivals.announce("b1") is Arrival.RUNG


class TestOtherSystems:
    def test_a_bundle_of_another_lane_is_left_alone(
        self, store: MemoryJobStore, tmp_path: Path
    ) -> None:
        house = open_house(store, tmp_path, lane="legacy")
        bundle = house.expand()
        assert (bundle.status, bundle.lane) == (JobStatus.QUEUED, "legacy")
        assert bundle.admitted_at is not None
        assert house.chunks() == []
        assert house.doorbell.rings == []
        before = read_bundle(store).version
        assert house.services.bundle_arrivals.announce("b1") is Arrival.UNDER_WAY
        assert house.swept() == {}
        assert read_bundle(store).version == before

    def test_a_version_of_another_deployment_is_expanded_for_it(self, house: House) -> None:
        """Whether the config is sound only that version can tell."""
        base = {**CONFIG, "parameters": {"speed": "high"}}
        bundle = house.expand(engine_version="2.0.0", base_config=base)
        assert bundle.status is JobStatus.RUNNING
        assert {job.engine_version for job in house.chunks()} == {"2.0.0"}


class Interrupted(MemoryJobStore):
    """The first commit of a bundle meets ``trouble``, or every one if it ``lasts``."""

    trouble: Exception | None = None
    lasts = False
    writes_all_the_same = False

    def commit_bundle(self, seen: Any, change: Any, jobs: Any = ()) -> Any:
        trouble, self.trouble = self.trouble, self.trouble if self.lasts else None
        if trouble is None or self.writes_all_the_same:
            written = super().commit_bundle(seen, change, jobs)
        if trouble is not None:
            raise trouble
        return written


class TestTrouble:
    def test_a_cancellation_in_between_is_heard(self, tmp_path: Path) -> None:
        store = MemoryJobStore(TickingClock())
        house = open_house(store, tmp_path)
        seen = house.create()
        store.commit_bundle(seen, BundleChange(cancel_requested=True))
        expansion = Expansion(store, house.services.bundle_admission)

        after = expansion.expand(seen)

        assert after.bundle.error_code is ErrorCode.CANCELLED
        assert house.chunks() == []

    def test_an_answer_that_never_came_is_asked_for_again(self, tmp_path: Path) -> None:
        store = Interrupted(TickingClock())
        store.trouble, store.writes_all_the_same = OutcomeUnknown("no answer"), True
        house = open_house(store, tmp_path, chunk_size=3)
        house.create()
        with pytest.raises(OutcomeUnknown):
            house.services.bundle_arrivals.announce("b1")
        assert house.services.bundle_arrivals.announce("b1") is Arrival.RUNG
        assert len(house.chunks()) == 2

    def test_a_store_that_is_away_leaves_the_bundle_to_the_sweep(self, tmp_path: Path) -> None:
        store = Interrupted(TickingClock())
        store.trouble = StoreUnavailable("no answer")
        house = open_house(store, tmp_path)
        house.create()
        with pytest.raises(StoreUnavailable):
            house.services.bundle_arrivals.announce("b1")
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle().status is JobStatus.RUNNING
        assert house.swept() == {}

    def test_a_document_without_room_for_an_expansion_is_refused(self, tmp_path: Path) -> None:
        store = Interrupted(TickingClock())
        store.trouble = RecordRefused("too long")
        house = open_house(store, tmp_path)
        bundle = house.expand()
        assert bundle.error_code is ErrorCode.INVALID_CONFIG
        assert bundle.error_message == "The bundle's document is too long."
        assert house.chunks() == []

    def test_nor_does_the_sweep_find_room_there_to_count_its_try(self, tmp_path: Path) -> None:
        store = Interrupted(TickingClock())
        house = open_house(store, tmp_path)
        house.create()
        store.trouble = RecordRefused("too long")
        assert house.swept() == {"unexpanded_bundles": 1}
        assert (house.bundle().status, house.bundle().expansion_tries) == (JobStatus.RUNNING, 0)

    def test_somebody_who_writes_all_the_time_does_not_stop_the_sweep(self, tmp_path: Path) -> None:
        store = Interrupted(TickingClock())
        store.trouble, store.lasts = Conflict("b1"), True
        house = open_house(store, tmp_path)
        house.create()
        assert house.swept() == {}
        assert house.bundle().status is JobStatus.QUEUED


class TestTheSweep:
    def test_it_expands_what_nobody_heard_of_and_rings(self, house: House) -> None:
        house.create("b1")
        house.create("b2", rank_by="x")
        assert house.swept() == {"unexpanded_bundles": 2}
        assert house.bundle("b1").status is JobStatus.RUNNING
        assert house.bundle("b2").error_code is ErrorCode.INVALID_CONFIG
        assert len(house.doorbell.rings) == 2

    def test_bundles_that_always_fail_do_not_keep_the_others_waiting(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(2 * EXPANDED_AT_ONCE):
            house.create(f"a{number:03}")
        house.create("b1")
        raise_at("a", ValueError("bug"), house, monkeypatch)
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle("b1").status is JobStatus.RUNNING

    def test_the_next_sweep_goes_on_behind_a_bundle_that_cannot_be_reached(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.create("a1")
        house.create("b1")
        raise_at("a", StoreUnavailable("no answer"), house, monkeypatch)
        monkeypatch.setattr(house.store, "ping", Mock(side_effect=StoreUnavailable("no answer")))
        with pytest.raises(StoreUnavailable):
            house.swept()
        assert house.bundle("b1").expansion_tries == 0
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle("b1").status is JobStatus.RUNNING

    def test_a_bundle_whose_variants_are_out_of_reach_is_passed_over(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for bundle_id in ("a1", "a2", "b1"):
            house.create(bundle_id)
        raise_at("a", StoreUnavailable("no bucket"), house, monkeypatch)
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle("b1").status is JobStatus.RUNNING
        waiting = [house.bundle(name) for name in ("a1", "a2")]
        assert [bundle.expansion_tries for bundle in waiting] == [0, 0]
        assert None not in [bundle.next_expansion_at for bundle in waiting]

    def test_an_outage_is_waited_for_and_no_reason_to_give_a_bundle_up(
        self, house: House, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.create()
        unreachable = Mock(side_effect=StoreUnavailable("no bucket"))
        with monkeypatch.context() as patch:
            patch.setattr(house.services.bundle_admission, "examine", unreachable)
            for _ in range(3 * bundle_transitions.MOST_EXPANSION_TRIES):
                assert house.swept() == {}
                assert house.swept() == {}
                clock.advance(bundle_transitions.LONGEST_DELAY.total_seconds())
        assert unreachable.call_count == 3 * bundle_transitions.MOST_EXPANSION_TRIES
        assert house.bundle().status is JobStatus.QUEUED
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle().status is JobStatus.RUNNING

    @pytest.mark.parametrize("error", [ValueError("bug"), StoreUnavailable("no answer"), Killed()])
    def test_neither_does_the_sweep_of_another_process_come_to_it_first(
        self,
        house: House,
        store: MemoryJobStore,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
    ) -> None:
        """However the process before it came to its end."""
        house.create("a1")
        house.create("b1")
        raise_at("a", error, house, monkeypatch)
        with suppress(Killed):
            house.sweep.run()
        successor = open_house(store, tmp_path)
        raise_at("a", error, successor, monkeypatch)
        successor.swept()
        assert successor.bundle("b1").status is JobStatus.RUNNING
        counted = 0 if isinstance(error, StoreUnavailable) else 1
        assert successor.bundle("a1").expansion_tries == counted

    def test_a_bundle_that_nobody_can_expand_is_tried_less_and_less_often_and_given_up(
        self, house: House, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.create()
        raise_at("b", ValueError("bug"), house, monkeypatch)
        tried_after: list[int] = []
        minutes = 0
        while house.bundle().status is JobStatus.QUEUED:
            before = house.bundle().expansion_tries
            house.sweep.run()
            if house.bundle().expansion_tries > before:
                tried_after.append(minutes)
            clock.advance(60)
            minutes += 1
        assert tried_after == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
        bundle = house.bundle()
        assert (bundle.status, bundle.error_code) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)
        assert (bundle.error_message or "").startswith("The bundle could not be expanded in 10 tr")
        assert minutes == 304
        assert house.swept() == {}

    def test_what_was_in_its_way_may_go(
        self, house: House, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.create()
        with monkeypatch.context() as patch:
            raise_at("b", ValueError("bug"), house, patch)
            assert house.swept() == {}
        assert house.swept() == {}
        clock.advance(60)
        assert house.swept() == {"unexpanded_bundles": 1}
        assert (house.bundle().status, house.bundle().expansion_tries) == (JobStatus.RUNNING, 2)

    def test_a_bundle_that_others_have_in_hand_is_left_to_them(
        self, house: House, store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.create()
        found = store.unexpanded_bundles

        def found_before(**asked: Any) -> Sequence[str]:
            ids = found(**asked)
            house.services.bundle_arrivals.announce("b1")
            return ids

        monkeypatch.setattr(store, "unexpanded_bundles", found_before)
        assert house.swept() == {}
        assert (house.bundle().status, house.bundle().expansion_tries) == (JobStatus.RUNNING, 0)

    def test_a_bell_that_is_down_is_rung_later(self, house: House) -> None:
        house.create()
        house.doorbell.is_down = True
        assert house.swept() == {"unexpanded_bundles": 1}
        assert house.bundle().status is JobStatus.RUNNING

    def test_the_fleet_on_hold_expands_but_does_not_ring(self, house: House) -> None:
        store = house.store
        store.set_pause(replace(store.pause(), is_on=True))
        house.create()
        house.swept()
        assert statuses(house.chunks()) == [JobStatus.QUEUED] * 2
        assert house.doorbell.rings == []


def test_a_long_retention_of_jobs_is_no_matter_of_expansion(tmp_path: Path) -> None:
    house = open_house(MemoryJobStore(TickingClock(), timedelta(days=1)), tmp_path)
    assert house.expand().expire_at is None
