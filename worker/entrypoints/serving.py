"""Serving an application until SIGTERM, and leaving in good order."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from itertools import count
from types import FrameType

import uvicorn
from fastapi import FastAPI

from worker.entrypoints.ending import hear_no_more, leave_on_hangup
from worker.entrypoints.slow_bodies import SlowBodies
from worker.settings import Settings

logger = logging.getLogger(__name__)


class GracefulServer(uvicorn.Server):
    """Says that the end has come before it waits for running requests, and then exits with 0.

    ``on_exit`` is called once. It runs in the main thread's signal handler, which another signal
    interrupts: a lock that ``on_exit`` holds then must not be asked for again.

    ``give_up`` is called ``patience`` seconds after the signal if the process is still there: a
    thread that waits for a store which has stopped answering cannot be told to end.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_exit: Callable[[], None],
        *,
        patience: float,
        give_up: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_exit = on_exit
        self._signals = count()
        self._last_moment = threading.Timer(patience, give_up)
        self._last_moment.daemon = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """uvicorn would raise the signal again afterwards, and the exit code would tell of it."""
        # Counted in one step, which no signal interrupts.
        if next(self._signals) == 0:
            self.should_exit = True
            self._last_moment.start()
            self._on_exit()
        elif sig == signal.SIGINT:
            self.force_exit = True


def serve_app(app: FastAPI, settings: Settings, on_exit: Callable[[], None] = lambda: None) -> None:
    """Block until the process is told to stop. Logging is the caller's.

    Raises:
        SystemExit: the address cannot be bound.
    """
    leaving = threading.Event()

    def leave() -> None:
        leaving.set()
        on_exit()

    config = uvicorn.Config(
        SlowBodies(app, leaving.is_set),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    server = GracefulServer(config, leave, patience=settings.shutdown_seconds, give_up=_leave_now)
    if threading.current_thread() is threading.main_thread():
        # uvicorn puts this back when it has ended: whoever tells the process twice hurries nothing.
        signal.signal(signal.SIGTERM, _leave)
        leave_on_hangup(server.handle_exit)
    server.run()
    hear_no_more()
    if not server.started:
        raise SystemExit(1)


def _leave(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal's handler
    """Before the server listens, and after it has ended, there is nothing to give back."""
    hear_no_more()
    raise SystemExit(0)


def _leave_now() -> None:
    """What was not given back by now comes back when its lease expires."""
    logger.critical("did not end in time, leaving now", extra={"event": "shutdown_overrun"})
    os._exit(1)
