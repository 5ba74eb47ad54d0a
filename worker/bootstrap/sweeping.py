"""The sweep: every maintenance job, and who calls for it."""

import threading
from collections.abc import Callable

import engine
from worker.bootstrap.policies import retention
from worker.bootstrap.services import Services
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.bundles import RunningBundles, UnexpandedBundles
from worker.services.sweep.cancelled import CancelledInQueue
from worker.services.sweep.contact import StoreContact
from worker.services.sweep.expired import Expired
from worker.services.sweep.leases import ExpiredLeases
from worker.services.sweep.overdue import Overdue
from worker.services.sweep.rings import Rings
from worker.services.sweep.sweeping import LocalSweep, Sweep, Swept
from worker.services.sweep.unadmitted import Unadmitted
from worker.services.sweep.waiters import Waiters


def build_sweep(services: Services) -> Sweep:
    """Every maintenance job, in the order in which one makes work for the next."""
    settings, store, admission = services.settings, services.store, services.admission
    aftermath = Aftermath(services.waiting, services.arrivals.ring, services.bundle_progress.after)
    contact = StoreContact(store, services.clock)
    requeue_once = settings.reclaim == "requeue_once"
    return Sweep(
        [
            ExpiredLeases(store, contact, aftermath, requeue_once=requeue_once),
            Overdue(store, aftermath, longest=settings.job_timeout_seconds),
            UnexpandedBundles(store, services.bundle_arrivals),
            RunningBundles(store, services.bundle_cancelling, services.bundle_progress),
            CancelledInQueue(store, aftermath),
            Unadmitted(store, admission, aftermath),
            Waiters(store, services.waiting, aftermath),
            Rings(
                store,
                services.doorbell,
                lane=settings.lane,
                engine_versions=settings.engine_versions or engine.SUPPORTED_ENGINE_VERSIONS,
                max_workers=settings.max_workers,
                paused=services.kill_switch.is_on,
            ),
            Expired(
                store, services.artifacts, services.clock, keeps_all=retention(settings) is None
            ),
        ],
        contact,
        services.clock,
    )


def build_local_sweep(
    services: Services,
    shutdown: threading.Event,
    *,
    polls: bool = False,
    on_swept: Callable[[Swept], None] = lambda _: None,
) -> LocalSweep | None:
    """A sweep in this process, unless a broker's installation has its scheduler for that."""
    settings = services.settings
    if settings.doorbell != "local" and not polls:
        return None
    return LocalSweep(build_sweep(services), shutdown, settings.sweep_seconds, on_swept)
