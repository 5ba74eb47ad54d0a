"""What a client is answered while the store cannot be used, and what the log says of it."""

import logging

from fastapi import FastAPI, Request

from worker import logs
from worker.entrypoints.problems import ProblemResponse, problem_response
from worker.entrypoints.tracing import valid_traceparent
from worker.jobs.errors import OutcomeUnknown, StoreRefuses, StoreUnavailable

logger = logging.getLogger(__name__)

#: Names of path parameters, and of what a route notes in ``request.state``.
_IDS = ("job_id", "bundle_id")


def install_store_answers(app: FastAPI) -> None:
    """503 wherever a handler meets a store that cannot be used. Why, only the log is told."""

    @app.exception_handler(OutcomeUnknown)
    async def on_outcome_unknown(request: Request, error: OutcomeUnknown) -> ProblemResponse:
        log_store_trouble(error, request)
        return problem_response(
            503,
            "The store did not confirm the write. Look whether it happened before you try again; "
            "with an Idempotency-Key you can simply try again.",
        )

    @app.exception_handler(StoreUnavailable)
    async def on_store_unavailable(request: Request, error: StoreUnavailable) -> ProblemResponse:
        log_store_trouble(error, request)
        return problem_response(
            503, "The store does not answer; try again.", headers={"Retry-After": "5"}
        )


def log_store_trouble(error: StoreUnavailable, request: Request) -> None:
    """One line with the cause, what it is about and the trace of the request."""
    about = {
        name: request.path_params.get(name, getattr(request.state, name, None)) for name in _IDS
    }
    with logs.about(traceparent=valid_traceparent(request.headers.get("traceparent"))):
        logger.log(
            trouble_level(error),
            "%s %s is answered with 503: %s",
            request.method,
            _route(request),
            error.sentence,
            extra={"event": "store_unavailable", **about},
        )


def trouble_level(error: StoreUnavailable) -> int:
    """What waiting may mend is a warning; a store that refuses wants a person."""
    return logging.ERROR if isinstance(error, StoreRefuses) else logging.WARNING


def _route(request: Request) -> str:
    """The path's pattern: ids are said by themselves."""
    route = request.scope.get("route")
    return str(getattr(route, "path", request.url.path))
