"""One process of a poller: it takes jobs from the queue and runs them, one at a time.

Its standard input is a socket that leads to the poller. A line goes out when the kernels are
loaded; when the other end closes, whatever has become of the poller, this process gives its job
back and ends.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType

from worker.bootstrap import build_services, build_worker
from worker.entrypoints.ending import hear_no_more, leave_on_hangup
from worker.logs import configure_logging
from worker.settings import Settings

#: What a slot says when it has loaded the kernels.
READY = b"ready\n"
#: How a slot ends that cannot load the kernels (EX_SOFTWARE of sysexits.h).
UNFIT = 70
#: How late a signal may be heard.
SIGNAL_SECONDS = 0.5


def run_slot(settings: Settings) -> None:
    """Run jobs until the poller goes away, or a signal asks for the end."""
    configure_logging(settings.log_style)
    leave = threading.Event()
    line = socket.socket(fileno=os.dup(sys.stdin.fileno()))

    def on_signal(_: int, __: FrameType | None) -> None:
        # An event that the interrupted thread holds could not be set here.
        line.shutdown(socket.SHUT_RDWR)

    signal.signal(signal.SIGTERM, on_signal)
    leave_on_hangup(on_signal)
    # A terminal's Ctrl-C reaches the poller too, which then lets its slots go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = build_worker(
        build_services(settings, "poller"),
        polls=True,
        on_abandoned=leave.set,
        on_unfit=leave.set,
    )
    for task in (lambda: _watch(line, leave), lambda: _tell_ready(line, worker.warm_up.done)):
        threading.Thread(target=task, name="poller-line", daemon=True).start()
    worker.start()
    # A signal may reach another thread than this one, which alone can handle it and has to wake up
    # for that: so it is with one that comes while the process is stopped.
    while not leave.wait(SIGNAL_SECONDS):
        pass
    worker.stop()
    hear_no_more()
    if worker.warm_up.failed:
        raise SystemExit(UNFIT)


def _watch(line: socket.socket, leave: threading.Event) -> None:
    with suppress(OSError):
        while line.recv(64):
            pass
    leave.set()


def _tell_ready(line: socket.socket, warm: threading.Event) -> None:
    warm.wait()
    # If the poller has gone, the watcher sees it.
    with suppress(OSError):
        line.sendall(READY)
