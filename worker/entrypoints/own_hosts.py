"""Which names a service may be called by on a machine where nobody signs in."""

from ipaddress import ip_address

from worker.entrypoints.problems import App, Receive, Scope, Send, problem_response


class OwnHosts:
    """ASGI middleware: 421 unless a request names this machine (``localhost``, ``127.0.0.1``).

    A web page of any other site can have its own name resolve to a visitor's machine, and is of one
    origin with the service there as far as the browser can tell. The name gives it away.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_own(host := _host(scope)):
            await self.app(scope, receive, send)
            return
        refused = problem_response(
            421, f"Host: expected localhost or a loopback address, got {host[:100] or 'nothing'}."
        )
        await refused(scope, receive, send)


def _host(scope: Scope) -> str:
    """The name in the ``Host`` header, without a port."""
    given = next((value for name, value in scope["headers"] if name == b"host"), b"")
    text = given.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] or text


def _is_own(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
