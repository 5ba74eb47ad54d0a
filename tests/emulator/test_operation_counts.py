"""deploy/costs.py counts Firestore's operations as they are: here they are counted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore_v1.services.firestore import FirestoreClient

import engine
from deploy import costs
from tests.support.bundles import an_expanded_bundle, claim_chunk
from tests.support.ended import JUST_OVER, expire, reject
from tests.support.pollers import CONFIG
from tests.support.stack import eventually
from worker.bootstrap import Services, Worker, build_services, build_sweep, build_worker
from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.jobs import transitions
from worker.jobs.bundle import Bundle
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.services.bundles import telling as bundle_telling
from worker.services.lease_keeper import PROGRESS_SECONDS
from worker.settings import load_settings

pytestmark = pytest.mark.emulator


@dataclass
class Bill:
    """Documents written, and read or counted: a query that finds nothing is one read."""

    reads: int = 0
    writes: int = 0

    def clear(self) -> None:
        self.reads = self.writes = 0


@pytest.fixture
def bill(monkeypatch: pytest.MonkeyPatch) -> Bill:
    """What Firestore would charge for, from here on."""
    bill = Bill()
    commit = FirestoreClient.commit

    def counting_commit(self: FirestoreClient, request: Any, **options: Any) -> Any:
        bill.writes += len(dict(request)["writes"])
        return commit(self, request=request, **options)

    def counting(call: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        def answers(self: FirestoreClient, request: Any, **options: Any) -> Iterator[Any]:
            documents = 0
            try:
                for answer in call(self, request=request, **options):
                    documents += 1
                    yield answer
            finally:
                # Who asks for one document does not listen to the end.
                bill.reads += max(1, documents)

        return answers

    monkeypatch.setattr(FirestoreClient, "commit", counting_commit)
    for name in ("batch_get_documents", "run_query", "run_aggregation_query"):
        monkeypatch.setattr(FirestoreClient, name, counting(getattr(FirestoreClient, name)))
    return bill


@pytest.fixture
def services(firestore_project: str, tmp_path: Path) -> Iterator[Services]:
    services = build_services(
        load_settings(
            store=f"firestore://{firestore_project}/(default)",
            candles=str(tmp_path / "candles"),
            artifacts=str(tmp_path / "artifacts"),
            max_queued_per_user=100,
            max_running_per_user=20,
            max_bars_per_day=10**9,
            retention_days=30,
        )
    )
    yield services
    services.close()


def telling(worker: Worker) -> int:
    """How often running jobs were written meanwhile."""
    text = worker.telemetry.exposition().decode()
    return int(float(text.split("\nbacktest_heartbeats_total ")[1].split("\n")[0]))


def test_a_job_from_its_document_to_its_result(services: Services, bill: Bill) -> None:
    worker = build_worker(services)
    worker.warm_up.done.set()
    # Whatever is read once a process, the kill switch for one, is not the job's.
    worker.drain.drain(services.clock.monotonic())
    bill.clear()
    jobs = 4
    for number in range(jobs):
        job_id = f"job-{number}"
        services.store.create(Job(job_id=job_id, user_id="ann", config_used=CONFIG))
        services.arrivals.announce(job_id)

    assert worker.drain.drain(services.clock.monotonic()) == jobs

    ended = [services.store.get(f"job-{number}") for number in range(jobs)]
    bill.reads -= jobs
    assert all(seen is not None and seen.job.status is JobStatus.COMPLETED for seen in ended)
    # Where the machine is slow a job lasts long enough to tell its progress.
    told = telling(worker)
    assert bill.writes == costs.WRITES_PER_JOB * jobs + told
    assert bill.reads <= costs.READS_PER_JOB * jobs + told
    assert bill.reads > costs.READS_PER_JOB * jobs * 0.6


def test_a_running_job_tells_its_progress_as_often_as_it_is_charged_for() -> None:
    assert costs.PROGRESS_SECONDS == PROGRESS_SECONDS


def test_a_running_bundle_tells_its_progress_in_its_document(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients listen to it."""
    monkeypatch.setattr(bundle_telling, "SECONDS", 0.01)
    grid = {"startingCapital": [1_000, 2_000, 3_000, 4_000]}
    services.store.create_bundle(
        Bundle(bundle_id="b1", user_id="ann", base_config=CONFIG, parameter_grid=grid)
    )
    services.bundle_arrivals.announce("b1")
    worker = build_worker(services)
    worker.warm_up.done.set()
    seen: list[float] = []

    def rows_when_told(*given: Any, on_progress: Any, **options: Any) -> Iterator[Any]:
        """The engine, which stays at a half until the bundle's document says so."""
        on_progress(0.5)
        eventually(lambda: told() > 0, "the bundle tells its progress")
        seen.append(told())
        yield from engine.sweep_rows(*given, on_progress=on_progress, **options)

    def told() -> float:
        bundle = services.store.get_bundle("b1")
        assert bundle is not None
        return bundle.bundle.progress

    monkeypatch.setattr(worker.drain._runner._chunks, "_sweep_rows", rows_when_told)

    assert worker.drain.drain(services.clock.monotonic()) == 1

    assert 0 < seen[0] < 1
    ended = services.store.get_bundle("b1")
    assert ended is not None
    assert (ended.bundle.status, ended.bundle.progress) == (JobStatus.COMPLETED, 1.0)


def test_telling_a_bundles_progress_costs_a_write_and_five_reads(
    services: Services, bill: Bill
) -> None:
    store = services.store
    an_expanded_bundle(store)
    running = claim_chunk(store)
    job, lease = running.job, running.job.lease
    assert lease is not None
    store.commit(running, transitions.beat(job, job.hold(), lease=lease, progress=0.5))
    bill.clear()

    services.bundle_progress.tell("b1")
    assert (bill.reads, bill.writes) == (5, 1)
    services.bundle_progress.tell("b1")
    assert (bill.reads, bill.writes) == (10, 1), "what has not changed is not written"


def test_a_sweep_of_an_installation_at_rest(services: Services, bill: Bill) -> None:
    sweep = build_sweep(services)
    sweep.run()
    bill.clear()

    sweep.run()
    FleetMetrics(services.store, services.clock).look()

    assert bill.writes == 0
    assert bill.reads <= costs.READS_PER_SWEEP
    assert bill.reads > costs.READS_PER_SWEEP * 0.6


def test_what_the_end_of_a_jobs_retention_costs(services: Services, bill: Bill) -> None:
    assert services.artifact_place is not None
    # Once a process.
    services.artifact_place.require()
    sweep = build_sweep(services)
    sweep.run()
    bill.clear()
    sweep.run()
    at_rest, jobs = bill.reads, 4
    for number in range(jobs):
        reject(services.store, f"j{number}")
        expire(services.store, f"j{number}", JUST_OVER)
    bill.clear()

    assert sweep.run().done["purged"] == jobs

    deleted_by_policy = 1
    assert bill.writes == (costs.DELETES_PER_JOB - deleted_by_policy) * jobs
    assert bill.reads == at_rest + costs.READS_TO_FORGET * jobs - 1, "one query found something"
