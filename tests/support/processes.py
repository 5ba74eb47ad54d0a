"""Servers that tests start: free ports, a bounded wait until they answer, a sure end."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

_GUARD = Path(__file__).with_name("guarded_exec.py")


def missing(reason: str) -> None:
    """Skip the test, or fail it where the machine must have everything."""
    if os.environ.get("REQUIRE_EMULATORS") == "1":
        pytest.fail(f"REQUIRE_EMULATORS=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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

    def wait_until(self, answers: Callable[[], bool], timeout: float = 60.0) -> None:
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
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._log.close()
