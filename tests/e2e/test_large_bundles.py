"""Ten thousand variants from submission to summary: on a laptop's store, and with pollers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.digest import SUMMARY_METRICS
from engine.sweeps.overrides import overridden
from tests.support.control import laptop_settings
from tests.support.markets import config, walk
from tests.support.patience import PATIENCE_SECONDS
from tests.support.pollers import Poller
from worker.adapters.candle_files import CandleFiles
from worker.bootstrap import Services, build_services, build_sql_store, build_worker
from worker.jobs.bundle import Bundle
from worker.jobs.states import JobStatus
from worker.services.bundles.admission import BundleAdmission
from worker.services.bundles.artifact_cache import ArtifactCache
from worker.services.bundles.ended_rows import EndedRows
from worker.services.bundles.paging import Only, Order, VariantPages
from worker.services.bundles.submission import AskedBundle, BundleSubmission

CANDLES = walk(150, 9)
GRID = {
    "parameters.fast": {"start": 2, "stop": 101, "step": 1},
    "parameters.slow": {"start": 3, "stop": 102, "step": 1},
}
#: A fast average has to be faster than the slow one.
SOUND = 100 * 101 // 2
CHUNKS = 4


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a quick machine one chunk would do."""
    monkeypatch.setattr(BundleAdmission, "chunk_size_of", lambda *_: 10_000 // CHUNKS)


def services_on(store: str, folder: Path) -> Services:
    CandleFiles(folder / "candles").replace(CANDLES)
    return build_services(
        laptop_settings(
            store=store, candles=str(folder / "candles"), artifacts=str(folder / "artifacts")
        )
    )


def submit(services: Services) -> Bundle:
    submission = BundleSubmission(
        services.store, services.bundle_admission, services.artifacts, services.clock
    )
    asked = AskedBundle(user_id="ann", base_config=config(), parameter_grid=GRID)
    bundle = submission.submit(asked).snapshot.bundle
    services.bundle_arrivals.announce(bundle.bundle_id)
    return read(services, bundle.bundle_id)


def read(services: Services, bundle_id: str) -> Bundle:
    seen = services.store.get_bundle(bundle_id)
    assert seen is not None
    return seen.bundle


def assert_right(services: Services, bundle: Bundle) -> None:
    """Everything is there once, in order, and equal to single runs where they are tried."""
    assert (bundle.status, bundle.error_message) == (JobStatus.COMPLETED, None)
    assert (bundle.total, bundle.completed, bundle.failed) == (10_000, SOUND, 10_000 - SOUND)
    assert (bundle.chunks, bundle.progress) == (CHUNKS, 1.0)
    jobs = services.store.chunk_jobs(bundle.bundle_id)
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * CHUNKS
    pages = VariantPages(EndedRows(services.store), ArtifactCache(services.artifacts))
    everything = pages.page(bundle, Order(), limit=20_000).rows
    assert [row["index"] for row in everything] == list(range(10_000))
    ranked = pages.page(bundle, Order(sort="sharpe", descending=True, only=Only.COMPLETED), limit=9)
    sound = [row for row in everything if row["errorCode"] is None]
    assert len(sound) == SOUND
    for row in (*ranked.rows, *sound[::800]):
        assert_equals_single_run(row)
    assert bundle.summary is not None
    assert bundle.summary["best"]["index"] == ranked.rows[0]["index"]
    assert bundle.summary["keptResults"][:9] == [row["index"] for row in ranked.rows]


def assert_equals_single_run(row: Any) -> None:
    fast, slow = divmod(row["index"], 100)
    overrides = {"parameters.fast": fast + 2, "parameters.slow": slow + 3}
    single = engine.run_backtest(overridden(config(), overrides), CANDLES)
    metrics = single.metrics.model_dump(by_alias=True)
    assert {name: row[name] for name in SUMMARY_METRICS} == {
        name: metrics[name] for name in SUMMARY_METRICS
    }
    assert row["summaryDigest"] == single.summary_digest


def test_ten_thousand_variants_on_one_machine(tmp_path: Path) -> None:
    """SQLite, and a worker that hears the doorbell of its own process."""
    with closing(services_on(f"sqlite:///{tmp_path}/jobs.db", tmp_path)) as services:
        worker = build_worker(services)
        bundle = submit(services)
        assert bundle.status is JobStatus.RUNNING
        worker.drain.drain(services.clock.monotonic())
        assert_right(services, read(services, bundle.bundle_id))
        assert services.store.jobs_of("ann", limit=5).jobs == []


@pytest.fixture
def pollers(postgres_url: str, tmp_path: Path) -> Iterator[list[Poller]]:
    """Two of them, with a process each, on one database."""
    settings = laptop_settings(store=postgres_url)
    store = build_sql_store(settings, any_schema=True)
    store.create_schema()
    store.close()
    CandleFiles(tmp_path / "candles").replace(CANDLES)
    two = [Poller(postgres_url, tmp_path, max_concurrent_backtests=1) for _ in range(2)]
    yield [poller.wait_until_ready() for poller in two]
    for poller in two:
        poller.stop()


@pytest.mark.postgres
def test_ten_thousand_variants_by_two_pollers(
    pollers: list[Poller], postgres_url: str, tmp_path: Path
) -> None:
    with closing(services_on(postgres_url, tmp_path)) as services:
        bundle = submit(services)

        def has_ended() -> bool:
            return read(services, bundle.bundle_id).status.is_final

        pollers[0].wait_until(has_ended, 2 * PATIENCE_SECONDS)
        assert_right(services, read(services, bundle.bundle_id))
