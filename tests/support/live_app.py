"""An application served on a port of this machine, in a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from tests.support.patience import PATIENCE_SECONDS


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.port = int(self.servers[0].sockets[0].getsockname()[1])
        self.listens.set()


@contextmanager
def live(app: FastAPI) -> Iterator[str]:
    """The address under which the application answers inside the block."""
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, name="live app", daemon=True)
    thread.start()
    try:
        assert server.listens.wait(PATIENCE_SECONDS)
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
