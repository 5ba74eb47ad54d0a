"""The sweep over every store: nothing is forgotten, and nothing is touched that is in order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.support.jobs import (
    a_job,
    a_lease,
    a_running_job,
    an_admitted_job,
    claim_best,
    finish,
    read,
)
from tests.support.maintenance import abandoned, maintenance
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, LeaseLost
from worker.jobs.job import JobChange
from worker.jobs.states import JobStatus
from worker.ports import JobStore, Pause
from worker.services.quotas import QuotaLimits


def recent(store: JobStore, job_id: str, **values: Any) -> None:
    """A claimable job that was admitted just now."""
    now = store.create(a_job(f"clock-of-{job_id}", status=JobStatus.COMPLETED)).read_at
    store.create(an_admitted_job(job_id, admitted_at=now, rank=now.timestamp(), **values))


class TestExpiredLeases:
    def test_the_first_loss_puts_the_job_back_and_rings(self, store: JobStore) -> None:
        store.create(abandoned("j1", progress=0.5))
        sweep = maintenance(store)

        assert sweep.run()["expired_leases"] == 1

        job = read(store, "j1").job
        assert (job.status, job.worker_losses, job.lease) == (JobStatus.QUEUED, 1, None)
        assert (job.attempt, job.progress) == (1, 0.0)
        assert "j1" in sweep.rang

    def test_the_second_loss_ends_it(self, store: JobStore) -> None:
        store.create(abandoned("j1", attempt=2, worker_losses=1))

        maintenance(store).run()

        job = read(store, "j1").job
        assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.WORKER_LOST)
        assert job.worker_losses == 2
        assert job.completed_at is not None

    def test_where_nothing_is_requeued_the_first_loss_ends_it(self, store: JobStore) -> None:
        store.create(abandoned("j1"))

        maintenance(store, reclaim="fail").run()

        assert read(store, "j1").job.error_code is ErrorCode.WORKER_LOST

    def test_a_cancelled_job_is_not_put_back(self, store: JobStore) -> None:
        store.create(abandoned("j1", cancel_requested=True))

        maintenance(store).run()

        assert read(store, "j1").job.error_code is ErrorCode.CANCELLED

    def test_a_worker_that_answers_keeps_its_job(self, store: JobStore) -> None:
        running = a_running_job(store)

        assert maintenance(store).run() == {}
        assert read(store, "j1").version == running.version

    def test_the_old_worker_can_write_nothing_more(self, store: JobStore) -> None:
        seen = store.create(abandoned("j1"))
        hold = seen.job.hold()
        maintenance(store).run()
        claim_best(store)

        with pytest.raises(LeaseLost):
            transitions.complete(read(store, "j1").job, hold, result_digest="d", duration_ms=1)
        assert read(store, "j1").job.attempt == 2


class TestOverdue:
    def test_a_job_beyond_its_time_ends_although_its_worker_beats(self, store: JobStore) -> None:
        now = store.create(a_job("clock", status=JobStatus.COMPLETED)).read_at
        store.create(abandoned("j1", lease=a_lease(), started_at=now - timedelta(seconds=900)))
        store.create(abandoned("j2", lease=a_lease(), started_at=now - timedelta(seconds=100)))

        assert maintenance(store).run() == {"overdue": 1}

        job = read(store, "j1").job
        assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.TIMEOUT)
        assert job.error_message == "The job ran longer than 540 seconds and was stopped."
        assert read(store, "j2").job.status is JobStatus.RUNNING

    def test_a_jobs_own_time_counts(self, store: JobStore) -> None:
        now = store.create(a_job("clock", status=JobStatus.COMPLETED)).read_at
        started = now - timedelta(seconds=100)
        store.create(abandoned("j1", lease=a_lease(), started_at=started, timeout_seconds=30))

        maintenance(store).run()

        message = read(store, "j1").job.error_message
        assert message == "The job ran longer than 30 seconds and was stopped."


class TestCancelled:
    def test_a_queued_job_ends(self, store: JobStore) -> None:
        recent(store, "asked", cancel_requested=True)
        recent(store, "not")

        assert maintenance(store).run() == {"cancelled": 1}

        job = read(store, "asked").job
        assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        assert read(store, "not").job.status is JobStatus.QUEUED


class TestUnadmitted:
    def test_a_job_that_was_refused_and_is_queued_by_hand_is_admitted(
        self, store: JobStore
    ) -> None:
        seen = store.create(a_job("j1"))
        refused = store.commit(
            seen, transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, "Mend it.")
        )
        store.commit(refused, JobChange(status=JobStatus.QUEUED))
        sweep = maintenance(store)

        sweep.run()

        assert read(store, "j1").job.is_admitted
        assert sweep.rang == ["j1"]

    def test_a_job_that_nobody_heard_of_is_admitted_and_rung_for(self, store: JobStore) -> None:
        store.create(a_job("j1"))
        sweep = maintenance(store)

        assert sweep.run() == {"unadmitted": 1}

        job = read(store, "j1").job
        assert job.is_admitted
        assert job.lane == "push"
        assert sweep.rang == ["j1"]

    def test_a_bad_one_fails(self, store: JobStore) -> None:
        store.create(a_job("j1", user_id=None))

        maintenance(store).run()

        assert read(store, "j1").job.error_code is ErrorCode.MISSING_USER

    def test_a_failed_job_that_somebody_set_to_queued_runs(self, store: JobStore) -> None:
        seen = store.create(an_admitted_job("j1", -1000))
        failed = store.commit(seen, transitions.reject(seen.job, ErrorCode.ENGINE_ERROR, "Broken."))
        store.commit(failed, JobChange(status=JobStatus.QUEUED))

        sweep = maintenance(store)
        sweep.run()

        assert sweep.rang == ["j1"]
        claimed = claim_best(store)
        assert claimed is not None
        assert (claimed.job.error_code, claimed.job.completed_at) == (None, None)

    def test_so_does_one_that_admission_had_refused(self, store: JobStore) -> None:
        seen = store.create(a_job("j1", user_id="ann"))
        refused = store.commit(
            seen, transitions.reject(seen.job, ErrorCode.QUOTA_EXCEEDED, "Too many.")
        )
        store.commit(refused, JobChange(status=JobStatus.QUEUED, rank=None))

        sweep = maintenance(store)
        sweep.run()

        assert read(store, "j1").job.is_admitted
        assert "j1" in sweep.rang


class TestRings:
    def test_as_many_as_wait_but_not_more_than_can_answer(self, store: JobStore) -> None:
        for number in range(5):
            store.create(an_admitted_job(f"j{number}", number - 9_000_000))

        few = maintenance(store, max_workers=3)
        assert few.run() == {"rings": 3}
        assert few.rang == ["j0"] * 3
        many = maintenance(store, max_workers=30)
        assert many.run() == {"rings": 5}
        assert {ring.engine_version for ring in many.doorbell.rings} == {"1.0.0"}

    def test_each_engine_version_is_rung_for(self, store: JobStore) -> None:
        store.create(an_admitted_job("new", -9_000_000, engine_version="2.0.0"))
        store.create(an_admitted_job("old", -9_000_000))

        sweep = maintenance(store, engine_versions="1.0.0,2.0.0")
        sweep.run()

        rung = {(ring.job_id, ring.engine_version) for ring in sweep.doorbell.rings}
        assert rung == {("new", "2.0.0"), ("old", "1.0.0")}

    def test_a_young_job_has_been_heard(self, store: JobStore) -> None:
        recent(store, "j1")

        assert maintenance(store).run() == {}

    def test_nothing_is_rung_for_other_systems(self, store: JobStore) -> None:
        store.create(an_admitted_job("theirs", -9_000_000, lane="legacy"))

        assert maintenance(store).run() == {}

    def test_nor_while_the_fleet_is_paused(self, store: JobStore) -> None:
        store.create(an_admitted_job("j1", -9_000_000))
        store.create(a_job("j2"))
        store.set_pause(Pause(is_on=True))

        sweep = maintenance(store)

        assert sweep.run() == {"unadmitted": 1}
        assert sweep.rang == []


class TestWaiting:
    def test_there_is_room_for_as_many_as_the_quota_allows(self, store: JobStore) -> None:
        sweep = maintenance(store, quotas=QuotaLimits(running=2))
        for number in range(4):
            sweep.services.admission.admit(store.create(a_job(f"j{number}")))
        assert store.active_of("ann") == 2
        assert sweep.run() == {}
        running = claim_best(store)
        assert running is not None
        finish(store, running)

        assert sweep.run() == {"waiting": 1}

        assert store.active_of("ann") == 2
        assert len(sweep.rang) == 1

    def test_everybody_is_let_in_where_the_limit_is_gone(self, store: JobStore) -> None:
        held = maintenance(store, quotas=QuotaLimits(running=1))
        for user in ("ann", "bob"):
            for number in range(3):
                job = a_job(f"{user}-{number}", user_id=user)
                held.services.admission.admit(store.create(job))

        assert maintenance(store).run() == {"waiting": 4}
        assert maintenance(store).run() == {}


class TestHarmlessness:
    def test_a_second_sweep_has_nothing_to_do(self, store: JobStore) -> None:
        store.create(abandoned("lost"))
        store.create(a_job("new"))
        recent(store, "cancelled", cancel_requested=True)

        first = maintenance(store).run()
        again = maintenance(store).run()

        assert {"expired_leases", "unadmitted", "cancelled"} <= set(first)
        assert set(again) <= {"rings"}

    def test_two_sweeps_at_once_do_everything_once(self, store: JobStore) -> None:
        for number in range(6):
            store.create(abandoned(f"lost{number}"))
            store.create(a_job(f"new{number}"))

        with ThreadPoolExecutor(2) as pool:
            one, two = pool.map(lambda _: maintenance(store).run(), range(2))

        assert one.get("expired_leases", 0) + two.get("expired_leases", 0) == 6
        for number in range(6):
            lost = read(store, f"lost{number}").job
            assert (lost.status, lost.worker_losses) == (JobStatus.QUEUED, 1)
            assert read(store, f"new{number}").job.is_admitted

    def test_jobs_that_are_in_order_are_not_written(self, store: JobStore) -> None:
        finish(store, a_running_job(store, "done"))
        a_running_job(store, "runs")
        recent(store, "queued")
        before = {name: read(store, name).version for name in ("done", "runs", "queued")}

        maintenance(store).run()

        assert {name: read(store, name).version for name in before} == before
