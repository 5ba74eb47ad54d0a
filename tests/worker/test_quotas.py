"""Quotas: refused beyond the queued and the daily one, held back beyond the running one."""

from dataclasses import replace
from typing import Any

import pytest

import engine
from tests.support.admissions import POLICY, check
from tests.support.clocks import TickingClock
from tests.support.control import FragileStore, make_control
from tests.support.jobs import CONFIG, a_job, claim_best, finish, read
from tests.support.workers import make_worker
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Job, Snapshot
from worker.jobs.lanes import Rollout
from worker.jobs.rank import queue_rank
from worker.jobs.states import JobStatus
from worker.services.admission import Admission, CheckConfig
from worker.services.bundles.cost_model import estimate_backtest
from worker.services.quotas import QuotaLimits, Quotas, bars_of
from worker.services.replaying import Replaying
from worker.services.submission import NewJob, Submission
from worker.services.waiting import Waiting

DAYS = 365


def wheel_on(symbol: str) -> dict[str, Any]:
    """A wheel whose volatility is the closes of a symbol."""
    volatility = {"model": "series", "symbol": symbol}
    return CONFIG | {"strategyId": "wheel", "parameters": {"volatility": volatility}}


class Office:
    def __init__(self, check_config: CheckConfig = check, **limits: int) -> None:
        self.clock = TickingClock()
        self.store = FragileStore(self.clock)
        self.policy = replace(POLICY, quotas=QuotaLimits(**limits))
        self.admission = Admission(self.store, self.policy, check_config)
        self.waiting = Waiting(self.store, self.admission)

    def admit(self, job_id: str, **values: Any) -> Job:
        return self.admission.admit(self.store.create(a_job(job_id, **values))).job

    def claim(self) -> Snapshot:
        claimed = claim_best(self.store)
        assert claimed is not None
        return claimed


class TestQueued:
    def test_one_job_too_many_fails(self) -> None:
        office = Office(queued=2)
        assert [office.admit(f"j{n}").status for n in range(2)] == [JobStatus.QUEUED] * 2
        refused = office.admit("j2")
        assert (refused.status, refused.error_code) == (JobStatus.FAILED, ErrorCode.QUOTA_EXCEEDED)
        assert "2 queued jobs" in (refused.error_message or "")

    def test_each_user_has_a_quota_of_their_own(self) -> None:
        office = Office(queued=1)
        office.admit("j0")
        assert office.admit("j1", user_id="bob").status is JobStatus.QUEUED

    def test_a_crowd_of_new_jobs_does_not_count_itself(self) -> None:
        """Jobs that came with it but are not admitted yet may still be refused themselves."""
        office = Office(queued=2)
        for number in range(4):
            office.store.create(a_job(f"j{number}"))
        ends = [office.admission.admit_id(f"j{number}") for number in range(4)]
        assert [seen.job.error_code for seen in ends if seen] == [
            *(None, None),
            *(ErrorCode.QUOTA_EXCEEDED,) * 2,
        ]


class TestBars:
    def test_all_of_a_days_jobs_count_together(self) -> None:
        office = Office(engine.parse_config, bars_a_day=2 * DAYS)
        assert office.admit("j0").bars == DAYS
        assert office.admit("j1").status is JobStatus.QUEUED
        assert office.admit("j2").error_code is ErrorCode.QUOTA_EXCEEDED

    def test_after_a_day_they_are_forgotten(self) -> None:
        office = Office(engine.parse_config, bars_a_day=DAYS)
        office.admit("j0")
        office.clock.advance(24 * 3600 + 1)
        assert office.admit("j1").status is JobStatus.QUEUED

    @pytest.mark.parametrize(
        ("values", "bars"),
        [
            ({}, DAYS),
            ({"timeframe": "1h"}, DAYS * 24),
            ({"pricePath": [1.0, 2.0, 3.0]}, 3),
        ],
    )
    def test_bars_are_counted_as_if_markets_never_closed(
        self, values: dict[str, Any], bars: int
    ) -> None:
        assert bars_of(engine.parse_config(CONFIG | values)) == bars

    @pytest.mark.parametrize("symbol", ["VIX", CONFIG["symbol"]])
    def test_where_volatility_comes_from_makes_no_difference(self, symbol: str) -> None:
        assert bars_of(engine.parse_config(wheel_on(symbol))) == DAYS
        assert estimate_backtest(engine.parse_config(wheel_on(symbol))).bars == DAYS

    def test_a_sleeve_counts_though_another_ones_volatility_is_of_its_symbol(self) -> None:
        configs = [wheel_on("QQQ"), CONFIG | {"symbol": "QQQ"}]
        inherited = {"startDate", "endDate", "startingCapital"}
        sleeves = [
            {"weight": 0.5, "config": {key: config[key] for key in config.keys() - inherited}}
            for config in configs
        ]
        values = {"strategyId": "portfolio", "parameters": {"sleeves": sleeves}}
        assert bars_of(engine.parse_config(CONFIG | values)) == 2 * DAYS

    def test_a_wheel_on_its_own_volatility_meets_the_daily_quota(self) -> None:
        office = Office(engine.parse_config, bars_a_day=DAYS)
        config = wheel_on(CONFIG["symbol"])
        assert office.admit("j0", config_used=config).bars == DAYS
        assert office.admit("j1", config_used=config).error_code is ErrorCode.QUOTA_EXCEEDED

    def test_what_cannot_be_read_here_has_none(self) -> None:
        assert bars_of(None) == 0


