"""Waiting for a job to end, and running the queue meanwhile where nobody else does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.entrypoints.cli.failures import Failed, Interrupted
from worker.entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from worker.bootstrap import Services
    from worker.jobs.job import Job

#: Seconds between two looks at the job: at a store on this machine, and at any other.
LOCAL_LOOK = 0.1
REMOTE_LOOK = 1.0


def wait_for(services: "Services", job: "Job", label: str = "") -> "Job":
    """Show the job's progress until it has ended; the ended job.

    With a local doorbell the queue is run in this process, through the same services as in the
    cloud. Ctrl-C and SIGTERM give the running job back before they end the command.

    Raises:
        Interrupted: says where the job stands.
    """
    with _local_worker(services) as is_local, Progress(label or job.job_id[:12]) as progress:
        try:
            with _termination_interrupts():
                return _watch(services, job, progress, LOCAL_LOOK if is_local else REMOTE_LOOK)
        except KeyboardInterrupt:
            pass
    raise Interrupted(_where_it_stands(services, job.job_id))


def _watch(services: "Services", job: "Job", progress: Progress, look: float) -> "Job":
    pause = threading.Event()
    while not job.status.is_final:
        progress.update(job.progress, job.status)
        pause.wait(look)
        seen = services.store.get(job.job_id)
        if seen is None:
            raise Failed(f"job {job.job_id} is gone")
        job = seen.job
    return job


@contextmanager
def _local_worker(services: "Services") -> Iterator[bool]:
    """A worker in this process if the doorbell rings here; its job is given back at the end."""
    from worker.bootstrap import build_worker

    is_local = services.settings.doorbell == "local"
    worker = build_worker(services) if is_local else None
    if worker is None or worker.local_drain is None:
        yield False
        return
    worker.local_drain.start()
    try:
        yield True
    finally:
        worker.shutdown.set()
        worker.local_drain.join(services.settings.shutdown_seconds)


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM end the wait as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _where_it_stands(services: "Services", job_id: str) -> str:
    seen = services.store.get(job_id)
    state = f"is {seen.job.status}" if seen else "is gone"
    return (
        f"Interrupted: job {job_id} {state}. "
        f"backtest-worker status {job_id} shows it, backtest-worker cancel {job_id} ends it."
    )
