"""An installation that admits, expands, follows and ends bundles, over any store.

Chunk jobs are run by hand: which of their variants succeed is the test's choice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.admissions import POLICY, check
from tests.support.bundles import GRID, a_bundle, read_bundle
from tests.support.control import CONFIG, RecordingDoorbell, laptop_settings
from tests.support.jobs import a_lease
from tests.support.sweep_rows import a_row
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.system_clock import SystemClock
from worker.bootstrap import Services, build_sweep
from worker.jobs import transitions
from worker.jobs.bundle import VARIANT_ROWS, Bundle, BundleSnapshot
from worker.jobs.chunks import chunk_of
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.lanes import Rollout
from worker.jobs.states import JobStatus
from worker.jobs.variants import VariantSource
from worker.ports import Clock, Store, Wanted
from worker.services.admission import Admission
from worker.services.bundles.variant_rows import ChunkRows, read_rows
from worker.services.quotas import QuotaLimits
from worker.services.sweep.sweeping import Sweep

WANTED = Wanted(lane="push", engine_versions=("1.0.0",))
FAILED = JobFailure(ErrorCode.INVALID_CONFIG, "parameters.slow: expected more than fast.")

#: Does the variant with this index succeed?
Succeeds = Callable[[int], bool]


@dataclass
class House:
    """Made by :func:`open_house`."""

    store: Store
    services: Services
    artifacts: ParquetFiles
    doorbell: RecordingDoorbell
    sweep: Sweep

    def create(self, bundle_id: str = "b1", **values: Any) -> BundleSnapshot:
        """A bundle as a client's document or the API makes it."""
        given = {"base_config": CONFIG, "parameter_grid": GRID, **values}
        return self.store.create_bundle(a_bundle(bundle_id, **given))

    def expand(self, bundle_id: str = "b1", **values: Any) -> Bundle:
        """The same after its event has come."""
        self.create(bundle_id, **values)
        self.services.bundle_arrivals.announce(bundle_id)
        return self.bundle(bundle_id)

    def bundle(self, bundle_id: str = "b1") -> Bundle:
        return read_bundle(self.store, bundle_id).bundle

    def chunks(self, bundle_id: str = "b1") -> list[Job]:
        return list(self.store.chunk_jobs(bundle_id))

    def claim(self, *, seconds: int = 90) -> Snapshot | None:
        """The next job of the queue, running."""
        return self.store.take_best(
            WANTED, lambda seen: transitions.claim(seen.job, lease=a_lease("w", seconds))
        )

    def finish(self, running: Snapshot, succeeds: Succeeds = lambda _: True) -> Job:
        """End a chunk job as its worker would."""
        job = running.job
        chunk = chunk_of(job)
        assert chunk is not None
        bundle = self.bundle(job.bundle_id or "")
        rows = ChunkRows(chunk, VariantSource.of(bundle))
        for place in range(chunk.count):
            if succeeds(chunk.start + place):
                rows.add(place, a_row())
        rows.end_rest(FAILED)
        key = f"{job.job_id}/{job.attempt}/{VARIANT_ROWS}"
        result = ResultRecord(
            job_id=job.job_id,
            user_id=job.user_id or "",
            engine_version="1.0.0",
            result_digest="sha256:1",
            summary_digest=None,
            backtest_result={},
            artifacts={VARIANT_ROWS: self.artifacts.put(key, rows.columns())},
        )
        counted = replace(chunk, completed=rows.completed, failed=rows.failed)
        change = transitions.complete(job, job.hold(), result_digest="sha256:1", duration_ms=1)
        return self.store.commit(running, change | JobChange(variants=counted.to_map()), result).job

    def fail(self, running: Snapshot, code: ErrorCode) -> Job:
        """End a chunk job without rows."""
        job = running.job
        change = transitions.fail(job, job.hold(), code=code, message="It failed.")
        return self.store.commit(running, change).job

    def work(self) -> None:
        """Run every chunk job, and tell nobody."""
        while (running := self.claim()) is not None:
            self.finish(running)

    def run(self, succeeds: Succeeds = lambda _: True) -> int:
        """Work through the queue, as workers do; how many chunk jobs that were."""
        count = 0
        while (running := self.claim()) is not None:
            ended = self.finish(running, succeeds)
            self.services.waiting.after(ended)
            self.services.bundle_progress.after(ended)
            count += 1
        return count

    def rows(self, bundle_id: str = "b1") -> list[dict[str, Any]]:
        """What an ended bundle says of its variants."""
        content = self.artifacts.read(self.bundle(bundle_id).artifacts[VARIANT_ROWS])
        rows: list[dict[str, Any]] = read_rows(content).to_pylist()
        return rows

    def swept(self) -> Mapping[str, int]:
        """What a sweep has done, without the steps that had nothing to do."""
        done = self.sweep.run()
        assert done.failed == []
        return {name: count for name, count in done.done.items() if count}


def open_house(
    store: Store,
    directory: Path,
    *,
    quotas: QuotaLimits | None = None,
    clock: Clock | None = None,
    lane: str = "push",
    chunk_size: int | None = None,
    **settings: Any,
) -> House:
    """``lane`` is where its rollout leads users; ``chunk_size`` overrules the cost model."""
    policy = replace(POLICY, quotas=quotas or QuotaLimits(), rollout=Rollout(lane=lane))
    doorbell = RecordingDoorbell()
    artifacts = ParquetFiles(directory / "artifacts")
    services = Services(
        settings=laptop_settings(**settings),
        store=store,
        doorbell=doorbell,
        candles=None,  # type: ignore[arg-type]  # nobody reads any
        artifacts=artifacts,
        clock=clock or SystemClock(),
        admission=Admission(store, policy, check),
    )
    if chunk_size is not None:
        _cut(services, chunk_size)
    return House(store, services, artifacts, doorbell, build_sweep(services))


def _cut(services: Services, size: int) -> None:
    """Chunks of this size, whatever they would take."""
    admission = services.bundle_admission
    examine = admission.examine
    admission.examine = lambda bundle: replace(  # type: ignore[method-assign]  # in its place
        examine(bundle), chunk_size=size
    )


def statuses(jobs: list[Job]) -> list[JobStatus]:
    return [job.status for job in jobs]
