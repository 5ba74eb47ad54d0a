"""What a browser is told about every answer of the control service."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders

from worker.entrypoints.problems import App, Message, Receive, Scope, Send

#: An answer that is no page: nothing in it may be loaded or run, nobody may frame it or keep it.
DEFAULTS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page_headers(policy: str) -> dict[str, str]:
    """Those of a page, which says itself what it needs."""
    return {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}


class SecurityHeaders:
    """ASGI middleware that adds to each answer the headers that it has not set itself."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in DEFAULTS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
