"""The worker service: answers rings by running jobs, one at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from worker.bootstrap import Worker
from worker.entrypoints import push_route
from worker.entrypoints.bodies import MAX_CONFIG_BODY_BYTES
from worker.entrypoints.caller_auth import machine_caller
from worker.entrypoints.known_query import known_query
from worker.entrypoints.methods import install_methods
from worker.entrypoints.openapi import install_documentation
from worker.entrypoints.own_hosts import OwnHosts
from worker.entrypoints.probes import ALIVE, READY, health, package_version
from worker.entrypoints.problems import (
    BodyLimit,
    ProblemResponse,
    install_problem_handlers,
    log_unavailable,
    problem_response,
)
from worker.entrypoints.push_route import push_router
from worker.entrypoints.run_routes import run_router
from worker.entrypoints.slashes import TrailingSlashes
from worker.entrypoints.store_answers import install_store_answers
from worker.oidc import Fetch, MachineCallers, fetch_certificates, google_verifier
from worker.services.draining import ShuttingDown
from worker.services.readiness import NotReady
from worker.services.store_probe import StoreProbe
from worker.settings import Settings, require_worker_auth
from worker.telemetry import CONTENT_TYPE

#: Routes whose callers may add query parameters of their own.
_MACHINES = (push_route.PATH,)


def create_worker_app(worker: Worker, *, fetch: Fetch = fetch_certificates) -> FastAPI:
    """The ASGI application; it closes the worker's services when the server shuts down.

    Raises:
        SettingsError: the settings would leave routes open to the network.
    """
    settings = worker.services.settings
    require_worker_auth(settings)
    callers = machine_callers(settings, fetch)
    slot = asyncio.Lock()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)

    app = FastAPI(
        title="Backtest worker",
        version=package_version(),
        description="Answers rings by running jobs, one at a time.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(known_query(_MACHINES))],
    )
    install_documentation(app, _MACHINES)
    install_problem_handlers(app)
    install_methods(app)
    install_store_answers(app)
    _install_error_answers(app)
    app.add_middleware(BodyLimit, limit=MAX_CONFIG_BODY_BYTES, exempt=frozenset({push_route.PATH}))
    is_open = _is_open(settings)
    if is_open:
        app.add_middleware(OwnHosts)
    app.add_middleware(TrailingSlashes)
    app.include_router(push_router(worker, slot, machine_caller(callers, "push")))
    app.include_router(
        run_router(worker, slot, machine_caller(callers, "run"), pages_reach_it=is_open)
    )
    _add_probes(app, worker)

    @app.get(
        "/metrics",
        summary="Counters and times of this process (Prometheus)",
        dependencies=[Depends(machine_caller(callers, "metrics"))],
        response_class=PlainTextResponse,
    )
    async def metrics() -> Response:
        return Response(worker.telemetry.exposition(), headers={"Content-Type": CONTENT_TYPE})

    return app


def _add_probes(app: FastAPI, worker: Worker) -> None:
    store_probe = StoreProbe(worker.services.store, worker.services.clock)

    @app.get("/health", summary="The process is alive", responses=ALIVE)
    async def alive() -> JSONResponse:
        return JSONResponse(health(worker.services.clock))

    @app.get(
        "/ready", summary="Kernels are loaded, the store answers, no shutdown", responses=READY
    )
    def ready() -> JSONResponse:
        if worker.shutdown.is_set():
            return problem_response(503, "The worker is shutting down.")
        if not worker.warm_up.done.is_set():
            return problem_response(503, "The kernels are not loaded yet.")
        fault = worker.readiness.fault() or store_probe.fault()
        if fault is not None:
            return problem_response(503, f"This worker runs no jobs: {fault}.")
        return JSONResponse({"status": "ready"})


def _install_error_answers(app: FastAPI) -> None:
    @app.exception_handler(NotReady)
    async def on_not_ready(request: Request, error: NotReady) -> ProblemResponse:
        log_unavailable(request, str(error), logging.WARNING)
        return problem_response(
            503, f"This worker runs no jobs now: {error}.", headers={"Retry-After": "5"}
        )

    @app.exception_handler(ShuttingDown)
    async def on_shutting_down(request: Request, _: ShuttingDown) -> ProblemResponse:
        log_unavailable(request, "this worker is shutting down")
        return problem_response(503, "This worker is shutting down; try again.")


def machine_callers(settings: Settings, fetch: Fetch) -> MachineCallers | None:
    """Nobody is checked behind Cloud Run's IAM (which takes the token's signature away), nor on a
    laptop that has not set up any caller.
    """
    if settings.worker_auth == "iam" or _is_open(settings):
        return None
    return MachineCallers(google_verifier(settings.oidc_audiences, fetch), settings.callers_of)


def _is_open(settings: Settings) -> bool:
    """Whether whoever reaches this worker may use it, web pages of its machine's user included."""
    is_checked = settings.worker_auth == "iam" or bool(settings.oidc_audiences)
    return settings.on_loopback and not is_checked
