"""Puts the application together: the only module that knows which adapters are used.

Adapters are imported where they are chosen, so that a laptop never loads a cloud client.
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import engine
from engine.sweeps.processors import processors
from worker.adapters.deferred_doorbell import DeferredDoorbell
from worker.adapters.deferred_sqlite import deferred_sqlite
from worker.adapters.system_clock import SystemClock
from worker.jobs.errors import DoorbellUnavailable, StoreError
from worker.jobs.job import Job
from worker.jobs.lanes import Rollout
from worker.ports import (
    ArtifactStore,
    CandleLibrary,
    Clock,
    Doorbell,
    Store,
    Wanted,
)
from worker.services.admission import Admission, AdmissionPolicy
from worker.services.arrivals import Arrivals
from worker.services.backtesting import Backtesting, EngineCalls
from worker.services.bundles.admission import BundleAdmission
from worker.services.bundles.arrivals import BundleArrivals
from worker.services.bundles.cancelling import BundleCancelling
from worker.services.bundles.chunk_run import ChunkRun
from worker.services.bundles.expansion import Expansion
from worker.services.bundles.finalising import Finalising
from worker.services.bundles.progress import BundleProgress
from worker.services.bundles.variant_lists import variants_of
from worker.services.claiming import Claiming, LeaseOffice
from worker.services.draining import Bell, Drain, DrainLimits, LocalDrain
from worker.services.kill_switch import KillSwitch
from worker.services.quotas import QuotaLimits
from worker.services.replaying import Recomputing
from worker.services.run_job import RunLimits, Runner
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.bundles import RunningBundles, UnexpandedBundles
from worker.services.sweep.cancelled import CancelledInQueue
from worker.services.sweep.expired import Expired
from worker.services.sweep.leases import ExpiredLeases
from worker.services.sweep.overdue import Overdue
from worker.services.sweep.rings import Rings
from worker.services.sweep.sweeping import LocalSweep, Sweep, Swept
from worker.services.sweep.unadmitted import Unadmitted
from worker.services.sweep.waiters import Waiters
from worker.services.waiting import Waiting
from worker.services.warming import WarmUp
from worker.settings import OVERHEAD_SECONDS, Settings, is_bucket
from worker.telemetry import Telemetry

if TYPE_CHECKING:
    from worker.adapters.sql import SqlJobStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What entrypoints work with. ``close`` gives connections back."""

    settings: Settings
    store: Store
    doorbell: Doorbell
    candles: CandleLibrary
    artifacts: ArtifactStore
    clock: Clock
    admission: Admission

    @cached_property
    def kill_switch(self) -> KillSwitch:
        """As this process reads it."""
        return KillSwitch(self.store, self.clock)

    @cached_property
    def waiting(self) -> Waiting:
        """Who lets jobs into the queue when there is room."""
        return Waiting(self.store, self.admission)

    @cached_property
    def arrivals(self) -> Arrivals:
        """Who admits and rings."""
        return Arrivals(self.admission, self.doorbell, self.kill_switch.is_on)

    @cached_property
    def bundle_admission(self) -> BundleAdmission:
        """Under the same policy as jobs."""
        return BundleAdmission(
            self.store, self.admission.policy, lambda bundle: variants_of(bundle, self.artifacts)
        )

    @cached_property
    def bundle_arrivals(self) -> BundleArrivals:
        """Who expands bundles and rings."""
        return BundleArrivals(
            Expansion(self.store, self.bundle_admission),
            self.arrivals.ring,
            self.settings.max_workers,
        )

    @cached_property
    def bundle_progress(self) -> BundleProgress:
        """Who follows the chunk jobs of bundles, and ends bundles."""
        return BundleProgress(self.store, Finalising(self.store, self.artifacts))

    @cached_property
    def bundle_cancelling(self) -> BundleCancelling:
        """Who stops bundles."""
        return BundleCancelling(self.store, self.bundle_progress, self._let_in)

    def _let_in(self, ended: Job) -> None:
        """Ring for what the end of a job lets into the queue."""
        for job in self.waiting.after(ended):
            try:
                self.arrivals.ring(job)
            except DoorbellUnavailable as error:
                logger.warning("could not ring: %s", error, extra={"event": "ring_failed"})

    def close(self) -> None:
        self.doorbell.close()
        self.store.close()


