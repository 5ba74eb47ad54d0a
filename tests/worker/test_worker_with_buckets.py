"""A job from document to download, its candles and artifacts in a bucket; the store is local."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

from engine.candles import Candles
from engine.resampling import resample
from tests.support.control import OWN, RecordingDoorbell, laptop_settings
from tests.support.jobs import a_job, read
from tests.support.storage import names_in
from worker.bootstrap import build_candles, build_services, build_worker
from worker.entrypoints.control_app import create_control_app
from worker.entrypoints.worker_app import create_worker_app
from worker.jobs.states import JobStatus
from worker.settings import Settings

#: Hours of a market that never closes, enough days for a curve that no document holds.
HOURS = 24 * 2_500
FIRST = 1_420_070_400_000  # 2015-01-01
CONFIG: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "BTC/USDT",
    "timeframe": "1d",
    "startDate": "2015-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 5, "slow": 20},
}


@pytest.fixture
def settings(bucket: str, tmp_path: Path) -> Settings:
    return laptop_settings(
        store=f"sqlite:///{tmp_path}/jobs.db",
        candles=f"gs://{bucket}/candles",
        artifacts=f"gs://{bucket}/artifacts",
        candle_cache=str(tmp_path / "cache"),
    )


def hours() -> Candles:
    steps = np.random.default_rng(5).normal(0.0, 0.004, HOURS)
    times = FIRST + 3_600_000 * np.arange(HOURS)
    return Candles.from_closes("BTC/USDT", "1h", times, 100 * np.exp(steps.cumsum()))


def test_from_hours_in_a_bucket_to_a_daily_curve_over_http(settings: Settings, bucket: str) -> None:
    build_candles(settings).replace(hours())
    services = build_services(settings, doorbell=RecordingDoorbell())
    services.store.create(a_job("j1", user_id=settings.local_user, config_used=CONFIG))

    pushed = TestClient(create_worker_app(build_worker(services)), base_url=OWN).post(
        "/pubsub/push", json={"jobId": "j1"}
    )

    assert pushed.status_code == 204
    job = read(services.store, "j1").job
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, None)
    record = services.store.result("j1")
    assert record is not None
    assert record.backtest_result["dataFingerprint"] == resample(hours(), "1d").fingerprint()
    artifact = record.artifacts["equityCurve"]
    assert artifact.uri == f"gs://{bucket}/artifacts/j1/1/equityCurve.parquet"
    assert "artifacts/j1/1/equityCurve.parquet" in names_in(bucket)

    answer = TestClient(create_control_app(services), base_url=OWN).get(
        "/v1/backtests/j1/artifacts/equityCurve"
    )

    assert answer.status_code == 200
    table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
    assert table.num_rows == artifact.rows == 2_500
    services.close()
