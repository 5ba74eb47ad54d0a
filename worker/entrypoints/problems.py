"""Errors as ``application/problem+json`` (RFC 9457), and nothing about the inside in them."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from worker import logs
from worker.entrypoints.field_errors import InvalidFields, field_errors
from worker.entrypoints.tracing import valid_traceparent

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Names of path parameters, and of what a route notes in ``request.state``.
_IDS = ("job_id", "bundle_id")

#: More fields than this are counted, not listed.
MAX_LISTED_ERRORS = 50


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


class Problem(Exception):
    """Raise anywhere in a handler to answer with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_response(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """The response itself; ``members`` are extension members such as ``errorCode``."""
    body = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    return ProblemResponse({**body, **members}, status_code=status, headers=dict(headers or {}))


def install_problem_handlers(
    app: FastAPI, *, headers: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Make every error of the app, the framework's own included, a problem document.

    ``headers`` are for the answer to an unexpected error: no middleware of the app sees that one.
    """

    @app.exception_handler(Problem)
    async def on_problem(request: Request, error: Problem) -> ProblemResponse:
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            log_unavailable(request, error.detail)
        return problem_response(error.status, error.detail, headers=error.headers, **error.members)

    @app.exception_handler(HTTPException)
    async def on_http_exception(_: Request, error: HTTPException) -> ProblemResponse:
        return problem_response(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> ProblemResponse:
        errors = error.errors()
        if any(item["loc"][0] == "path" for item in errors):
            # An address that nothing can ever have, whatever else is wrong with the request.
            return problem_response(404, "There is nothing at this address.")
        return invalid_fields(field_errors(errors, skip=1))

    @app.exception_handler(InvalidFields)
    async def on_invalid_fields(_: Request, error: InvalidFields) -> ProblemResponse:
        return invalid_fields(error.errors, error.detail)

    @app.exception_handler(Exception)
    async def on_unexpected(request: Request, error: Exception) -> ProblemResponse:
        logger.error(
            "unexpected error answering %s %s",
            request.method,
            request.url.path,
            exc_info=error,
            extra={"event": "http_error"},
        )
        return problem_response(
            500, "Something went wrong on our side; it has been logged.", headers=headers
        )


def log_unavailable(request: Request, why: str, level: int = logging.INFO) -> None:
    """One line about an answer with 503: why, the job or bundle, and the trace of the request."""
    about = {
        name: request.path_params.get(name, getattr(request.state, name, None)) for name in _IDS
    }
    with logs.about(traceparent=valid_traceparent(request.headers.get("traceparent"))):
        logger.log(
            level,
            "%s %s is answered with 503: %s",
            request.method,
            _route(request),
            why,
            extra={"event": "unavailable", **about},
        )


def _route(request: Request) -> str:
    """The path's pattern: ids are said by themselves."""
    route = request.scope.get("route")
    return str(getattr(route, "path", request.url.path))


def invalid_fields(errors: list[dict[str, Any]], detail: str | None = None) -> ProblemResponse:
    """422 with the fields that are wrong: a list of ``path``, ``expected`` and ``got``."""
    return problem_response(
        422,
        detail or f"{len(errors)} field(s) of the request are not valid.",
        errors=errors[:MAX_LISTED_ERRORS],
    )


class BodyLimit:
    """ASGI middleware that answers 413 to a body longer than ``limit`` bytes.

    Paths in ``limits`` have limits of their own. Those in ``exempt`` read their own body and say
    what becomes of a long one.
    """

    def __init__(
        self,
        app: App,
        limit: int,
        exempt: frozenset[str] = frozenset(),
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self.limit = limit
        self.exempt = exempt
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        limit = self.limits.get(scope["path"], self.limit)
        if _content_length(scope) > limit:
            await self._refuse(limit, scope, receive, send)
            return
        await self._count(limit, scope, receive, send)

    async def _count(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        answered = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _BodyTooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _BodyTooLong:
            if not answered:
                await self._refuse(limit, scope, receive, send)

    async def _refuse(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(413, f"The body may have at most {limit} bytes.")
        await response(scope, receive, send)


class _BodyTooLong(BaseException):
    """Not an Exception, so that no handler on the way turns it into another answer."""


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
