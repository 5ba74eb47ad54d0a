"""Puts the application together: the only module that knows which adapters are used.

Adapters are imported where they are chosen, so that a laptop never loads a cloud client.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import engine
from worker.adapters.system_clock import SystemClock
from worker.ports import (
    ArtifactStore,
    CandleLibrary,
    CandleSource,
    Clock,
    Doorbell,
    JobStore,
    Wanted,
)
from worker.services.admission import Admission, AdmissionPolicy
from worker.services.backtesting import Backtesting, EngineCalls
from worker.services.claiming import Claiming, LeaseOffice
from worker.services.draining import Bell, Drain, DrainLimits, LocalDrain
from worker.services.replaying import Recomputing
from worker.services.run_job import RunLimits, Runner
from worker.services.warming import WarmUp
from worker.settings import OVERHEAD_SECONDS, Settings, is_bucket
from worker.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What entrypoints work with. ``close`` gives connections back."""

    settings: Settings
    store: JobStore
    doorbell: Doorbell
    candles: CandleSource
    artifacts: ArtifactStore
    clock: Clock
    admission: Admission

    def close(self) -> None:
        self.doorbell.close()
        self.store.close()


def build_services(
    settings: Settings,
    *,
    store: JobStore | None = None,
    doorbell: Doorbell | None = None,
    candles: CandleSource | None = None,
    artifacts: ArtifactStore | None = None,
    clock: Clock | None = None,
) -> Services:
    """Wire everything the settings ask for; arguments replace single parts."""
    store = store or build_store(settings)
    return Services(
        settings=settings,
        store=store,
        doorbell=doorbell or build_doorbell(settings),
        candles=candles or build_candles(settings),
        artifacts=artifacts or build_artifacts(settings),
        clock=clock or SystemClock(),
        admission=Admission(store, admission_policy(settings), engine.parse_config),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a process that runs jobs works with. Setting ``shutdown`` makes it give its job back."""

    services: Services
    worker_id: str
    shutdown: threading.Event
    telemetry: Telemetry
    warm_up: WarmUp
    backtesting: Backtesting
    recomputing: Recomputing
    drain: Drain
    local_drain: LocalDrain | None

    def start(self) -> None:
        """Load the kernels, and listen to the bell if it rings in this process."""
        self.warm_up.start()
        if self.local_drain is not None:
            self.local_drain.start()

    def stop(self) -> None:
        """Give the running job back and disconnect."""
        self.shutdown.set()
        if self.local_drain is not None:
            self.local_drain.join(self.services.settings.shutdown_seconds)
        self.services.close()


def build_worker(
    services: Services,
    *,
    calls: EngineCalls | None = None,
    limits: RunLimits | None = None,
    on_abandoned: Callable[[], None] = lambda: None,
) -> Worker:
    """Wire what runs jobs. ``on_abandoned``: see :class:`Runner`."""
    settings = services.settings
    shutdown = threading.Event()
    telemetry = Telemetry()
    worker_id = new_worker_id()
    calls = calls or engine_calls()
    backtesting = Backtesting(services.candles, calls)
    runner = Runner(
        store=services.store,
        backtesting=backtesting,
        artifacts=services.artifacts,
        clock=services.clock,
        limits=limits or run_limits(settings),
        shutdown=shutdown,
        telemetry=telemetry,
        on_abandoned=on_abandoned,
    )
    claiming = Claiming(
        services.store,
        services.admission,
        LeaseOffice(worker_id, settings.lease_seconds).new,
        wanted_jobs(settings),
        requeue_once=settings.reclaim == "requeue_once",
    )
    drain = Drain(
        claiming=claiming,
        runner=runner,
        doorbell=services.doorbell,
        clock=services.clock,
        limits=drain_limits(settings),
        shutdown=shutdown,
    )
    return Worker(
        services=services,
        worker_id=worker_id,
        shutdown=shutdown,
        telemetry=telemetry,
        warm_up=WarmUp(calls),
        backtesting=backtesting,
        recomputing=Recomputing(
            backtesting,
            timeout_seconds=settings.job_timeout_seconds,
            shutting_down=shutdown.is_set,
            monotonic=services.clock.monotonic,
        ),
        drain=drain,
        local_drain=_local_drain(services, drain, shutdown),
    )


def engine_calls() -> EngineCalls:
    """The real engine; its kernels load with the first run."""
    return EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )


def run_limits(settings: Settings) -> RunLimits:
    """How long a job and its parts may take."""
    return RunLimits(
        heartbeat=settings.heartbeat_seconds,
        lease=settings.lease_seconds,
        timeout=settings.job_timeout_seconds,
        shutdown_grace=settings.shutdown_seconds / 2,
    )


def drain_limits(settings: Settings) -> DrainLimits:
    """How long after its ring a job may still be claimed. Half of the overhead is for waiting, so
    that a ring finds time for a job however tight the other settings are.
    """
    spare = settings.ack_deadline_seconds - settings.job_timeout_seconds - OVERHEAD_SECONDS / 2
    return DrainLimits(first=spare, further=settings.drain_seconds)


def _local_drain(services: Services, drain: Drain, shutdown: threading.Event) -> LocalDrain | None:
    """Who waits for the bell, if it rings in this process."""
    if not isinstance(services.doorbell, Bell):
        return None
    return LocalDrain(drain, services.doorbell, services.clock, shutdown)


def build_store(settings: Settings) -> JobStore:
    """The job store that STORE names."""
    if settings.store.startswith("firestore://"):
        from worker.adapters.firestore import FirestoreJobStore

        project, database = settings.firestore_target
        return FirestoreJobStore(project, database)
    from worker.adapters.sql import SqlJobStore

    return SqlJobStore(settings.store)


def build_doorbell(settings: Settings) -> Doorbell:
    """The doorbell that DOORBELL names."""
    if settings.doorbell == "local":
        from worker.adapters.local import LocalDoorbell

        return LocalDoorbell()
    from worker.adapters.pubsub import PubSubDoorbell

    project, topic = settings.pubsub_target
    return PubSubDoorbell(project, topic)


def build_candles(settings: Settings) -> CandleLibrary:
    """The stored candles under CANDLES."""
    if is_bucket(settings.candles):
        from worker.adapters.gcs import GcsCandles
        from worker.adapters.gcs.download_cache import DownloadCache, default_directory

        directory = Path(settings.candle_cache) if settings.candle_cache else default_directory()
        cache = DownloadCache(directory, settings.candle_cache_megabytes * 1024**2)
        return GcsCandles(settings.candles, cache)
    from worker.adapters.candle_files import CandleFiles

    return CandleFiles(Path(settings.candles))


def build_artifacts(settings: Settings) -> ArtifactStore:
    """The complete series under ARTIFACTS."""
    if is_bucket(settings.artifacts):
        from worker.adapters.gcs import GcsArtifacts

        return GcsArtifacts(settings.artifacts)
    from worker.adapters.parquet_files import ParquetFiles

    return ParquetFiles(Path(settings.artifacts))


def admission_policy(settings: Settings) -> AdmissionPolicy:
    """What these settings admit."""
    own = engine.SUPPORTED_ENGINE_VERSIONS
    return AdmissionPolicy(
        current_version=engine.ENGINE_VERSION,
        own_versions=own,
        accepted_versions=settings.engine_versions or own,
        max_priority=settings.client_priority_limit,
        max_timeout_seconds=settings.job_timeout_seconds,
        ageing_seconds=settings.ageing_seconds,
        lane=settings.lane,
    )


def wanted_jobs(settings: Settings) -> Wanted:
    """The queued jobs that a worker of this installation may claim."""
    return Wanted(lane=settings.lane, engine_versions=engine.SUPPORTED_ENGINE_VERSIONS)


def new_worker_id() -> str:
    """Unique for every start of a process, readable in a log."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