class TestRunning:
    def test_who_has_enough_at_work_waits_outside_the_queue(self) -> None:
        office = Office(running=1)
        office.admit("j0")
        waiting = office.admit("j1")
        assert (waiting.status, waiting.rank, waiting.lane) == (JobStatus.QUEUED, None, None)
        assert waiting.admitted_at is not None
        assert office.claim().job.job_id == "j0"
        assert claim_best(office.store) is None

    def test_an_end_lets_one_in_at_its_old_place(self) -> None:
        office = Office(running=1)
        office.admit("j0")
        waiting = office.admit("j1")
        office.clock.advance(100)
        ended = finish(office.store, office.claim()).job
        (ranked,) = office.waiting.after(ended)
        assert waiting.admitted_at is not None
        assert ranked.job_id == "j1"
        assert ranked.rank == queue_rank(waiting.admitted_at, 0, 3600)
        assert ranked.lane == "push"

    def test_a_waiting_job_is_not_written_again_while_there_is_no_room(self) -> None:
        office = Office(running=1)
        office.admit("j0")
        office.admit("j1")
        before = read(office.store, "j1").version
        office.admission.admit_id("j1")
        assert read(office.store, "j1").version == before

    def test_a_waiting_job_can_be_cancelled(self) -> None:
        office = Office(running=1)
        office.admit("j0")
        seen = office.admission.admit(office.store.create(a_job("j1")))
        office.store.commit(seen, {"cancel_requested": True})
        assert office.admission.admit(read(office.store, "j1")).job.error_code is (
            ErrorCode.CANCELLED
        )

    def test_jobs_that_are_left_to_another_system_never_wait(self) -> None:
        office = Office(running=1)
        legacy = replace(office.policy, rollout=Rollout(lane="push", percent=0))
        office.admission = Admission(office.store, legacy, check)
        assert [office.admit(f"j{n}").lane for n in range(3)] == ["legacy"] * 3

    def test_a_replay_waits_too(self) -> None:
        office = Office(running=1)
        failed = office.admit("bad", config_used={"strategyId": "magic"})
        assert failed.status is JobStatus.FAILED
        office.admit("j0")
        office.policy = POLICY
        lenient = Admission(
            office.store, replace(POLICY, quotas=QuotaLimits(running=1)), lambda _: None
        )
        assert Replaying(office.store, lenient).replay("bad").job.is_waiting

    def test_an_ended_job_asks_nothing_where_nobody_waits(self) -> None:
        office = Office()
        ended = office.admit("bad", user_id=None)
        office.store.fail("get")
        assert office.waiting.after(ended) == []

    def test_without_the_store_the_sweep_lets_them_in(self) -> None:
        office = Office(running=1)
        office.admit("j0")
        office.admit("j1")
        ended = finish(office.store, office.claim()).job
        office.store.fail("get")
        assert office.waiting.after(ended) == []


class TestSubmission:
    def test_nothing_is_stored_beyond_a_quota(self) -> None:
        office = Office(queued=1)
        submission = Submission(office.store, office.admission, office.clock, check, lambda: "new")
        office.admit("j0")
        with pytest.raises(JobFailure) as refused:
            submission.submit(NewJob(user_id="ann"))
        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert office.store.get("new") is None

    def test_a_repeated_request_meets_its_job_all_the_same(self) -> None:
        office = Office(queued=1)
        submission = Submission(office.store, office.admission, office.clock, check)
        new = NewJob(user_id="ann", idempotency_key="k")
        first = submission.submit(new)
        again = submission.submit(new)
        assert (again.is_new, again.snapshot.job.job_id) == (False, first.snapshot.job.job_id)

    def test_the_api_says_429(self) -> None:
        control = make_control(max_queued_per_user=1)
        body = {"configUsed": {"strategyId": "smaCross"}}
        assert control.client.post("/v1/backtests", json=body).status_code == 201
        answer = control.client.post("/v1/backtests", json=body)
        assert answer.status_code == 429
        assert answer.json()["errorCode"] == "QUOTA_EXCEEDED"

    def test_cancelling_through_the_api_makes_room(self) -> None:
        control = make_control(max_running_per_user=1)
        body = {"configUsed": {"strategyId": "smaCross"}}
        first, second = (
            control.client.post("/v1/backtests", json=body).json()["jobId"] for _ in range(2)
        )
        assert control.job(second).is_waiting
        assert [ring.job_id for ring in control.doorbell.rings] == [first]
        control.client.post(f"/v1/backtests/{first}/cancel")
        assert control.job(second).is_admitted
        assert control.doorbell.rings[-1].job_id == second


def test_a_worker_goes_on_with_what_its_ends_let_in() -> None:
    parts = make_worker(max_running_per_user=1)
    for number in range(3):
        seen = parts.store.create(a_job(f"j{number}"))
        parts.worker.services.admission.admit(seen)
    assert parts.drain() == 3
    assert {parts.job(f"j{number}").status for number in range(3)} == {JobStatus.COMPLETED}


def test_room_is_unlimited_without_a_limit() -> None:
    office = Office()
    assert Quotas(office.store, QuotaLimits()).room_of("ann") is None
