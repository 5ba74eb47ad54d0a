"""The scheduler's route, the fleet's figures, and a sweep that meets trouble."""

import threading

import pytest

from tests.support.clocks import TickingClock
from tests.support.control import Control, FragileStore, make_control
from tests.support.jobs import a_job, an_admitted_job
from tests.support.maintenance import abandoned
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stack import eventually
from worker.adapters.memory import MemoryJobStore
from worker.jobs.errors import StoreUnavailable
from worker.jobs.states import JobStatus
from worker.ports import JobStore, Pause
from worker.services.sweep.contact import StoreContact
from worker.services.sweep.sweeping import BUDGET_SECONDS, LocalSweep, Sweep, Swept


@pytest.fixture
def control() -> Control:
    return make_control()


class TestRoute:
    def test_it_says_what_was_done(self, control: Control) -> None:
        control.store.create(abandoned("lost"))
        control.store.create(a_job("new"))
        answer = control.client.post("/tasks/sweep")
        assert answer.status_code == 200
        assert answer.json()["failed"] == []
        assert answer.json()["done"] | {"rings": 0} == {
            "expired_leases": 1,
            "overdue": 0,
            "unexpanded_bundles": 0,
            "running_bundles": 0,
            "cancelled": 0,
            "unadmitted": 1,
            "waiting": 0,
            "rings": 0,
            "purged": 0,
        }
        assert control.metric('backtest_control_swept_total{step="unadmitted"}') == 1

    def test_without_a_store_it_is_asked_again(self, control: Control) -> None:
        control.store.create(a_job("new"))
        control.store.fail("get", "ping")
        assert control.client.post("/tasks/sweep").status_code == 503

    def test_without_a_broker_only_the_rings_fail(self, control: Control) -> None:
        control.store.create(an_admitted_job("old", -1000))
        control.doorbell.is_down = True
        answer = control.client.post("/tasks/sweep")
        assert answer.status_code == 200
        assert answer.json()["failed"] == ["rings"]
        sample = 'backtest_control_failed_sweep_steps_total{step="rings"}'
        assert control.metric(sample) == 1

    def test_only_the_scheduler_may_call_it(self) -> None:
        control = make_control(
            oidc_audiences="https://control", oidc_callers="sweep=scheduler@project"
        )
        assert control.client.post("/tasks/sweep").status_code == 401


