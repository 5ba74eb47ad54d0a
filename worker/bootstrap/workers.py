"""A process that runs jobs: what it claims with, runs with and listens to."""

import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import engine
from worker.bootstrap.adapters import build_bell
from worker.bootstrap.policies import drain_limits, run_limits, sweep_threads, wanted_jobs
from worker.bootstrap.services import Services
from worker.bootstrap.sweeping import build_local_sweep
from worker.services.backtesting import Backtesting, EngineCalls
from worker.services.bundles.chunk_run import ChunkRun
from worker.services.bundles.telling import BundleTelling
from worker.services.claiming import Claiming, LeaseOffice
from worker.services.draining import Bell, Drain, LocalDrain
from worker.services.readiness import FindFault, Readiness
from worker.services.replaying import Recomputing
from worker.services.run_job import RunLimits, Runner
from worker.services.sweep.sweeping import LocalSweep
from worker.services.warming import WarmUp
from worker.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a process that runs jobs works with. Setting ``shutdown`` makes it give its job back."""

    services: Services
    worker_id: str
    shutdown: threading.Event
    telemetry: Telemetry
    warm_up: WarmUp
    readiness: Readiness
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
    on_unfit: Callable[[], None] = lambda: None,
    polls: bool = False,
) -> Worker:
    """Wire what runs jobs. ``on_abandoned``: see :class:`Runner`; ``on_unfit`` is called if the
    kernels cannot be loaded. A worker that ``polls`` looks at the queue by itself, every
    JOB_POLL_INTERVAL_SECONDS at least, whatever its doorbell is.

    Raises:
        SettingsError: the directories that jobs need cannot be used.
    """
    settings = services.settings
    if services.places is not None:
        services.places.require(makes_candles=not polls)
    shutdown = threading.Event()
    telemetry = Telemetry()
    worker_id = new_worker_id()
    calls = calls or engine_calls()
    backtesting = Backtesting(services.candles, calls)
    warm_up = WarmUp(calls, on_unfit)
    readiness = Readiness(warm_up, _fault_of(services))
    runner = Runner(
        store=services.store,
        backtesting=backtesting,
        chunks=_chunk_run(services, backtesting, polls=polls),
        artifacts=services.artifacts,
        clock=services.clock,
        limits=limits or run_limits(settings),
        shutdown=shutdown,
        telemetry=telemetry,
        on_abandoned=on_abandoned,
        machine_fault=readiness.fault,
    )
    drain = Drain(
        claiming=_claiming(services, worker_id),
        runner=runner,
        waiting=services.waiting,
        doorbell=services.doorbell,
        clock=services.clock,
        limits=drain_limits(settings),
        shutdown=shutdown,
        require_ready=readiness.require,
        on_ended=services.bundle_progress.after,
    )
    return Worker(
        services=services,
        worker_id=worker_id,
        shutdown=shutdown,
        telemetry=telemetry,
        warm_up=warm_up,
        readiness=readiness,
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
            services,
            shutdown,
            polls=polls,
            on_swept=lambda swept: telemetry.swept(swept.done, swept.failed),
        ),
    )


def engine_calls() -> EngineCalls:
    """The real engine; its kernels load with the first run."""
    return EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )


def new_worker_id() -> str:
    """Unique for every start of a process, readable in a log."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


def _fault_of(services: Services) -> FindFault:
    """What is wrong with the directories of this machine, or with where its artifacts are."""
    places, place = services.places, services.artifact_place

    def fault(*, thorough: bool) -> str | None:
        found = None if places is None else places.fault(thorough=thorough)
        return found or (None if place is None else place.fault)

    return fault


def _chunk_run(services: Services, backtesting: Backtesting, *, polls: bool) -> ChunkRun:
    """Who runs chunks of bundles."""
    run = partial(
        ChunkRun,
        services.store,
        backtesting,
        services.artifacts,
        threads=sweep_threads(services.settings, polls=polls),
    )
    if services.settings.store.startswith("firestore://"):
        # Clients listen to the documents there. Elsewhere they ask the API, which counts itself.
        return run(telling=BundleTelling(services.bundle_progress).during)
    return run()


def _claiming(services: Services, worker_id: str) -> Claiming:
    """Who takes jobs for this process."""
    settings = services.settings
    return Claiming(
        services.store,
        services.admission,
        LeaseOffice(worker_id, settings.lease_seconds).new,
        wanted_jobs(settings),
        requeue_once=settings.reclaim == "requeue_once",
        paused=services.kill_switch.is_on,
    )


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
