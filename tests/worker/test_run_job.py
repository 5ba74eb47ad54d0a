"""Claim to end: every way in which a run can go ends in exactly one write, or in none."""

import threading
from datetime import datetime
from typing import Any

import pytest

import engine
from tests.support.jobs import a_result, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stack import eventually
from tests.support.workers import (
    ScriptedResult,
    WorkerParts,
    a_document,
    make_worker,
    raising,
)
from worker.jobs import transitions
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    JobFailure,
    OutcomeUnknown,
    RecordRefused,
    StoreUnavailable,
)
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.jobs.states import EnumStyle, JobStatus
from worker.services.cancelling import cancel
from worker.services.run_job import RunLimits

LIMITS = RunLimits(heartbeat=0.02, lease=90, timeout=540, grace=1e9)


def ended(parts: WorkerParts) -> tuple[JobStatus, ErrorCode | None]:
    job = parts.job()
    return job.status, job.error_code


def test_a_completed_job_has_its_result() -> None:
    parts = make_worker()
    parts.queue(priority=2)
    parts.drain()
    job = parts.job()
    record = parts.store.result("j1")
    assert record is not None
    assert job.status is JobStatus.COMPLETED
    assert (job.progress, job.lease, job.attempt) == (1.0, None, 1)
    assert job.result_digest == record.result_digest == "sha256:result"
    assert record.summary_digest == "sha256:summary"
    assert record.user_id == "ann"
    assert record.engine_version == "1.0.0"
    assert record.backtest_result == a_document()
    assert job.completed_at is not None
    assert job.started_at is not None
    assert job.duration_ms is not None
    assert job.duration_ms > 0


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            engine.ConfigError([engine.ConfigProblem("parameters.dte", "days", "'x'")]),
            ErrorCode.INVALID_CONFIG,
            "parameters.dte",
        ),
        (engine.DataError("bar 7: high is below low", 7), ErrorCode.DATA_INVALID, "bar 7"),
        (engine.DataNotFoundError("no bar of SPY"), ErrorCode.DATA_NOT_FOUND, "no bar of SPY"),
        (
            JobFailure(ErrorCode.DATA_NOT_FOUND, "There are no candles of XYZ."),
            ErrorCode.DATA_NOT_FOUND,
            "XYZ",
        ),
        (MemoryError(), ErrorCode.ENGINE_ERROR, "memory"),
        (RuntimeError("/srv/app.py line 3 token=abc"), ErrorCode.ENGINE_ERROR, "on our side"),
        (SystemExit(3), ErrorCode.ENGINE_ERROR, "on our side"),
    ],
)
def test_every_exception_ends_the_job_with_a_code_and_a_sentence(
    error: BaseException, code: ErrorCode, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = make_worker()
    parts.queue()
    parts.engine.script = raising(error)
    parts.drain()
    job = parts.job()
    assert (job.status, job.error_code) == (JobStatus.FAILED, code)
    assert told in (job.error_message or "")
    assert "/srv" not in (job.error_message or "")
    assert parts.store.result("j1") is None
    assert ("/srv/app.py" in caplog.text) is isinstance(error, RuntimeError)
    assert parts.metric(f'backtest_jobs_ended_total{{error_code="{code}",status="failed"}}') == 1


def test_missing_candles_end_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_worker()
    parts.queue()
    request = engine.SeriesRequest(symbol="SPY", timeframe="1d", start=None, end=None)
    calls = parts.engine.calls
    monkeypatch.setattr(
        parts.worker.backtesting,
        "_calls",
        type(calls)(
            parse_config=calls.parse_config,
            required_series=lambda _: (request,),
            run_backtest=calls.run_backtest,
        ),
    )
    parts.drain()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.DATA_NOT_FOUND)
    assert parts.engine.runs == 0


def test_a_cancellation_in_mid_run_ends_the_job() -> None:
    parts = make_worker(limits=LIMITS)
    parts.queue()

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        cancel(parts.store, "j1")
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    parts.drain()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.CANCELLED)
    assert parts.store.result("j1") is None


def test_a_cancellation_that_comes_too_late_changes_nothing() -> None:
    parts = make_worker()
    parts.queue()

    def script(*_: object) -> ScriptedResult:
        cancel(parts.store, "j1")
        return ScriptedResult()

    parts.engine.script = script
    parts.drain()
    assert ended(parts) == (JobStatus.COMPLETED, None)
    assert parts.store.result("j1") is not None


