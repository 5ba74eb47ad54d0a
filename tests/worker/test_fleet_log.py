"""The line from which alerts are made where nobody scrapes."""

import logging
import threading
from typing import Any

import pytest

from tests.support.control import Control, make_control
from tests.support.jobs import a_job, an_admitted_job
from tests.support.maintenance import abandoned
from tests.support.stack import eventually
from worker.entrypoints.fleet_log import FleetLog, log_fleet
from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.jobs.errors import OUR_FAULT, ErrorCode, StoreUnavailable
from worker.jobs.states import JobStatus
from worker.ports import Fleet, Pause


@pytest.fixture
def control() -> Control:
    return make_control()


def fleet(**values: Any) -> Fleet:
    empty: dict[str, Any] = {
        "queued": {},
        "waiting": 0,
        "running": 0,
        "expired_leases": 0,
        "oldest_seconds": 0.0,
        "ended": {},
    }
    return Fleet(**(empty | values))


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    lines = [vars(line) for line in caplog.records if vars(line).get("event") == "fleet"]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(autouse=True)
def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_every_sweep_tells_the_fleets_figures(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    control.store.create(an_admitted_job("old", -300))
    control.store.create(abandoned("lost"))

    assert control.client.post("/tasks/sweep").status_code == 200

    line = fields(caplog)
    # The one whose worker is gone is back in the queue.
    assert (line["queued_jobs"], line["running_jobs"], line["expired_leases"]) == (2, 0, 0)
    assert line["queued_seconds"] >= 300
    assert line["levelname"] == "INFO"


def test_ends_of_the_last_minutes_are_counted(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    control.store.create(a_job("nobodys", user_id=None))

    control.client.post("/tasks/sweep")

    line = fields(caplog)
    assert (line["recently_ended"], line["recently_completed"]) == (1, 0)
    assert line["recent_failure_share"] == 0


def test_only_what_is_our_fault_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    ended: dict[tuple[JobStatus, ErrorCode | None], int] = {
        (JobStatus.FAILED, code): 2 for code in ErrorCode
    }
    ended[JobStatus.COMPLETED, None] = 8

    log_fleet(fleet(ended=ended), is_paused=False)

    line = fields(caplog)
    assert line["recently_completed"] == 8
    assert line["recently_ended"] == 2 * len(ErrorCode) + 8
    assert line["recent_failure_share"] == pytest.approx(
        2 * len(OUR_FAULT) / (2 * len(ErrorCode) + 8), abs=1e-4
    )


def test_users_mistakes_and_wishes_are_not_our_fault() -> None:
    assert not OUR_FAULT & {
        *(ErrorCode.INVALID_CONFIG, ErrorCode.MISSING_USER, ErrorCode.QUOTA_EXCEEDED),
        *(ErrorCode.CANCELLED, ErrorCode.DATA_NOT_FOUND, ErrorCode.UNSUPPORTED_ENGINE_VERSION),
    }


def test_nothing_ended_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    log_fleet(fleet(), is_paused=False)

    line = fields(caplog)
    assert line["recent_failure_share"] == 0
    assert (line["queued_jobs"], line["queued_seconds"]) == (0, 0)


def test_jobs_that_the_kill_switch_holds_are_not_told_as_queued(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    control.store.create(an_admitted_job("old", -300))
    control.store.set_pause(Pause(is_on=True))

    control.client.post("/tasks/sweep")

    line = fields(caplog)
    assert line["held_jobs"] == 1
    assert line["held_seconds"] >= 300
    assert "queued_jobs" not in line
    assert "queued_seconds" not in line


def test_without_the_figures_the_sweep_still_answers(
    control: Control, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(control.store, "fleet", away)

    assert control.client.post("/tasks/sweep").status_code == 200
    assert not [line for line in caplog.records if vars(line).get("event") == "fleet"]


def counted(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return sum(vars(line).get("event") == event for line in caplog.records)


@pytest.mark.parametrize(("style", "lines"), [("json", True), ("text", False)])
def test_a_control_service_that_sweeps_by_itself_logs_them_where_a_program_reads_the_log(
    style: str, lines: bool, caplog: pytest.LogCaptureFixture
) -> None:
    control = make_control(doorbell="local", sweep_seconds=0.01, log_format=style)

    with control.client:
        swept = 'backtest_control_swept_total{step="rings"}'
        eventually(lambda: f"{swept} " in control.client.get("/metrics").text, "a sweep")
        if lines:
            eventually(lambda: counted(caplog, "fleet") > 0, "a line")

    assert bool(counted(caplog, "fleet")) == lines


class TestOfAGroupOfProcesses:
    def test_a_line_comes_with_each_interval_until_the_end(
        self, control: Control, caplog: pytest.LogCaptureFixture
    ) -> None:
        log = FleetLog(FleetMetrics(control.store, control.clock), 0.01)

        log.start()
        eventually(lambda: counted(caplog, "fleet") > 2, "three lines")
        log.stop(5)

        assert "fleet-log" not in {thread.name for thread in threading.enumerate()}

    def test_trouble_is_told_and_does_not_end_it(
        self, control: Control, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("not a store's error")

        log = FleetLog(FleetMetrics(control.store, control.clock), 0.01)
        with monkeypatch.context() as patch:
            patch.setattr(control.store, "fleet", broken)
            log.start()
            eventually(lambda: counted(caplog, "fleet_log_failed") > 0, "the error")
        eventually(lambda: counted(caplog, "fleet") > 0, "a line")
        log.stop(5)

        [first, *_] = [line for line in caplog.records if vars(line).get("event")]
        assert (first.levelname, vars(first)["event"]) == ("ERROR", "fleet_log_failed")

    def test_it_may_be_stopped_before_it_began(self, control: Control) -> None:
        FleetLog(FleetMetrics(control.store, control.clock), 60).stop(0)
