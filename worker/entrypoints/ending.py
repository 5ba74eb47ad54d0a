"""Signals at the end of a process."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


def leave_on_hangup(handler: Callable[[int, FrameType | None], None]) -> None:
    """Handle SIGHUP as an order to leave, unless the process was told to outlive its terminal
    (``nohup``).
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def hear_no_more() -> None:
    """The process ends: being told so once more changes nothing.

    Python gives signals their default effect back before it is gone, which for these is to kill; it
    leaves alone what is ignored.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
