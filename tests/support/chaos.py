"""Worker processes on one store, and somebody who kills whoever has a job in hand."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.processes import Server
from worker.jobs.states import JobStatus
from worker.ports import JobStore

_SERVE = [sys.executable, "-c", "from worker.entrypoints.cli import main; main()", "serve"]


class Workers:
    """As many ``serve`` processes as asked, whatever becomes of each."""

    def __init__(self, count: int, environment: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = inherited | environment
        self._servers = {server.process.pid: server for server in map(self._start, range(count))}

    def kill(self, pid: int, how: signal.Signals) -> bool:
        """Send the signal and put another process in its place; false if it is none of ours."""
        server = self._servers.pop(pid, None)
        if server is None:
            return False
        server.process.send_signal(how)
        server.process.wait(20)
        server.stop()
        self._replace()
        return True

    def revive(self) -> None:
        """Do as a platform does with processes that left by themselves."""
        for pid, server in list(self._servers.items()):
            if server.process.poll() is not None:
                del self._servers[pid]
                server.stop()
                self._replace()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def output(self) -> str:
        """What the living ones have said, for a test that fails."""
        return "\n".join(server.output()[-2000:] for server in self._servers.values())

    def _replace(self) -> None:
        fresh = self._start(0)
        self._servers[fresh.process.pid] = fresh

    def _start(self, _: int) -> Server:
        return Server("worker", _SERVE, env=self._environment)


def holders(store: JobStore, job_ids: list[str]) -> list[int]:
    """The process ids of the workers that have one of these jobs in hand."""
    held = []
    for job_id in job_ids:
        seen = store.get(job_id)
        if seen is not None and seen.job.status is JobStatus.RUNNING and seen.job.lease:
            held.append(int(seen.job.lease.worker_id.split("-")[-2]))
    return held


def wait_for(condition: Callable[[], object], seconds: float, told: Callable[[], str]) -> None:
    """Return once the condition holds; fail with ``told()`` if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def import_candles(directory: Path, symbol: str, bars: int) -> None:
    """A long series of minutes, so that a job takes a while."""
    import numpy as np

    from engine.candles import Candles
    from worker.adapters.candle_files import CandleFiles

    times = np.arange(bars, dtype=np.int64) * 60_000 + 1_577_836_800_000
    closes = 100 + 10 * np.sin(np.arange(bars) / 500) + np.arange(bars) % 7 / 10
    CandleFiles(directory).replace(
        Candles(
            symbol=symbol,
            timeframe="1m",
            times=times,
            open=closes,
            high=closes + 0.5,
            low=closes - 0.5,
            close=closes,
            volume=np.ones(bars),
        )
    )
