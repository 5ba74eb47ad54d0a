"""The control service: takes jobs from users and events, and never runs one.

It answers from the store alone, so that one small instance serves many requests at once while
the workers are busy.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

import engine
from worker.bootstrap import Services, build_local_sweep, build_sweep
from worker.entrypoints import (
    control_bundles,
    control_candles,
    control_estimate,
    control_events,
    control_sweep,
)
from worker.entrypoints.bodies import MAX_CONFIG_BODY_BYTES
from worker.entrypoints.bundle_requests import MAX_BUNDLE_BODY_BYTES
from worker.entrypoints.caller_auth import machine_caller
from worker.entrypoints.control_backtests import backtests_router
from worker.entrypoints.control_bundles import bundles_router
from worker.entrypoints.control_candles import candles_router
from worker.entrypoints.control_estimate import estimate_router
from worker.entrypoints.control_events import events_router
from worker.entrypoints.control_metrics import CONTENT_TYPE, ControlMetrics
from worker.entrypoints.control_sweep import sweep_router
from worker.entrypoints.fleet_log import log_figures, logs_by_itself
from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.entrypoints.known_query import known_query
from worker.entrypoints.methods import install_methods
from worker.entrypoints.openapi import install_documentation
from worker.entrypoints.own_hosts import OwnHosts
from worker.entrypoints.probes import ALIVE, READY, health, package_version
from worker.entrypoints.problems import (
    BodyLimit,
    ProblemResponse,
    install_problem_handlers,
    problem_response,
)
from worker.entrypoints.security_headers import DEFAULTS, SecurityHeaders
from worker.entrypoints.slashes import TrailingSlashes
from worker.entrypoints.store_answers import install_store_answers
from worker.entrypoints.user_auth import CurrentUser, administrator, local_user, signed_in_user
from worker.entrypoints.user_backtests import UserBacktests
from worker.entrypoints.user_bundles import UserBundles
from worker.entrypoints.user_estimates import UserEstimates
from worker.entrypoints.web_page import page_router
from worker.jobs.errors import Conflict
from worker.oidc import (
    Fetch,
    MachineCallers,
    fetch_certificates,
    firebase_verifier,
    google_verifier,
)
from worker.services.admission import CheckConfig
from worker.services.store_probe import StoreProbe
from worker.services.sweep.sweeping import Swept
from worker.settings import Settings, require_control_auth

#: Routes whose callers may add query parameters of their own.
_MACHINES = (control_events.PATH, control_sweep.PATH)


def create_control_app(
    services: Services,
    *,
    fetch: Fetch = fetch_certificates,
    check_config: CheckConfig | None = None,
) -> FastAPI:
    """The ASGI application; it closes ``services`` when the server shuts down.

    Raises:
        SettingsError: the settings would leave routes open to the network.
    """
    settings = services.settings
    require_control_auth(settings)
    metrics = ControlMetrics()
    arrivals = services.arrivals
    fleet = FleetMetrics(services.store, services.clock)
    callers = _machine_callers(settings, fetch)
    shutdown = threading.Event()

    def after_local_sweep(swept: Swept) -> None:
        metrics.swept(swept)
        if logs_by_itself(settings):
            log_figures(fleet)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        local_sweep = build_local_sweep(services, shutdown, on_swept=after_local_sweep)
        if local_sweep is not None:
            local_sweep.start()
        yield
        shutdown.set()
        if local_sweep is not None:
            await asyncio.to_thread(local_sweep.join, settings.shutdown_seconds)
        services.close()

    app = FastAPI(
        title="Backtests",
        version=package_version(),
        description="Submit backtests, watch them, fetch their results.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(known_query(_MACHINES))],
    )
    install_documentation(app, _MACHINES)
    app.include_router(page_router())
    install_problem_handlers(app, headers=DEFAULTS)
    install_methods(app)
    install_store_answers(app)
    _install_error_answers(app)
    app.add_middleware(
        BodyLimit,
        limit=MAX_CONFIG_BODY_BYTES,
        exempt=frozenset({control_events.PATH, control_candles.PATH}),
        limits={
            control_bundles.PREFIX: MAX_BUNDLE_BODY_BYTES,
            control_estimate.PATH: MAX_BUNDLE_BODY_BYTES,
        },
    )
    if settings.auth == "none":
        app.add_middleware(OwnHosts)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrailingSlashes)
    announce = {
        control_events.JOBS: arrivals.announce,
        control_events.BUNDLES: services.bundle_arrivals.announce,
    }
    app.include_router(events_router(announce, metrics, machine_caller(callers, "events")))
    current_user = _current_user(settings, fetch)
    app.include_router(
        backtests_router(
            UserBacktests(services, arrivals, metrics, check_config or engine.parse_config),
            current_user,
        )
    )
    app.include_router(estimate_router(UserEstimates(services), current_user))
    app.include_router(bundles_router(UserBundles(services, metrics), current_user))
    # Who may reach a service without sign-in may write its candles' files, too.
    importer = current_user if settings.auth == "none" else administrator(current_user)
    app.include_router(candles_router(services.candles, importer))
    app.include_router(
        sweep_router(build_sweep(services), metrics, fleet, machine_caller(callers, "sweep"))
    )
    _add_probes(app, services)

    @app.get(
        "/metrics",
        tags=["machines"],
        summary="Counters of this process, and the fleet's figures (Prometheus)",
        dependencies=[Depends(machine_caller(callers, "metrics"))],
        response_class=PlainTextResponse,
    )
    def counters() -> Response:
        figures = metrics.exposition() + fleet.exposition()
        return Response(figures, headers={"Content-Type": CONTENT_TYPE})

    return app


def _add_probes(app: FastAPI, services: Services) -> None:
    store_probe = StoreProbe(services.store, services.clock)

    # Not in a thread: requests that wait for the store may occupy them all.
    @app.get("/health", tags=["probes"], summary="The process is alive", responses=ALIVE)
    async def alive() -> JSONResponse:
        return JSONResponse(health(services.clock))

    @app.get("/ready", tags=["probes"], summary="The store answers", responses=READY)
    def ready() -> JSONResponse:
        fault = store_probe.fault()
        if fault is not None:
            return problem_response(503, f"No job is taken: {fault}.")
        return JSONResponse({"status": "ready"})


def _install_error_answers(app: FastAPI) -> None:
    @app.exception_handler(Conflict)
    async def on_conflict(_: Request, __: Conflict) -> ProblemResponse:
        return problem_response(409, "The backtest changed in the meantime; try again.")


def _machine_callers(settings: Settings, fetch: Fetch) -> MachineCallers | None:
    """Nobody is checked on a laptop that has not set up any caller."""
    if settings.on_loopback and not settings.oidc_audiences:
        return None
    return MachineCallers(google_verifier(settings.oidc_audiences, fetch), settings.callers_of)


def _current_user(settings: Settings, fetch: Fetch) -> CurrentUser:
    if settings.auth == "none":
        return local_user(settings.local_user)
    return signed_in_user(firebase_verifier(settings.token_project, fetch))
