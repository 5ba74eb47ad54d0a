"""The worker with the real engine, SQLite, candle files and Parquet: nothing is scripted."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

import engine
from engine.candles import Candles
from tests.support.control import OWN, RecordingDoorbell, laptop_settings
from tests.support.jobs import a_job, read
from worker.adapters.candle_files import CandleFiles
from worker.bootstrap import Worker, build_services, build_worker
from worker.entrypoints.worker_app import create_worker_app
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.states import EnumStyle, JobStatus

DAY_MS = 86_400_000
FIRST_DAY_MS = 1_577_923_200_000  # 2020-01-02


def closes(count: int) -> list[float]:
    steps = np.random.default_rng(5).normal(0.0003, 0.012, count)
    return [float(price) for price in 100 * np.exp(steps.cumsum())]


WHEEL: dict[str, Any] = {
    "strategyId": "wheel",
    "symbol": "TEST",
    "startDate": "2020-01-02",
    "endDate": "2029-12-31",
    "startingCapital": 50_000,
    "pricePath": closes(3_000),
}
CROSS: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "STORED",
    "startDate": "2020-01-02",
    "endDate": "2021-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 5, "slow": 20},
}


class Site:
    def __init__(self, directory: Path) -> None:
        settings = laptop_settings(
            store=f"sqlite:///{directory}/jobs.db",
            candles=str(directory / "candles"),
            artifacts=str(directory / "artifacts"),
        )
        self.library = CandleFiles(directory / "candles")
        self.doorbell = RecordingDoorbell()
        self.services = build_services(settings, doorbell=self.doorbell)
        self.worker: Worker = build_worker(self.services)
        self.client = TestClient(
            create_worker_app(self.worker), base_url=OWN, raise_server_exceptions=False
        )

    def submit(self, config: dict[str, Any], job_id: str = "j1", **values: Any) -> None:
        self.services.store.create(a_job(job_id, config_used=config, **values))

    def push(self, job_id: str = "j1") -> Job:
        assert self.client.post("/pubsub/push", json={"jobId": job_id}).status_code == 204
        return read(self.services.store, job_id).job

    def import_candles(self) -> Candles:
        times = FIRST_DAY_MS + DAY_MS * np.arange(600)
        candles = Candles.from_closes("STORED", "1d", times, closes(600))
        self.library.replace(candles)
        return candles


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    built = Site(tmp_path)
    yield built
    built.services.close()


def test_a_wheel_from_document_to_result(site: Site) -> None:
    site.submit(WHEEL)
    job = site.push()
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, None)
    record = site.services.store.result("j1")
    assert record is not None
    direct = engine.run_backtest(engine.parse_config(WHEEL))
    assert record.result_digest == job.result_digest == direct.result_digest
    assert record.summary_digest == direct.summary_digest
    assert record.backtest_result["totalReturn"] == direct.to_document()["totalReturn"]
    assert record.backtest_result["truncated"]["equityCurve"] == 3_000
    assert record.backtest_result["truncated"]["pricePath"] == 3_000


def test_artifacts_hold_what_the_document_cut(site: Site) -> None:
    site.submit(WHEEL)
    site.push()
    record = site.services.store.result("j1")
    assert record is not None
    full = engine.run_backtest(engine.parse_config(WHEEL)).to_document()
    artifact = record.artifacts["equityCurve"]
    table = pyarrow.parquet.read_table(io.BytesIO(site.services.artifacts.read(artifact)))
    assert table.column("equity").to_pylist() == full["equityCurve"]
    assert table.column("time").to_pylist() == full["equityTimestamps"]


def test_stored_candles_are_used_and_known_by_their_fingerprint(site: Site) -> None:
    candles = site.import_candles()
    site.submit(CROSS)
    job = site.push()
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, None)
    record = site.services.store.result("j1")
    assert record is not None
    assert record.backtest_result["dataFingerprint"] == candles.fingerprint()
    assert record.backtest_result["configUsed"]["pricePath"] == []


def test_missing_candles_say_what_was_asked_for(site: Site) -> None:
    site.submit(CROSS)
    job = site.push()
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.DATA_NOT_FOUND)
    assert "STORED" in (job.error_message or "")
    assert "1d" in (job.error_message or "")


def test_a_job_that_lacked_its_candles_is_replayed_once_they_are_there(site: Site) -> None:
    site.submit(CROSS)
    site.push()
    site.import_candles()
    assert site.push().status is JobStatus.FAILED
    answer = site.client.post("/run", json={"jobId": "j1"})
    assert answer.json()["status"] == "completed"
    assert answer.json()["errorCode"] is None
    assert read(site.services.store, "j1").job.attempt == 2


def test_a_recomputation_matches_and_new_candles_are_noticed(site: Site) -> None:
    site.import_candles()
    site.submit(CROSS)
    site.push()
    forced = {"jobId": "j1", "force": True}
    assert site.client.post("/run", json=forced).json() == {
        "digestMatches": True,
        "dataMatches": True,
    }
    before = site.services.store.result("j1")
    times = FIRST_DAY_MS + DAY_MS * np.arange(600)
    site.library.replace(Candles.from_closes("STORED", "1d", times, closes(601)[1:]))
    assert site.client.post("/run", json=forced).json() == {
        "digestMatches": False,
        "dataMatches": False,
    }
    assert site.services.store.result("j1") == before


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"pricePath": [1.0, 0.0]}, "pricePath"),
        ({"pricePath": [1.0, -2.0]}, "pricePath"),
        ({"pricePath": [1.0, float("nan")]}, "pricePath"),
        ({"startDate": "2030-01-01", "pricePath": []}, "endDate"),
        ({"bogus": 1}, "bogus"),
        ({"strategyId": "magic"}, "strategyId"),
        ({"symbol": "../etc"}, "symbol"),
        ({f"key{number}": number for number in range(5_000)}, "keys"),
    ],
)
def test_a_bad_config_fails_the_job_and_names_the_field(
    site: Site, change: dict[str, Any], path: str
) -> None:
    site.submit(WHEEL | change)
    job = site.push()
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
    assert path in (job.error_message or "")
    assert job.attempt == 0
    assert site.services.store.result("j1") is None


def test_a_dart_clients_result_has_its_names(site: Site) -> None:
    site.submit(WHEEL, enum_style=EnumStyle.DART)
    site.push()
    record = site.services.store.result("j1")
    assert record is not None
    outcomes = {cycle["outcome"] for cycle in record.backtest_result["cycles"]}
    regimes = {segment["regime"] for segment in record.backtest_result["regimeSegments"]}
    assert all(outcome is None or outcome.startswith("CycleOutcome.") for outcome in outcomes)
    assert all(regime.startswith("MarketRegime.") for regime in regimes)


def test_run_backtest_gives_the_jobs_result_without_a_job(site: Site) -> None:
    site.submit(WHEEL)
    site.push()
    record = site.services.store.result("j1")
    assert record is not None
    answer = site.client.post("/run-backtest", json={"configUsed": WHEEL})
    assert answer.json() == {"backtestResult": dict(record.backtest_result)}


def test_every_kernel_family_is_warmed(site: Site) -> None:
    site.worker.warm_up.run()
    assert site.worker.warm_up.done.is_set()
