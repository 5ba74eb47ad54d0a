"""The processes of a poller: started, watched, replaced when they die, let go at the end.

A process for each job rather than a thread: results are built and stored in Python, where threads
take turns, and an engine that hangs takes only its own process with it.
"""

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from worker.entrypoints.poll_slot import READY, UNFIT

logger = logging.getLogger(__name__)

#: A process that dies again and again is started at longer and longer intervals.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
#: One that lived this long was healthy: the next start does not wait.
HEALTHY_SECONDS = 60.0
#: How long a process may take to leave beyond the time in which it gives its job back.
SPARE_SECONDS = 3.0


class Crew:
    """``size`` processes of ``command``. ``on_gone`` hears the id of each that has ended;
    ``on_unfit`` is called once if one of them cannot load the kernels.
    """

    def __init__(
        self,
        command: Sequence[str],
        size: int,
        *,
        grace: float,
        environment: Mapping[str, str] = os.environ,
        on_gone: Callable[[int], None] = lambda _: None,
        on_unfit: Callable[[], None] = lambda: None,
    ) -> None:
        self._grace = grace
        self._on_gone = on_gone
        self._on_unfit = on_unfit
        self._leaving = threading.Event()
        self._slots = [_Slot(command, environment, self._leaving, self._gone) for _ in range(size)]
        self.is_unfit = False

    def start(self) -> None:
        for slot in self._slots:
            slot.start()

    def _gone(self, pid: int, status: int) -> None:
        self._on_gone(pid)
        if status == UNFIT and not self.is_unfit:
            self.is_unfit = True
            self._on_unfit()

    @property
    def ready(self) -> int:
        """How many processes have loaded the kernels and take jobs."""
        return sum(slot.is_ready for slot in self._slots)

    def leave(self) -> None:
        """Tell every process to give its job back and go. Does not wait."""
        self._leaving.set()
        for slot in self._slots:
            slot.let_go()

    def stop(self) -> None:
        """Let all go and wait; who has not left in time is killed, and its lease expires."""
        self.leave()
        until = time.monotonic() + self._grace + SPARE_SECONDS
        for slot in self._slots:
            slot.join(until)


class _Slot:
    """One place, filled by one process after the other."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        leaving: threading.Event,
        on_gone: Callable[[int, int], None],
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._leaving = leaving
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self.is_ready = False
        self._thread = threading.Thread(target=self._keep_filled, name="slot", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def let_go(self) -> None:
        with self._lock:
            if self._line is not None:
                # Closing would not wake the thread that reads from it.
                self._line.shutdown(socket.SHUT_RDWR)

    def join(self, until: float) -> None:
        self._thread.join(max(0.0, until - time.monotonic()))
        if not self._thread.is_alive():
            return
        with self._lock:
            process = self._process
        if process is not None:
            logger.error(
                "a process did not leave in time",
                extra={"event": "slot_killed", "pid": process.pid},
            )
            process.kill()
        self._thread.join(SPARE_SECONDS)

    def _keep_filled(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._leaving.is_set():
            started = time.monotonic()
            status = self._run_one()
            if self._leaving.is_set():
                return
            healthy = time.monotonic() - started >= HEALTHY_SECONDS
            pause = FIRST_PAUSE_SECONDS if healthy else min(pause * 2, LONGEST_PAUSE_SECONDS)
            logger.error(
                "a process ended with status %s; the next one starts in %.1f s",
                status,
                pause,
                extra={"event": "slot_ended"},
            )
            self._leaving.wait(pause)

    def _run_one(self) -> int:
        """Run one process to its end; its exit status."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock:
                process = subprocess.Popen(
                    self._command, stdin=theirs.fileno(), env=self._environment
                )
                self._process, self._line = process, ours
            if self._leaving.is_set():
                self.let_go()
            self._listen(ours)
            status = process.wait()
            with self._lock:
                self._process = self._line = None
        self.is_ready = False
        self._on_gone(process.pid, status)
        return status

    def _listen(self, line: socket.socket) -> None:
        """Until the process closes its end, or we have let it go."""
        try:
            while said := line.recv(64):
                if said == READY:
                    self.is_ready = True
        except OSError:
            return
