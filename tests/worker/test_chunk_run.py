"""A chunk job from its claim to its end, with the real engine: rows, kept results, ways to stop."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.digest import SUMMARY_METRICS
from engine.errors import ConfigError
from engine.parsing import parse_config
from engine.sweeps.overrides import overridden
from tests.support.bundle_runs import GRID, Workshop, a_bundle, open_workshop
from tests.support.markets import config, walk
from tests.support.patience import PATIENCE_SECONDS
from tests.support.random_variants import random_signal_variants
from tests.support.random_wheels import random_parameters
from tests.support.stack import eventually
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.errors import ErrorCode, JobFailure, StoreUnavailable
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.jobs.variants import VariantSource
from worker.services.backtesting import ENGINE_ERROR_MESSAGE
from worker.services.bundles import kept_results
from worker.services.bundles.chunk_run import ChunkRun
from worker.services.bundles.chunk_work import ROWS_SHARE, Told
from worker.services.bundles.variant_lists import store_variants
from worker.services.cancelling import cancel
from worker.services.lease_keeper import PROGRESS_SECONDS
from worker.services.run_job import RunLimits

#: The clock of these tests ticks whenever it is asked.
LIMITS = RunLimits(heartbeat=0.02, lease=90, timeout=540, grace=1e9)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return open_workshop(tmp_path)


def overrides_of(bundle: Bundle) -> list[Any]:
    return list(VariantSource.of(bundle))


def test_a_chunk_has_a_row_for_each_variant(workshop: Workshop) -> None:
    bundle = a_bundle()
    (job,) = workshop.run(bundle, 8)
    assert (job.status, job.progress, job.error_code) == (JobStatus.COMPLETED, 1.0, None)
    assert job.variants == {"start": 0, "count": 8, "completed": 6, "failed": 2}
    rows = workshop.rows(job)
    assert [row["index"] for row in rows] == list(range(8))
    assert [row["overrides"] for row in rows[:2]] == [
        '{"parameters.fast":3,"parameters.slow":20}',
        '{"parameters.fast":3,"parameters.slow":50}',
    ]
    assert [row["errorCode"] for row in rows] == [None] * 6 + ["INVALID_CONFIG"] * 2
    assert rows[7]["errorMessage"] == "parameters.slow: expected more than fast (60), got 50"
    assert all(rows[7][name] is None for name in (*SUMMARY_METRICS, "summaryDigest"))


def test_each_chunk_runs_its_own_variants(workshop: Workshop) -> None:
    whole = workshop.rows(workshop.run(a_bundle("whole"), 8)[0])
    jobs = workshop.run(a_bundle("parts"), 8, 3)
    assert [job.variants["count"] for job in jobs if job.variants] == [3, 3, 2]
    assert [row for job in jobs for row in workshop.rows(job)] == whole


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_rows_equal_the_single_jobs(tmp_path: Path, seed: int) -> None:
    """Whatever the strategy: the metrics and the digest of a job with the variant's config."""
    base, variants = random_signal_variants(seed, 60)
    chance = random.Random(seed)
    wheels = [random_parameters(chance) for _ in range(15)]
    variants += [
        {"strategyId": "wheel", "parameters": wheel, "startingCapital": 50_000, "symbol": "SPY"}
        for wheel in wheels
    ]
    sleeves = [{"weight": 0.4, "config": {"strategyId": name}} for name in ("rsi", "wheel")]
    variants.append({"strategyId": "portfolio", "parameters": {"sleeves": sleeves}})
    chance.shuffle(variants)
    vix = walk(900, 6, symbol="VIX", volatility=0.01)
    workshop = open_workshop(tmp_path, walk(900, seed), vix)
    bundle = a_bundle(base_config=base, variants=variants, keep_results=KeepResults.NONE)
    jobs = workshop.run(bundle, len(variants), 40)
    rows = [row for job in jobs for row in workshop.rows(job)]
    compared = 0
    for row, overrides in zip(rows, variants, strict=True):
        if row["errorCode"] is not None:
            with pytest.raises(ConfigError) as refused:
                parse_config(overridden(base, overrides))
            assert (row["errorCode"], row["errorMessage"]) == ("INVALID_CONFIG", str(refused.value))
            continue
        single = workshop.worker.backtesting.run(overridden(base, overrides))
        metrics = single.to_document()["metrics"]
        assert {name: row[name] for name in SUMMARY_METRICS} == {
            name: metrics[name] for name in SUMMARY_METRICS
        }
        assert row["summaryDigest"] == single.summary_digest
        compared += 1
    assert compared > 45


