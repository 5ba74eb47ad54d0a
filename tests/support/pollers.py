"""``backtest-worker poll`` as a process, on a store that the test shares with it."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port

PROGRAM = Path(sys.executable).with_name("backtest-worker")
#: The same with an engine that only ends when it is told to.
SLOW_PROGRAM = Path(__file__).with_name("slow_cli.py")
#: The same where the kernels cannot be loaded.
UNFIT_PROGRAM = Path(__file__).with_name("unfit_cli.py")
#: Nobody who leaves as told takes so long, wherever it is.
SHUTDOWN_SECONDS = 60

#: A job that needs no stored candles.
CONFIG = {
    "strategyId": "buyAndHold",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2024-01-31",
    "startingCapital": 10_000,
    "pricePath": [100.0 + bar for bar in range(30)],
}


class Poller:
    """Ended with the test, its processes too."""

    def __init__(
        self, store_url: str, directory: Path, *, program: Path = PROGRAM, **settings: object
    ) -> None:
        port = free_port()
        (directory / "candles").mkdir(exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "STORE": store_url,
            "CANDLES": str(directory / "candles"),
            "ARTIFACTS": str(directory / "artifacts"),
            "PORT": str(port),
            "LOG_FORMAT": "json",
            "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
            # Nothing in these tests may wait for the next look.
            "JOB_POLL_INTERVAL_SECONDS": str(2 * PATIENCE_SECONDS),
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        self.server = Server("poller", [sys.executable, str(program), "poll"], env=environment)

    def wait_until_ready(self, processes: int = 1) -> "Poller":
        self.server.wait_until(lambda: self._ready_processes() >= processes)
        return self

    def wait_until(self, condition: Callable[[], bool], timeout: float = PATIENCE_SECONDS) -> None:
        self.server.wait_until(condition, timeout)

    def metric(self, sample: str) -> float:
        for line in httpx.get(f"{self.url}/metrics", timeout=PATIENCE_SECONDS).text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    def terminate(self) -> float:
        """SIGTERM; how long the poller took to leave."""
        started = time.monotonic()
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.wait(PATIENCE_SECONDS)
        return time.monotonic() - started

    def events(self) -> list[dict[str, Any]]:
        lines = (line for line in self.server.output().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def slots(self) -> list[int]:
        """The ids of its child processes."""
        children = Path(f"/proc/{self.server.process.pid}/task")
        return [
            int(child)
            for task in children.iterdir()
            for child in (task / "children").read_text().split()
        ]

    def stop(self) -> None:
        self.server.stop()

    def _ready_processes(self) -> int:
        try:
            answer = httpx.get(f"{self.url}/ready", timeout=PATIENCE_SECONDS)
        except httpx.TransportError:
            return 0
        return int(answer.json().get("processes", 0))
