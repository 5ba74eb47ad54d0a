"""Ctrl-C at the moment that a test wants it."""

import threading

import pytest


def interrupt_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the calling thread waits for is interrupted.

    Other threads, which an earlier test may have left to end by themselves, go on.
    """
    usual, interrupted = threading.Event.wait, threading.current_thread()

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread() is interrupted:
            raise KeyboardInterrupt
        return usual(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", wait)