def test_a_job_gets_its_own_time_if_that_is_shorter() -> None:
    parts = make_worker()
    parts.queue(timeout_seconds=7)

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        assert not should_stop()
        parts.clock.advance(7)
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    parts.drain()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.TIMEOUT)
    assert "7 seconds" in (parts.job().error_message or "")


def test_no_job_gets_more_than_the_installations_time() -> None:
    limits = RunLimits(heartbeat=30, lease=90, timeout=540)
    parts = make_worker()
    assert limits.timing(parts.queue(timeout_seconds=9_999)).timeout == 540
    assert limits.timing(parts.queue("j2")).timeout == 540


def test_a_stalled_engine_ends_the_job_and_is_given_up() -> None:
    parts = make_worker(limits=RunLimits(heartbeat=30, lease=900, timeout=5400, stall=1, grace=1))
    parts.queue()

    def script(*arguments: object) -> ScriptedResult:
        parts.clock.advance(60)
        return parts.engine.until_released(*arguments)

    parts.engine.script = script
    moving = threading.Event()

    def move() -> None:
        while not moving.wait(0.05):
            parts.clock.advance(2)

    mover = threading.Thread(target=move)
    mover.start()
    parts.drain()
    moving.set()
    mover.join(PATIENCE_SECONDS)
    parts.engine.release.set()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)
    assert "no progress" in (parts.job().error_message or "")
    assert parts.abandoned.is_set()


def test_an_engine_that_stops_in_time_is_not_given_up() -> None:
    parts = make_worker()
    parts.queue()
    parts.drain()
    assert not parts.abandoned.is_set()


def test_a_lease_lost_in_mid_run_writes_nothing() -> None:
    parts = make_worker(limits=LIMITS)
    parts.queue()
    taken: list[Snapshot] = []

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.clock.advance(91)
        seen = read(parts.store, "j1")
        requeued = parts.store.commit(
            seen, transitions.expire(seen.job, read_at=seen.read_at, requeue_once=True)
        )
        taken.append(requeued)
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    parts.worker.services.store.get("j1")
    claimed_at = parts.clock.monotonic()
    claimed = parts.worker.drain._claiming.best()
    assert claimed is not None
    with pytest.raises(transitions.LeaseLost):
        parts.worker.drain._runner.run(claimed, claimed_at)
    assert parts.job() == taken[0].job
    assert parts.store.result("j1") is None
    assert parts.metric("backtest_leases_lost_total") == 1
    assert parts.metric("backtest_running_jobs") == 0


def test_a_result_that_comes_after_the_lease_was_lost_is_not_written() -> None:
    parts = make_worker()
    parts.queue()

    def script(*_: object) -> ScriptedResult:
        seen = read(parts.store, "j1")
        parts.store.commit(seen, JobChange(attempt=2))
        return ScriptedResult()

    parts.engine.script = script
    parts.drain()
    assert parts.job().status is JobStatus.RUNNING
    assert parts.job().attempt == 2
    assert parts.store.result("j1") is None


class UnheardStore:
    """Makes the next commits that bring a result fail, before or after they happened."""

    def __init__(self, parts: WorkerParts, *, happened: bool, error: Exception, times: int = 1):
        self.parts = parts
        self.real = parts.store.commit
        self.happened = happened
        self.error = error
        self.times = times
        parts.store.commit = self.commit  # type: ignore[method-assign]  # in its place

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        if result is None or self.times == 0:
            return self.real(seen, change, result, by=by)
        self.times -= 1
        if self.happened:
            self.real(seen, change, result)
        raise self.error


def patient(parts: WorkerParts) -> None:
    parts.worker.drain._runner._settling._pause = parts.clock.advance


@pytest.mark.parametrize("happened", [True, False])
def test_an_unknown_outcome_of_the_last_commit_is_looked_up(happened: bool) -> None:
    parts = make_worker()
    patient(parts)
    parts.queue()
    UnheardStore(parts, happened=happened, error=OutcomeUnknown("deadline"))
    parts.drain()
    assert ended(parts) == (JobStatus.COMPLETED, None)
    assert parts.store.result("j1") is not None
    assert parts.metric('backtest_jobs_ended_total{error_code="",status="completed"}') == 1


