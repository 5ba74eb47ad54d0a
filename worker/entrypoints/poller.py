"""``backtest-worker poll``: processes that take jobs from the queue, and probes for all of them."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Response
from fastapi.responses import JSONResponse

from worker.bootstrap import (
    Places,
    artifact_place,
    build_clock,
    build_store,
    require_artifacts,
)
from worker.entrypoints.caller_auth import machine_caller
from worker.entrypoints.crew import Crew
from worker.entrypoints.fleet_log import FleetLog, logs_by_itself
from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.entrypoints.methods import install_methods
from worker.entrypoints.probes import health, package_version
from worker.entrypoints.problems import install_problem_handlers, problem_response
from worker.entrypoints.serving import serve_app
from worker.entrypoints.slashes import TrailingSlashes
from worker.entrypoints.worker_app import machine_callers
from worker.logs import configure_logging
from worker.oidc import Fetch, fetch_certificates
from worker.ports import Clock, JobStore
from worker.services.store_probe import StoreProbe
from worker.settings import Settings, require_worker_auth
from worker.telemetry import CONTENT_TYPE, SharedTelemetry

#: Where the processes' metrics meet: files, one a process and kind of metric.
_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: How long a poller that ends waits for the thread that logs the fleet's figures.
LOG_SECONDS = 1.0


def serve_poller(settings: Settings, command: Sequence[str]) -> None:
    """Poll until SIGTERM; running jobs go back to the queue then. ``command`` starts one slot.

    Raises:
        SettingsError: the settings would leave /metrics open to the network, or name directories
            that cannot be used.
        SystemExit: with 1 at the end, if the kernels could not be loaded.
        SchemaMismatch, StoreUnavailable: the store cannot be used.
    """
    require_worker_auth(settings)
    Places(settings).require(makes_candles=False)
    store = build_store(settings, "poller")
    require_artifacts(artifact_place(settings, store), settings)
    configure_logging(settings.log_style)
    with tempfile.TemporaryDirectory(prefix="backtest-metrics-") as directory:
        telemetry = SharedTelemetry(directory)
        crew = Crew(
            command,
            settings.max_concurrent_backtests,
            environment={**os.environ, _METRICS_VARIABLE: directory},
            grace=settings.shutdown_seconds,
            on_gone=telemetry.forget,
            on_unfit=_leave,
        )
        try:
            app = create_poller_app(settings, crew, store, telemetry, clock=build_clock())
            serve_app(app, settings, on_exit=crew.leave)
        finally:
            crew.stop()
            store.close()
        if crew.is_unfit:
            raise SystemExit(1)


def _leave() -> None:
    """Processes that cannot load the kernels will run nothing: let the platform start afresh."""
    os.kill(os.getpid(), signal.SIGTERM)


def create_poller_app(
    settings: Settings,
    crew: Crew,
    store: JobStore,
    telemetry: SharedTelemetry,
    *,
    clock: Clock,
    fetch: Fetch = fetch_certificates,
) -> FastAPI:
    """Probes and metrics; the crew works while the application is up.

    The fleet's figures are computed here, not in the crew: each of its processes sweeps, and each
    would show and log the same figures.
    """
    callers = machine_callers(settings, fetch)
    places, store_probe = Places(settings), StoreProbe(store, clock)
    fleet = FleetMetrics(store, clock)
    fleet_log = FleetLog(fleet, settings.sweep_seconds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        crew.start()
        if logs_by_itself(settings):
            fleet_log.start()
        yield
        # The crew gives its jobs back meanwhile.
        await asyncio.to_thread(fleet_log.stop, LOG_SECONDS)
        await asyncio.to_thread(crew.stop)

    app = FastAPI(
        title="Backtest poller",
        version=package_version(),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    install_problem_handlers(app)
    install_methods(app)
    app.add_middleware(TrailingSlashes)

    @app.get("/health", summary="The process is alive")
    async def alive() -> JSONResponse:
        return JSONResponse(health(clock))

    @app.get("/ready", summary="A process takes jobs, and the store answers")
    def ready() -> JSONResponse:
        if not crew.ready:
            return problem_response(503, "No process has loaded the kernels yet.")
        fault = places.fault() or store_probe.fault()
        if fault is not None:
            return problem_response(503, f"No job is taken: {fault}.")
        return JSONResponse({"status": "ready", "processes": crew.ready})

    @app.get("/metrics", dependencies=[Depends(machine_caller(callers, "metrics"))])
    def metrics() -> Response:
        figures = telemetry.exposition() + fleet.exposition()
        return Response(figures, headers={"Content-Type": CONTENT_TYPE})

    return app