def test_rows_have_the_cycles_of_each_regime(workshop: Workshop) -> None:
    bundle = a_bundle()
    (job,) = workshop.run(bundle, 8)
    for row, overrides in zip(workshop.rows(job)[:6], overrides_of(bundle), strict=False):
        result = workshop.worker.backtesting.run(overridden(bundle.base_config, overrides))
        single = result.to_document()
        for regime in ("uptrend", "downtrend", "sideways"):
            own = [cycle for cycle in single["cycles"] if cycle["completed"]]
            counted = sum(cycle["dominantRegime"] == regime for cycle in own)
            assert row[f"{regime}Cycles"] == counted
            expected = single[f"{regime}AvgCycleReturn"]
            assert row[f"{regime}AvgCycleReturn"] == pytest.approx(expected, abs=1e-12)


def test_variants_may_need_candles_of_their_own(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path, walk(500, 1), walk(300, 2, symbol="MSFT"))
    variants: list[dict[str, Any]] = [
        {},
        {"symbol": "MSFT"},
        {"symbol": "GONE"},
        {"symbol": "GONE", "parameters.slow": -1},
        {"endDate": "2020-06-01"},
        {"symbol": "MSFT", "parameters.fast": 4},
        {"startDate": "2010-01-01", "endDate": "2010-02-01"},
        {"pricePath": [100.0, 101.0, 99.0, 103.0]},
    ]
    (job,) = workshop.run(a_bundle(variants=variants), len(variants))
    rows = workshop.rows(job)
    codes = [row["errorCode"] for row in rows]
    assert codes == [
        None,
        None,
        "DATA_NOT_FOUND",
        "INVALID_CONFIG",
        None,
        None,
        "DATA_NOT_FOUND",
        None,
    ]
    assert "nothing is held for GONE" in rows[2]["errorMessage"]
    assert "held: 2020-01-01 to 2021-05-14" in rows[6]["errorMessage"]
    for place in (0, 1, 4, 5, 7):
        single = workshop.worker.backtesting.run(overridden(config(), variants[place]))
        assert rows[place]["summaryDigest"] == single.summary_digest


def test_candles_are_loaded_once(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    load = workshop.candles.load

    def counted(*request: Any) -> Any:
        asked.append(request)
        return load(*request)

    monkeypatch.setattr(workshop.candles, "load", counted)
    (job,) = workshop.run(a_bundle(keep_results=KeepResults.NONE), 8)
    assert job.status is JobStatus.COMPLETED
    assert len(asked) == 1


def test_variants_too_many_for_a_document_lie_in_an_artifact(workshop: Workshop) -> None:
    listed = overrides_of(a_bundle())
    artifact = store_variants(workshop.artifacts, "b1", listed)
    bundle = a_bundle(parameter_grid=None, variants_artifact=artifact)
    (job,) = workshop.run(bundle, 8)
    plain = workshop.run(a_bundle("b2"), 8)[0]
    assert workshop.rows(job) == workshop.rows(plain)


def kept_of(workshop: Workshop, job: Job, index: int) -> Any:
    part = kept_results.part_of(workshop.artifacts_of(job), index)
    return part and kept_results.find(workshop.artifacts.read(part), index)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(KeepResults.NONE, set()), (KeepResults.BEST, {1, 4}), (KeepResults.ALL, set(range(6)))],
)
def test_full_results_are_kept_as_the_bundle_says(
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    keep: KeepResults,
    expected: set[int],
) -> None:
    monkeypatch.setattr("worker.services.bundles.chunk_work.BEST", 2)
    monkeypatch.setattr(kept_results, "PART_BYTES", 300_000)
    bundle = a_bundle(keep_results=keep, rank_by="totalReturn")
    (job,) = workshop.run(bundle, 8)
    rows = workshop.rows(job)
    if keep is KeepResults.BEST:
        sound = sorted(rows[:6], key=lambda row: -row["totalReturn"])
        expected = {row["index"] for row in sound[:2]}
    assert {index for index in range(8) if kept_of(workshop, job, index)} == expected
    for index in expected:
        single = workshop.worker.backtesting.run(
            overridden(bundle.base_config, overrides_of(bundle)[index])
        )
        kept = kept_of(workshop, job, index)
        assert kept["resultDigest"] == single.result_digest
        assert kept["summaryDigest"] == single.summary_digest == rows[index]["summaryDigest"]
        assert kept["backtestResult"]["truncated"]["equityCurve"] == 2_500
    parts = [name for name in workshop.artifacts_of(job) if name.startswith("results")]
    assert len(parts) == {KeepResults.NONE: 0, KeepResults.BEST: 1, KeepResults.ALL: 3}[keep]