def test_a_short_outage_at_the_end_is_survived() -> None:
    parts = make_worker()
    patient(parts)
    parts.queue()
    UnheardStore(parts, happened=False, error=StoreUnavailable("away"), times=3)
    parts.drain()
    assert ended(parts) == (JobStatus.COMPLETED, None)


def test_a_long_outage_at_the_end_leaves_the_job_to_its_lease() -> None:
    parts = make_worker()
    patient(parts)
    parts.queue()
    UnheardStore(parts, happened=False, error=StoreUnavailable("away"), times=99)
    with pytest.raises(StoreUnavailable):
        parts.drain()
    assert parts.job().status is JobStatus.RUNNING


@pytest.mark.parametrize("error", [RecordRefused("too large"), TypeError("bytes"), Conflict("j1")])
def test_a_result_that_the_store_will_not_take_fails_the_job(error: Exception) -> None:
    parts = make_worker()
    patient(parts)
    parts.queue()
    UnheardStore(parts, happened=False, error=error, times=99)
    parts.drain()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)


def test_a_shutdown_during_an_outage_gives_up_in_time() -> None:
    parts = make_worker()
    patient(parts)
    parts.queue()

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.store.fail("commit")
        parts.worker.shutdown.set()
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    before = parts.clock.monotonic()
    with pytest.raises(StoreUnavailable):
        parts.drain()
    assert parts.clock.monotonic() - before < 10


def test_what_does_not_fit_the_document_becomes_artifacts() -> None:
    parts = make_worker()
    parts.queue()
    curve = [float(point) for point in range(5_000)]
    times = [f"t{point}" for point in range(5_000)]
    parts.engine.script = lambda *_: ScriptedResult(
        a_document(equityCurve=curve, equityTimestamps=times)
    )
    parts.drain()
    record = parts.store.result("j1")
    assert record is not None
    assert parts.artifacts.tables["j1/1/equityCurve"] == {"time": times, "equity": curve}
    assert record.artifacts["equityCurve"].rows == 5_000
    assert set(record.artifacts) == {"equityCurve"}
    assert record.backtest_result["truncated"]["equityCurve"] == 5_000


def test_artifacts_that_cannot_be_written_fail_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_worker()
    parts.queue()
    monkeypatch.setattr(parts.artifacts, "put", raising(OSError("disk full at /srv")))
    parts.engine.script = lambda *_: ScriptedResult(
        a_document(equityCurve=[1.0] * 3_000, equityTimestamps=["t"] * 3_000)
    )
    parts.drain()
    assert ended(parts) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)
    assert "/srv" not in (parts.job().error_message or "")


def test_a_dart_client_gets_its_own_spelling() -> None:
    parts = make_worker()
    parts.queue(enum_style=EnumStyle.DART)
    segment = {"regime": "uptrend", "startIndex": 0}
    parts.engine.script = lambda *_: ScriptedResult(a_document(regimeSegments=[segment]))
    parts.drain()
    record = parts.store.result("j1")
    assert record is not None
    assert record.backtest_result["regimeSegments"][0]["regime"] == "MarketRegime.uptrend"


def test_a_completed_job_that_a_person_queued_by_hand_runs_to_a_new_result() -> None:
    parts = make_worker()
    parts.queue()
    parts.store._results["j1"] = a_result("j1", result_digest="sha256:old")
    parts.drain()
    assert ended(parts) == (JobStatus.COMPLETED, None)
    result = parts.store.result("j1")
    assert result is not None
    assert result.result_digest == parts.job().result_digest != "sha256:old"


def test_progress_reaches_the_document_in_mid_run() -> None:
    parts = make_worker(limits=LIMITS)
    parts.queue()
    seen: list[float] = []

    def script(on_progress: Any, _: Any) -> ScriptedResult:
        on_progress(0.5)
        parts.clock.advance(2)
        eventually(lambda: parts.job().progress > 0, "a beat told the progress")
        seen.append(parts.job().progress)
        return ScriptedResult()

    parts.engine.script = script
    parts.drain()
    assert seen == [0.5]
    assert parts.metric("backtest_heartbeats_total") >= 1
