"""A worker with the real engine that runs chunk jobs, with everything it stores at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.candles import Candles
from tests.support.clocks import TickingClock
from tests.support.control import FragileStore, RecordingDoorbell, laptop_settings
from tests.support.jobs import ADMITTED_AT, read
from tests.support.markets import config, walk
from worker.adapters.candle_files import CandleFiles
from worker.adapters.parquet_files import ParquetFiles
from worker.bootstrap import Services, Worker, build_services, build_worker
from worker.jobs.bundle import VARIANT_ROWS, Bundle, BundleChange
from worker.jobs.chunks import chunk_of, ranges
from worker.jobs.errors import JobFailure
from worker.jobs.job import Artifact, Job
from worker.jobs.states import JobStatus
from worker.services.bundles.summary import EndedChunk
from worker.services.bundles.variant_rows import read_rows
from worker.services.run_job import RunLimits

#: Crosses of two averages over ten years of days; the last fast one is refused.
GRID: dict[str, Any] = {"parameters.fast": [3, 5, 8, 60], "parameters.slow": [20, 50]}

Row = Mapping[str, Any]


def a_bundle(bundle_id: str = "b1", **values: Any) -> Bundle:
    """A bundle of eight variants, of which two are not valid."""
    given: dict[str, Any] = {"base_config": config(), "parameter_grid": GRID, **values}
    if values.get("variants") is not None:
        given["parameter_grid"] = None
    return Bundle(bundle_id=bundle_id, user_id="ann", **given)


@dataclass
class Workshop:
    """Where chunk jobs run; made by :func:`open_workshop`."""

    services: Services
    worker: Worker
    store: FragileStore
    artifacts: ParquetFiles
    candles: CandleFiles
    clock: TickingClock

    def queue(self, bundle: Bundle, total: int, size: int | None = None) -> list[str]:
        """Store a bundle with its chunk jobs, admitted; their ids."""
        jobs = [
            Job(
                job_id=f"{bundle.bundle_id}-{number:04d}",
                user_id=bundle.user_id,
                bundle_id=bundle.bundle_id,
                variants=chunk.to_map(),
                engine_version="1.0.0",
                lane="push",
                rank=ADMITTED_AT.timestamp() + number,
                admitted_at=ADMITTED_AT,
            )
            for number, chunk in enumerate(ranges(total, size or total))
        ]
        change = BundleChange(
            status=JobStatus.RUNNING, total=total, chunk_size=size or total, chunks=len(jobs)
        )
        self.store.commit_bundle(self.store.create_bundle(bundle), change, jobs)
        return [job.job_id for job in jobs]

    def run(self, bundle: Bundle, total: int, size: int | None = None) -> list[Job]:
        """The chunk jobs of a bundle after a worker has gone through the queue."""
        job_ids = self.queue(bundle, total, size)
        self.drain()
        return [self.job(job_id) for job_id in job_ids]

    def drain(self) -> int:
        return self.worker.drain.drain(self.clock.monotonic())

    def job(self, job_id: str) -> Job:
        return read(self.store, job_id).job

    def artifacts_of(self, job: Job) -> Mapping[str, Artifact]:
        record = self.store.result(job.job_id)
        return {} if record is None else record.artifacts

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """What a chunk job says of its variants."""
        content = self.artifacts.read(self.artifacts_of(job)[VARIANT_ROWS])
        rows: list[dict[str, Any]] = read_rows(content).to_pylist()
        return rows

    def ended(self, jobs: Sequence[Job]) -> list[EndedChunk]:
        """As the end of a bundle sees its chunk jobs."""
        found = []
        for job in jobs:
            chunk = chunk_of(job)
            assert chunk is not None
            failure = (
                JobFailure(job.error_code, job.error_message or "") if job.error_code else None
            )
            found.append(EndedChunk(chunk=chunk, artifacts=self.artifacts_of(job), failure=failure))
        return found


def open_workshop(
    directory: Path, *candles: Candles, limits: RunLimits | None = None, **settings: Any
) -> Workshop:
    """A worker over these candles, by default ten years of SPY."""
    library = CandleFiles(directory / "candles")
    for series in candles or (walk(2_500, 4),):
        library.replace(series)
    clock = TickingClock()
    store = FragileStore(clock)
    artifacts = ParquetFiles(directory / "artifacts")
    services = build_services(
        laptop_settings(**settings),
        store=store,
        doorbell=RecordingDoorbell(),
        candles=library,
        artifacts=artifacts,
        clock=clock,
    )
    worker = build_worker(services, limits=limits)
    return Workshop(services, worker, store, artifacts, library, clock)