class TestFigures:
    def test_they_are_the_stores(self, control: Control) -> None:
        control.store.create(an_admitted_job("j1", priority=3))
        control.store.create(an_admitted_job("j2", -100))
        control.store.create(abandoned("lost"))
        control.store.set_pause(Pause(is_on=True))
        assert control.metric("backtest_fleet_up") == 1
        assert control.metric('backtest_fleet_queued_jobs{priority="3"}') == 1
        assert control.metric('backtest_fleet_queued_jobs{priority="0"}') == 1
        assert control.metric("backtest_fleet_running_jobs") == 1
        assert control.metric("backtest_fleet_expired_leases") == 1
        assert control.metric("backtest_fleet_oldest_queued_seconds") == pytest.approx(100, abs=1)
        assert control.metric("backtest_fleet_paused") == 1

    def test_ends_are_told_by_code(self, control: Control) -> None:
        seen = control.store.create(a_job("j1", user_id=None))
        control.client.post("/tasks/sweep")
        assert control.job(seen.job.job_id).status is JobStatus.FAILED
        sample = 'backtest_fleet_recently_ended_jobs{error_code="MISSING_USER",status="failed"}'
        assert control.metric(sample) == 1

    def test_an_empty_queue_is_not_a_missing_one(self, control: Control) -> None:
        assert 'backtest_fleet_queued_jobs{priority="0"} 0.0' in (
            control.client.get("/metrics").text
        )

    def test_no_label_names_a_job_or_a_user(self, control: Control) -> None:
        control.store.create(an_admitted_job("secret-job", user_id="secret-user"))
        assert "secret" not in control.client.get("/metrics").text

    def test_without_the_store_its_absence_is_told(
        self, control: Control, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise StoreUnavailable("no answer")

        monkeypatch.setattr(control.store, "fleet", away)
        answer = control.client.get("/metrics")
        assert answer.status_code == 200
        assert "backtest_fleet_up 0.0" in answer.text
        assert "backtest_fleet_running_jobs" not in answer.text


class Step:
    def __init__(self, name: str, clock: TickingClock, seconds: float = 0.0) -> None:
        self.name = name
        self.runs = threading.Event()
        self._clock = clock
        self._seconds = seconds

    def run(self) -> int:
        self.runs.set()
        self._clock.advance(self._seconds)
        return 1


class BrokenStep(Step):
    def run(self) -> int:
        super().run()
        raise LookupError("broken")


class DelayedStep(Step):
    def run(self) -> int:
        super().run()
        raise StoreUnavailable("a query took too long")


def sweep_of(clock: TickingClock, *steps: Step, store: JobStore | None = None) -> Sweep:
    return Sweep(steps, StoreContact(store or MemoryJobStore(clock), clock), clock)


class TestSweep:
    def test_a_step_whose_query_fails_leaves_the_others_alone_while_the_store_answers(self) -> None:
        clock = TickingClock()
        swept = sweep_of(clock, DelayedStep("first", clock), Step("second", clock)).run()
        assert (dict(swept.done), list(swept.failed)) == ({"second": 1}, ["first"])

    def test_an_outage_ends_the_sweep(self) -> None:
        clock = TickingClock()
        store, second = FragileStore(clock), Step("second", clock)
        store.fail("ping")
        with pytest.raises(StoreUnavailable):
            sweep_of(clock, DelayedStep("first", clock), second, store=store).run()
        assert not second.runs.is_set()

    def test_a_step_that_breaks_off_leaves_the_others_alone(self) -> None:
        clock = TickingClock()
        swept = sweep_of(clock, BrokenStep("first", clock), Step("second", clock)).run()
        assert (dict(swept.done), list(swept.failed)) == ({"second": 1}, ["first"])

    def test_a_long_sweep_leaves_the_rest_to_the_next(self) -> None:
        clock = TickingClock()
        late = Step("late", clock)
        swept = sweep_of(clock, Step("long", clock, BUDGET_SECONDS + 1), late).run()
        assert list(swept.failed) == ["late"]
        assert not late.runs.is_set()

    def test_a_thread_sweeps_until_it_is_told_to_end(self) -> None:
        clock = TickingClock()
        step, shutdown = BrokenStep("step", clock), threading.Event()
        local = LocalSweep(sweep_of(clock, step), shutdown, 0.01)
        local.start()
        assert step.runs.wait(PATIENCE_SECONDS)
        step.runs.clear()
        assert step.runs.wait(PATIENCE_SECONDS)
        shutdown.set()
        local.join(PATIENCE_SECONDS)
        step.runs.clear()
        assert not step.runs.wait(0.05)

    def test_each_sweep_of_a_thread_is_told(self) -> None:
        clock = TickingClock()
        told: list[Swept] = []
        heard, shutdown = threading.Event(), threading.Event()

        def hear(swept: Swept) -> None:
            told.append(swept)
            heard.set()

        steps = [BrokenStep("broken", clock), Step("step", clock)]
        local = LocalSweep(sweep_of(clock, *steps), shutdown, 0.01, hear)
        local.start()
        assert heard.wait(PATIENCE_SECONDS)
        shutdown.set()
        local.join(PATIENCE_SECONDS)
        assert (dict(told[0].done), list(told[0].failed)) == ({"step": 1}, ["broken"])

    def test_where_no_scheduler_calls_the_sweeps_are_counted_all_the_same(self) -> None:
        control = make_control(sweep_seconds=0.01, doorbell="local")
        control.store.create(abandoned("lost"))
        with control.client:
            sample = 'backtest_control_swept_total{step="expired_leases"}'
            eventually(lambda: control.metric(sample) > 0, "the sweep is counted")
            assert control.metric(sample) == 1
