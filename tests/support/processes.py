"""Servers that tests start: free ports, a bounded wait until they answer, a sure end."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

import pytest

from tests.support.patience import PATIENCE_SECONDS

_GUARD = Path(__file__).with_name("guarded_exec.py")


def missing(reason: str) -> None:
    """Skip the test, or fail it where the machine must have everything."""
    if os.environ.get("REQUIRE_EMULATORS") == "1":
        pytest.fail(f"REQUIRE_EMULATORS=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port that nobody listens on now, nor is likely to before a server of the test's does.

    Of those that the system hands out, each connection of another test may have the next.
    """
    for _ in range(1_000):
        port = random.SystemRandom().randrange(*_lasting_ports())
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


@cache
def _lasting_ports() -> tuple[int, int]:
    """Where the system takes no ports from for connections: its own range begins above."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return 10_000, 32_768
    lowest = int(text.split()[0])
    return (10_000, lowest) if lowest > 12_000 else (10_000, 65_536)


class Server:
    """A child process with its output in a file, ended with the tests whatever ends them."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        user: str = "-",
        end_signal: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._end_signal = end_signal
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        guard = [sys.executable, "-I", str(_GUARD), str(os.getpid()), str(int(end_signal)), user]
        self.process = subprocess.Popen(
            [*guard, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=None if env is None else dict(env),
        )

    def wait_until(self, answers: Callable[[], bool], timeout: float = PATIENCE_SECONDS) -> None:
        """Return once ``answers()`` is true; show the server's output if it never is."""
        deadline = time.monotonic() + timeout
        while not answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                output = self.output()
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{output}")
            time.sleep(0.05)

    def output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self._end_signal)
            try:
                self.process.wait(PATIENCE_SECONDS / 2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE_SECONDS)
        self._log.close()
