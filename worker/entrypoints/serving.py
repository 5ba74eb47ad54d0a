"""Serving an application until SIGTERM, and leaving in good order."""

import signal
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from worker.settings import Settings


class GracefulServer(uvicorn.Server):
    """Says that the end has come before it waits for running requests, and then exits with 0."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """uvicorn would raise the signal again afterwards, and the exit code would tell of it."""
        self._on_exit()
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def serve_app(app: FastAPI, settings: Settings, on_exit: Callable[[], None] = lambda: None) -> None:
    """Block until the process is told to stop. Logging is the caller's.

    Raises:
        SystemExit: the address cannot be bound.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    server = GracefulServer(config, on_exit)
    server.run()
    if not server.started:
        raise SystemExit(1)
