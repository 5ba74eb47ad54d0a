"""Worker processes on one store, and somebody who kills whoever has a job in hand."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server
from tests.support.traffic import Traffic
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

_PROGRAM = Path(__file__).with_name("lasting_cli.py")

#: Something that befalls the fleet: whether it could happen now.
Blow = Callable[[], bool]


class Workers:
    """As many ``serve`` or ``poll`` processes as asked, whatever becomes of each.

    A poller's jobs are in the hands of its slots, whose processes it replaces by itself.
    """

    def __init__(self, count: int, command: str, environment: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._command = [sys.executable, str(_PROGRAM), command]
        self._environment = inherited | environment
        self._servers = {server.process.pid: server for server in map(self._start, range(count))}

    def strike(self, traffic: Traffic, held: Job, how: signal.Signals) -> bool:
        """End the process that has this job in hand, and see that another takes its place.

        False if the signal found it without the job: it had just ended, or had time to end while
        its worker was told to go.
        """
        pid = holder(held)
        if pid not in self._servers and _parent(pid) not in self._servers:
            return False
        # Frozen, it cannot end the job between the look and the blow.
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: _state(pid) in "TZ", told=lambda: f"process {pid} cannot be stopped")
        if not _is_same_attempt(traffic.read(held.job_id), held):
            os.kill(pid, signal.SIGCONT)
            return False
        os.kill(pid, how)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        server = self._servers.pop(pid, None)
        if server is not None:
            self._replace(server)
        wait_for(lambda: _state(pid) == "", told=lambda: f"process {pid} does not go\n{self}")
        return _was_left(traffic.read(held.job_id), held, how)

    def freeze(self, traffic: Traffic, held: Job, seconds: float) -> bool:
        """Stop the process that has this job in hand for a time, as a machine does that is moved.

        False if the signal found it without the job.
        """
        pid = holder(held)
        if pid not in self._servers and _parent(pid) not in self._servers:
            return False
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: _state(pid) in "TZ", told=lambda: f"process {pid} cannot be stopped")
            if not _is_same_attempt(traffic.read(held.job_id), held):
                return False
            time.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return True

    def terminate_one(self) -> bool:
        """Tell the eldest, if it is a poller with all its slots, to go."""
        pid = next(iter(self._servers))
        server = self._servers.pop(pid)
        server.process.send_signal(signal.SIGTERM)
        self._replace(server)
        return True

    def revive(self) -> None:
        """Do as a platform does with processes that left by themselves."""
        for pid, server in list(self._servers.items()):
            if server.process.poll() is not None:
                self._replace(self._servers.pop(pid))

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def __str__(self) -> str:
        """What the living ones have said, for a test that fails."""
        return "\n".join(server.output()[-2000:] for server in self._servers.values())

    def _replace(self, gone: Server) -> None:
        gone.process.wait(PATIENCE_SECONDS)
        gone.stop()
        fresh = self._start(0)
        self._servers[fresh.process.pid] = fresh

    def _start(self, _: int) -> Server:
        return Server("worker", self._command, env=self._environment)


def endure(workers: Workers, traffic: Traffic, blows: Sequence[Blow], *, jobs: int) -> None:
    """Let every blow fall while jobs flow, at least so many; return when all of them have ended."""
    for blow in blows:

        def falls(blow: Blow = blow) -> bool:
            workers.revive()
            traffic.top_up()
            return blow()

        wait_for(falls, lambda: str(workers))
    traffic.top_up(jobs)

    def all_ended() -> bool:
        workers.revive()
        return not traffic.unfinished()

    wait_for(all_ended, lambda: f"{traffic.unfinished()} are left\n{workers}")


def death(workers: Workers, traffic: Traffic, how: signal.Signals) -> Blow:
    """Of somebody who has a job in hand; one that lasts, if it is to be given back."""

    def falls() -> bool:
        in_hand = traffic.running()
        if how is signal.SIGTERM:
            in_hand = [job for job in in_hand if traffic.lasts(job)]
        return any(workers.strike(traffic, job, how) for job in in_hand)

    return falls


def holder(job: Job) -> int:
    """The process id in its lease, as ``bootstrap.new_worker_id`` wrote it."""
    assert job.lease is not None
    return int(job.lease.worker_id.split("-")[-2])


def wait_for(condition: Callable[[], object], told: Callable[[], str]) -> None:
    """Return once the condition holds; fail with ``told()`` if it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def _is_same_attempt(now: Job, held: Job) -> bool:
    return now.status is JobStatus.RUNNING and now.attempt == held.attempt


def _was_left(now: Job, held: Job, how: signal.Signals) -> bool:
    """Its worker went without ending it: who was told to go gave it back, who was killed left it
    to its lease.
    """
    if how is signal.SIGTERM:
        return now.interruptions > held.interruptions
    return now.worker_losses > held.worker_losses or _is_same_attempt(now, held)


def _state(pid: int) -> str:
    """One letter, as the kernel gives it; empty when there is no such process any more."""
    return _status(pid)[0]


def _parent(pid: int) -> int:
    return int(_status(pid)[1])


def _status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["", "0"]