def build_services(
    settings: Settings,
    *,
    store: Store | None = None,
    doorbell: Doorbell | None = None,
    candles: CandleLibrary | None = None,
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
        clock=clock or build_clock(),
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
    local_sweep: LocalSweep | None

    def start(self) -> None:
        """Load the kernels; listen to the bell and sweep if nobody outside does."""
        self.warm_up.start()
        if self.local_drain is not None:
            self.local_drain.start()
        if self.local_sweep is not None:
            self.local_sweep.start()

    def stop(self) -> None:
        """Give the running job back and disconnect."""
        self.shutdown.set()
        if self.local_drain is not None:
            self.local_drain.join(self.services.settings.shutdown_seconds)
        if self.local_sweep is not None:
            self.local_sweep.join(self.services.settings.shutdown_seconds)
        self.services.close()


def build_worker(
    services: Services,
    *,
    calls: EngineCalls | None = None,
    limits: RunLimits | None = None,
    on_abandoned: Callable[[], None] = lambda: None,
    polls: bool = False,
) -> Worker:
    """Wire what runs jobs. ``on_abandoned``: see :class:`Runner`. A worker that ``polls`` looks at
    the queue by itself, every JOB_POLL_INTERVAL_SECONDS at least, whatever its doorbell is.
    """
    settings = services.settings
    shutdown = threading.Event()
    telemetry = Telemetry()
    worker_id = new_worker_id()
    calls = calls or engine_calls()
    backtesting = Backtesting(services.candles, calls)
    runner = Runner(
        store=services.store,
        backtesting=backtesting,
        chunks=ChunkRun(
            services.store,
            backtesting,
            services.artifacts,
            threads=sweep_threads(settings, polls=polls),
        ),
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
        paused=services.kill_switch.is_on,
    )
    drain = Drain(
        claiming=claiming,
        runner=runner,
        waiting=services.waiting,
        doorbell=services.doorbell,
        clock=services.clock,
        limits=drain_limits(settings),
        shutdown=shutdown,
        on_ended=services.bundle_progress.after,
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
        local_drain=_local_drain(services, drain, shutdown, polls),
        local_sweep=build_local_sweep(
            services, shutdown, polls=polls, on_swept=lambda swept: telemetry.swept(swept.done)
        ),
    )


def build_sweep(services: Services) -> Sweep:
    """Every maintenance job, in the order in which one makes work for the next."""
    settings, store, admission = services.settings, services.store, services.admission
    aftermath = Aftermath(services.waiting, services.arrivals.ring, services.bundle_progress.after)
    requeue_once = settings.reclaim == "requeue_once"
    return Sweep(
        [
            ExpiredLeases(store, aftermath, requeue_once=requeue_once),
            Overdue(store, aftermath, longest=settings.job_timeout_seconds),
            UnexpandedBundles(store, services.bundle_arrivals),
            RunningBundles(store, services.bundle_cancelling, services.bundle_progress),
            CancelledInQueue(store, aftermath),
            Unadmitted(store, admission, aftermath),
            Waiters(store, services.waiting, aftermath),
            Rings(
                store,
                services.doorbell,
                lane=settings.lane,
                engine_versions=settings.engine_versions or engine.SUPPORTED_ENGINE_VERSIONS,
                max_workers=settings.max_workers,
                paused=services.kill_switch.is_on,
            ),
            Expired(store),
        ],
        services.clock,
    )


def build_local_sweep(
    services: Services,
    shutdown: threading.Event,
    *,
    polls: bool = False,
    on_swept: Callable[[Swept], None] = lambda _: None,
) -> LocalSweep | None:
    """A sweep in this process, unless a broker's installation has its scheduler for that."""
    settings = services.settings
    if settings.doorbell != "local" and not polls:
        return None
    return LocalSweep(build_sweep(services), shutdown, settings.sweep_seconds, on_swept)


def engine_calls() -> EngineCalls:
    """The real engine; its kernels load with the first run."""
    return EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )


