"""Waiting for a job or a bundle to end, and running the queue meanwhile where nobody else does."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from worker.entrypoints.cli.failures import Failed, Interrupted
from worker.entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from worker.bootstrap import Services
    from worker.jobs.bundle import Bundle
    from worker.jobs.job import Job

Ended = TypeVar("Ended")

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

    def look(progress: Progress) -> "Job | None":
        seen = services.store.get(job.job_id)
        if seen is None:
            raise Failed(f"job {job.job_id} is gone")
        progress.update(seen.job.progress, seen.job.status)
        return seen.job if seen.job.status.is_final else None

    if job.status.is_final:
        return job
    ended = _watched(services, label or job.job_id[:12], look)
    if ended is None:
        raise Interrupted(_where_it_stands(services, job.job_id))
    return ended


def wait_for_bundle(services: "Services", bundle: "Bundle") -> "Bundle":
    """The same for a bundle."""

    def look(progress: Progress) -> "Bundle | None":
        seen = services.store.get_bundle(bundle.bundle_id)
        if seen is None:
            raise Failed(f"bundle {bundle.bundle_id} is gone")
        live = services.bundle_progress.live(seen.bundle)
        ended = live.completed + live.failed
        if ended == live.total and not live.status.is_final:
            # Whoever ended the last chunk does it, unless that process is gone by now.
            services.bundle_progress.update(bundle.bundle_id)
        progress.update(live.progress, f"{ended:,} of {live.total:,} variants")
        return live if live.status.is_final else None

    ended = _watched(services, bundle.bundle_id[:12], look)
    if ended is None:
        raise Interrupted(
            f"Interrupted: bundle {bundle.bundle_id} goes on wherever a worker runs. "
            f"backtest-worker status {bundle.bundle_id} shows it, "
            f"backtest-worker cancel {bundle.bundle_id} ends it."
        )
    return ended


def _watched(
    services: "Services", label: str, look: Callable[[Progress], Ended | None]
) -> Ended | None:
    """What ``look`` has to say at the end; ``None`` if somebody interrupted."""
    with _local_worker(services) as is_local, Progress(label) as progress:
        pause = threading.Event()
        try:
            with _termination_interrupts():
                while (ended := look(progress)) is None:
                    pause.wait(LOCAL_LOOK if is_local else REMOTE_LOOK)
                return ended
        except KeyboardInterrupt:
            return None


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
