"""Addresses with a slash at their end."""

from worker.entrypoints.problems import App, Receive, Scope, Send


class TrailingSlashes:
    """ASGI middleware: an address with slashes at its end is the one without.

    The framework would send callers there with 307, which machines do not follow.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.endswith("/") and (plain := path.rstrip("/")):
            raw = scope.get("raw_path", b"").rstrip(b"/")
            scope = {**scope, "path": plain, "raw_path": raw}
        await self.app(scope, receive, send)
