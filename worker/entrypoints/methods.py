"""Which methods an address takes: HEAD wherever GET is, and every one of them in a 405."""

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute, Match

from worker.entrypoints.problems import (
    App,
    Message,
    ProblemResponse,
    Receive,
    Scope,
    Send,
    problem_response,
)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def install_methods(app: FastAPI) -> None:
    """Answer HEAD as GET, and say in a 405 which methods there are: the framework says it of one
    route, of several that an address may have.
    """
    app.add_middleware(HeadAsGet)

    @app.exception_handler(405)
    async def on_method_not_allowed(request: Request, _: Exception) -> ProblemResponse:
        allowed = allowed_methods(app.routes, request.url.path)
        return problem_response(
            405,
            f"{request.method[:20]} is not answered here, but {allowed}.",
            headers={"Allow": allowed},
        )


class HeadAsGet:
    """ASGI middleware: a HEAD is answered as the GET would be, without the body."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, headers_only)


def allowed_methods(routes: list[BaseRoute], path: str) -> str:
    """The methods of an address, as in ``Allow``."""
    taken = [method for method in _METHODS if _is_taken(routes, path, method)]
    if "GET" in taken:
        taken.insert(1, "HEAD")
    return ", ".join(taken)


def _is_taken(routes: list[BaseRoute], path: str, method: str) -> bool:
    asked = {"type": "http", "path": path, "root_path": "", "method": method}
    return any(route.matches(dict(asked))[0] is Match.FULL for route in routes)
