"""What a worker counts: each thing once, under one prefix, in base units, of nobody in person."""

import re
from types import SimpleNamespace

import pytest

import engine
from tests.support.workers import make_worker, raising
from worker.jobs.errors import ErrorCode, JobFailure
from worker.telemetry import Telemetry

#: What an operator asks a worker for.
FAMILIES = {
    "backtest_claims_total",
    "backtest_claim_seconds_bucket",
    "backtest_jobs_ended_total",
    "backtest_job_seconds_bucket",
    "backtest_queue_wait_seconds_bucket",
    "backtest_leases_lost_total",
    "backtest_heartbeats_total",
    "backtest_heartbeat_gap_seconds_bucket",
    "backtest_pushes_total",
    "backtest_running_jobs",
    "backtest_swept_total",
    "backtest_failed_sweep_steps_total",
    "backtest_build_info",
}


def samples(telemetry: Telemetry) -> dict[str, float]:
    lines = telemetry.exposition().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_a_completed_job_is_claimed_once_and_ends_once() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.drain()
    found = samples(parts.worker.telemetry)
    assert found["backtest_claims_total"] == 1
    assert found["backtest_claim_seconds_count"] == 1
    assert found["backtest_claim_seconds_sum"] > 0
    assert found['backtest_jobs_ended_total{error_code="",status="completed"}'] == 1
    assert found["backtest_running_jobs"] == 0


def test_a_failure_is_counted_by_its_code() -> None:
    parts = make_worker()
    parts.engine.script = raising(JobFailure(ErrorCode.DATA_NOT_FOUND, "There are no candles."))
    parts.queue("j1")
    parts.drain()
    found = samples(parts.worker.telemetry)
    assert found['backtest_jobs_ended_total{error_code="DATA_NOT_FOUND",status="failed"}'] == 1


def test_the_gap_is_between_confirmed_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 40.0, 47.0])
    monkeypatch.setattr("worker.telemetry.time", SimpleNamespace(monotonic=moments.__next__))
    telemetry = Telemetry()
    telemetry.beat()
    telemetry.beat()
    found = samples(telemetry)
    assert found["backtest_heartbeats_total"] == 2
    assert found["backtest_heartbeat_gap_seconds_sum"] == 47.0
    assert found['backtest_heartbeat_gap_seconds_bucket{le="15.0"}'] == 1


def test_sweeps_of_this_process_are_counted_by_step() -> None:
    telemetry = Telemetry()
    telemetry.swept({"expired_leases": 2, "rings": 0})
    telemetry.swept({"expired_leases": 1}, failed=["rings"])
    found = samples(telemetry)
    assert found['backtest_swept_total{step="expired_leases"}'] == 3
    assert found['backtest_failed_sweep_steps_total{step="rings"}'] == 1


def test_the_build_says_what_runs() -> None:
    [(name, value)] = [
        (name, value) for name, value in samples(Telemetry()).items() if "build_info" in name
    ]
    assert value == 1
    assert f'engine_version="{engine.ENGINE_VERSION}"' in name


def test_nothing_is_missing_and_nobody_is_named() -> None:
    parts = make_worker()
    parts.queue("secret-job", user_id="secret-user")
    parts.drain()
    telemetry = parts.worker.telemetry
    telemetry.pushed("done")
    telemetry.beat()
    telemetry.swept({"rings": 1}, failed=["rings"])
    text = telemetry.exposition().decode()
    assert {re.split(r"[{ ]", line)[0] for line in text.splitlines()} >= FAMILIES
    assert "secret" not in text
    assert set(re.findall(r'[{,](\w+)="', text)) == {
        *("error_code", "status", "outcome", "step", "version", "engine_version", "le")
    }
