"""Worker processes on one store, and somebody who kills whoever has a job in hand."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.jobs import a_job, read
from tests.support.lasting_cli import LASTING
from tests.support.processes import Server
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import JobStore

_PROGRAM = Path(__file__).with_name("lasting_cli.py")


class Workers:
    """As many ``serve`` processes as asked, whatever becomes of each."""

    def __init__(self, count: int, environment: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = inherited | environment
        self._servers = {server.process.pid: server for server in map(self._start, range(count))}

    def strike(self, store: JobStore, held: Job, how: signal.Signals) -> bool:
        """End the process that has this job in hand, and put another in its place.

        False if the signal found it without the job: it had just ended, or had time to end while
        its worker was told to go.
        """
        pid = holder(held)
        server = self._servers.get(pid)
        if server is None:
            return False
        # Frozen, it cannot end the job between the look and the blow.
        os.kill(pid, signal.SIGSTOP)
        _wait_until_frozen(pid)
        if not _is_same_attempt(read(store, held.job_id).job, held):
            os.kill(pid, signal.SIGCONT)
            return False
        os.kill(pid, how)
        os.kill(pid, signal.SIGCONT)
        del self._servers[pid]
        server.process.wait(20)
        server.stop()
        self._replace()
        return _was_left(read(store, held.job_id).job, held)

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
        command = [sys.executable, str(_PROGRAM), "serve"]
        return Server("worker", command, env=self._environment)


class Traffic:
    """Jobs that keep coming as long as somebody tops them up: ``config(number)`` is the next's."""

    def __init__(
        self, store: JobStore, config: Callable[[int], dict[str, Any]], *, ahead: int = 8
    ) -> None:
        self._store = store
        self._config = config
        self._ahead = ahead
        self.ids: list[str] = []
        self._open: list[str] = []

    def top_up(self) -> None:
        """Submit until ``ahead`` jobs have not ended."""
        self._refresh()
        while len(self._open) < self._ahead:
            job_id = f"j{len(self.ids)}"
            self._store.create(a_job(job_id, config_used=self._config(len(self.ids))))
            self.ids.append(job_id)
            self._open.append(job_id)

    def running(self) -> list[Job]:
        """Those that a worker has in hand."""
        return [job for job in self._refresh() if job.status is JobStatus.RUNNING and job.lease]

    def unfinished(self) -> list[str]:
        return [job.job_id for job in self._refresh()]

    def _refresh(self) -> list[Job]:
        jobs = [read(self._store, job_id).job for job_id in self._open]
        left = [job for job in jobs if not job.status.is_final]
        self._open = [job.job_id for job in left]
        return left


def holder(job: Job) -> int:
    """The process id in its lease, as ``bootstrap.new_worker_id`` wrote it."""
    assert job.lease is not None
    return int(job.lease.worker_id.split("-")[-2])


def takes_its_time(job: Job) -> bool:
    """Whether it lasts long enough to be given back, however quick the machine."""
    return bool(job.config_used.get("label") == LASTING)


def wait_for(condition: Callable[[], object], seconds: float, told: Callable[[], str]) -> None:
    """Return once the condition holds; fail with ``told()`` if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def _is_same_attempt(now: Job, held: Job) -> bool:
    return now.status is JobStatus.RUNNING and now.attempt == held.attempt


def _was_left(now: Job, held: Job) -> bool:
    """Its worker went without ending it: it is still held by nobody's lease, or has come back."""
    lost = now.worker_losses + now.interruptions > held.worker_losses + held.interruptions
    return lost or _is_same_attempt(now, held)


def _wait_until_frozen(pid: int) -> None:
    def frozen() -> bool:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "TZ"

    wait_for(frozen, 10, lambda: f"process {pid} cannot be stopped")


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