def test_a_full_result_that_cannot_be_kept_costs_no_row(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise JobFailure(ErrorCode.RESULT_TOO_LARGE, "It does not fit.")

    monkeypatch.setattr(kept_results, "build_result_document", refuse)
    (job,) = workshop.run(a_bundle(), 8)
    assert job.variants == {"start": 0, "count": 8, "completed": 6, "failed": 2}
    assert list(workshop.artifacts_of(job)) == ["variants"]
    assert "It does not fit." in caplog.text


def test_errors_of_our_own_are_logged_and_not_told(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("/srv/app.py token=abc")

    monkeypatch.setattr("engine.sweeps.one_by_one.run_bars", fail)
    bundle = a_bundle(base_config=config("wheel"), variants=[{}, {"parameters.dte": 20}])
    (job,) = workshop.run(bundle, 2)
    assert [row["errorMessage"] for row in workshop.rows(job)] == [ENGINE_ERROR_MESSAGE] * 2
    assert "/srv/app.py" in caplog.text


def test_a_chunk_without_its_bundle_fails(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = workshop.queue(a_bundle(), 8)
    monkeypatch.setattr(workshop.store, "get_bundle", lambda _: None)
    workshop.drain()
    job = workshop.job(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
    assert job.error_message == "The bundle of this job is gone."


class Paused:
    """An engine that stands still after so many rows, until it is told to stop or to go on."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.entered = threading.Event()
        self.release = threading.Event()
        self.told: Told | None = None

    def __call__(
        self, base: Any, overrides: Any, candles: Any = None, **options: Any
    ) -> Iterator[list[Any]]:
        given = [row for some in engine.sweep_rows(base, overrides, candles) for row in some]
        given.sort(key=lambda row: row.index)
        yield given[: self._rows]
        options["on_progress"](self._rows / len(overrides))
        self.entered.set()
        while not options["should_stop"]():
            if self.release.wait(0.005):
                yield given[self._rows :]
                return


def paused_workshop(
    tmp_path: Path, rows: int, limits: RunLimits = LIMITS
) -> tuple[Workshop, Paused]:
    # Kernels that are compiled only now would be waited for in vain.
    engine.run_sweep(config(), overrides_of(a_bundle()), walk(2_500, 4))
    workshop = open_workshop(tmp_path, limits=limits)
    paused = Paused(rows)
    # The runner is the drain's own, and its engine the only thing that is not real here.
    runner = workshop.worker.drain._runner
    runner._chunks = ChunkRun(
        workshop.store, workshop.worker.backtesting, workshop.artifacts, sweep_rows=paused
    )
    return workshop, paused


def draining(workshop: Workshop) -> threading.Thread:
    thread = threading.Thread(target=workshop.drain, daemon=True)
    thread.start()
    return thread


def test_a_cancelled_chunk_keeps_what_has_finished(tmp_path: Path) -> None:
    workshop, paused = paused_workshop(tmp_path, 4)
    (job_id,) = workshop.queue(a_bundle(keep_results=KeepResults.ALL), 8)
    thread = draining(workshop)
    assert paused.entered.wait(PATIENCE_SECONDS)
    cancel(workshop.store, job_id)
    thread.join(PATIENCE_SECONDS)
    job = workshop.job(job_id)
    assert job.status is JobStatus.COMPLETED
    assert job.variants == {"start": 0, "count": 8, "completed": 4, "failed": 4}
    rows = workshop.rows(job)
    assert [row["errorCode"] for row in rows] == [None] * 4 + ["CANCELLED"] * 4
    assert rows[7]["errorMessage"] == "The bundle was cancelled before this variant had run."
    assert all(row["summaryDigest"] for row in rows[:4])
    assert list(workshop.artifacts_of(job)) == ["variants"]


@pytest.mark.parametrize(
    ("code", "limits"), [("TIMEOUT", {"timeout": 1_000}), ("ENGINE_ERROR", {"stall": 1_000})]
)
def test_a_chunk_that_is_out_of_time_keeps_what_has_finished(
    tmp_path: Path, code: str, limits: dict[str, float]
) -> None:
    """Also one that stands still; what has not run is marked with the reason."""
    given = {"heartbeat": 0.02, "lease": 1e6, "timeout": 1e9, "stall": 1e9, "grace": 1e9}
    workshop, paused = paused_workshop(tmp_path, 3, RunLimits(**{**given, **limits}))
    (job_id,) = workshop.queue(a_bundle(), 8)
    thread = draining(workshop)
    assert paused.entered.wait(PATIENCE_SECONDS)
    workshop.clock.advance(1_001)
    thread.join(PATIENCE_SECONDS)
    job = workshop.job(job_id)
    assert job.status is JobStatus.COMPLETED
    rows = workshop.rows(job)
    assert [row["errorCode"] for row in rows] == [None] * 3 + [code] * 5
    assert all("before it had run" in row["errorMessage"] for row in rows[3:])


def test_a_shutdown_gives_the_whole_chunk_back(tmp_path: Path) -> None:
    workshop, paused = paused_workshop(tmp_path, 3)
    (job_id,) = workshop.queue(a_bundle(), 8)
    thread = draining_until_shutdown(workshop)
    assert paused.entered.wait(PATIENCE_SECONDS)
    workshop.worker.shutdown.set()
    thread.join(PATIENCE_SECONDS)
    job = workshop.job(job_id)
    assert (job.status, job.interruptions, job.attempt) == (JobStatus.QUEUED, 1, 1)
    assert job.variants == {"start": 0, "count": 8, "completed": 0, "failed": 0}
    assert workshop.store.result(job_id) is None


def draining_until_shutdown(workshop: Workshop) -> threading.Thread:
    from worker.services.draining import ShuttingDown

    def drain() -> None:
        with pytest.raises(ShuttingDown):
            workshop.drain()

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return thread


def test_progress_is_told_on_the_way(tmp_path: Path) -> None:
    workshop, paused = paused_workshop(tmp_path, 4)
    (job_id,) = workshop.queue(a_bundle(), 8)
    thread = draining(workshop)
    assert paused.entered.wait(PATIENCE_SECONDS)
    beaten = wait_for_progress(workshop, job_id)
    paused.release.set()
    thread.join(PATIENCE_SECONDS)
    assert beaten == pytest.approx(ROWS_SHARE * 0.5)
    assert workshop.job(job_id).progress == 1.0


def wait_for_progress(workshop: Workshop, job_id: str) -> float:
    """What the first beat that tells of any says: it is due once, and the lease stays young."""
    workshop.clock.advance(PROGRESS_SECONDS)
    eventually(lambda: workshop.job(job_id).progress > 0, "a beat told the progress")
    return workshop.job(job_id).progress


def test_a_bucket_that_is_away_fails_the_chunk_and_not_its_variants(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(workshop.artifacts, "put", away)
    (job,) = workshop.run(a_bundle(), 8)
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.ENGINE_ERROR)
    assert workshop.store.result(job.job_id) is None


def test_a_grid_has_eight_variants() -> None:
    """What the other tests count on."""
    assert len(overrides_of(a_bundle())) == 8 == len(GRID["parameters.fast"]) * 2
