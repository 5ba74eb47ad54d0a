"""Clients that do not go on sending the body of their request."""

import asyncio
from collections.abc import Callable

from worker.entrypoints.problems import App, Message, Receive, Scope, Send, problem_response

#: Between two pieces of a body.
PATIENCE_SECONDS = 30.0
#: How often a wait for a piece looks whether the process is told to leave.
LOOK_SECONDS = 0.25


class SlowBodies:
    """ASGI middleware: 408 when no more of a body comes for a while, and 503 at once when the
    process ``is_leaving``: one such client would keep it until it is killed.
    """

    def __init__(
        self,
        app: App,
        is_leaving: Callable[[], bool] = lambda: False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.app = app
        self.is_leaving = is_leaving
        self.patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_whole = False
        has_answered = False

        async def bounded() -> Message:
            nonlocal is_whole
            if is_whole:
                # Whoever asks now waits for the client to leave.
                return await receive()
            message = await self._piece(receive)
            is_whole = not message.get("more_body", False)
            return message

        async def noted(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        try:
            await self.app(scope, bounded, noted)
        except _NoMore as reason:
            if not has_answered:
                status, detail = reason.args
                answer = problem_response(status, detail, headers={"Connection": "close"})
                await answer(scope, receive, send)

    async def _piece(self, receive: Receive) -> Message:
        coming = asyncio.ensure_future(receive())
        try:
            waited = 0.0
            while True:
                done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
                if done:
                    return coming.result()
                waited += LOOK_SECONDS
                if self.is_leaving():
                    raise _NoMore(503, "The service is shutting down; send the request again.")
                if waited >= self.patience:
                    raise _NoMore(408, f"No more of the body came for {self.patience:g} seconds.")
        finally:
            coming.cancel()


class _NoMore(BaseException):
    """Not an Exception, so that no handler on the way turns it into another answer."""