def sweep_threads(settings: Settings, *, polls: bool) -> int:
    """How many processors a chunk of a bundle may use: a poller's jobs share them."""
    jobs = settings.max_concurrent_backtests if polls else 1
    return max(1, processors() // jobs)


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


def _local_drain(
    services: Services, drain: Drain, shutdown: threading.Event, polls: bool
) -> LocalDrain | None:
    """Who waits for the bell, if it rings in this process."""
    bell, clock = services.doorbell, services.clock
    if polls:
        own_bell = bell if isinstance(bell, Bell) else build_bell(services.settings)
        interval = services.settings.job_poll_interval_seconds
        return LocalDrain(drain, own_bell, clock, shutdown, interval)
    return LocalDrain(drain, bell, clock, shutdown) if isinstance(bell, Bell) else None


def build_store(settings: Settings) -> Store:
    """The job store that STORE names."""
    if settings.store.startswith("firestore://"):
        from worker.adapters.firestore import FirestoreJobStore

        project, database = settings.firestore_target
        return FirestoreJobStore(project, database, retention(settings))
    if settings.store.startswith("sqlite"):
        return deferred_sqlite(_sqlite_file(settings), lambda: build_sql_store(settings))
    return build_sql_store(settings)


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.store.removeprefix("sqlite:///"))


def build_sql_store(settings: Settings, *, any_schema: bool = False) -> "SqlJobStore":
    """The store of a SQL database.

    Raises:
        SchemaMismatch: it has not the tables that this program needs, unless ``any_schema``.
        StoreUnavailable: it does not answer.
    """
    from worker.adapters.sql import SqlJobStore

    store = SqlJobStore(settings.store, retention(settings))
    if any_schema:
        return store
    try:
        store.require_schema()
    except StoreError:
        store.close()
        raise
    return store


def build_doorbell(settings: Settings) -> Doorbell:
    """The doorbell that DOORBELL names."""
    if settings.doorbell == "local":
        return build_bell(settings)

    def put_up() -> Doorbell:
        from worker.adapters.pubsub import PubSubDoorbell

        return PubSubDoorbell(*settings.pubsub_target)

    return DeferredDoorbell(put_up)


def build_clock() -> Clock:
    """This machine's."""
    return SystemClock()


def build_bell(settings: Settings) -> Bell:
    """What a worker can wait on without a broker: the database itself where it can tell."""
    if settings.store.startswith("postgresql"):
        from worker.adapters.sql.notifications import NotifyDoorbell

        return NotifyDoorbell(settings.store)
    if settings.store.startswith("sqlite"):
        from worker.adapters.file_doorbell import FileDoorbell

        return FileDoorbell(_sqlite_file(settings))
    from worker.adapters.local import LocalDoorbell

    return LocalDoorbell()


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
        rollout=Rollout(
            lane=settings.lane,
            rest=settings.rollout_rest,
            percent=settings.rollout_percent,
            users=frozenset(settings.rollout_users),
        ),
        quotas=QuotaLimits(
            queued=settings.quota("max_queued_per_user"),
            running=settings.quota("max_running_per_user"),
            bars_a_day=settings.quota("max_bars_per_day"),
        ),
    )


def retention(settings: Settings) -> timedelta | None:
    """How long ended jobs are kept; ``None`` for ever."""
    days = settings.retention_days
    return None if days is None else timedelta(days=days)


def wanted_jobs(settings: Settings) -> Wanted:
    """The queued jobs that a worker of this installation may claim."""
    return Wanted(lane=settings.lane, engine_versions=engine.SUPPORTED_ENGINE_VERSIONS)


def new_worker_id() -> str:
    """Unique for every start of a process, readable in a log."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
