"""Bundles that nobody expanded, and what those that run have come to."""

import logging
from contextlib import suppress

from worker.jobs import bundle_transitions
from worker.jobs.bundle import BundleSnapshot
from worker.jobs.errors import Conflict, DoorbellUnavailable, RecordRefused, StoreUnavailable
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.arrivals import Arrival
from worker.services.bundles.arrivals import BundleArrivals
from worker.services.bundles.cancelling import BundleCancelling
from worker.services.bundles.progress import BundleProgress
from worker.services.passing_over import PassingOver
from worker.services.sweep.guarded import for_each

logger = logging.getLogger(__name__)

EXPANDED_AT_ONCE = 20
#: So many times that number are tried in one sweep, should nothing come of the first.
PAGES_AT_ONCE = 10
LOOKED_AT = 100
#: Chunk jobs of one bundle that one sweep stops.
STOPPED_AT_ONCE = 1_000


class UnexpandedBundles:
    """Expands them and rings. Goes round among them, past those of which nothing ever comes.

    Each try is noted before it is made: a bundle that nobody can expand, or that takes the process
    with it, is tried at ever longer intervals and at last given up. A try that found its variants
    out of reach does not count: an outage says nothing about the bundle.
    """

    name = "unexpanded_bundles"

    def __init__(self, store: Store, arrivals: BundleArrivals) -> None:
        self._store = store
        self._arrivals = arrivals
        self._last = ""

    def run(self) -> int:
        done = 0
        for _ in range(PAGES_AT_ONCE):
            bundles = self._store.unexpanded_bundles(limit=EXPANDED_AT_ONCE, after=self._last)
            over = PassingOver(self._store, "bundle")
            done += for_each(bundles, self._expand, over)
            if over.has_given_up:
                break
            if len(bundles) < EXPANDED_AT_ONCE:
                self._last = ""
                break
            if done >= EXPANDED_AT_ONCE:
                break
        return done

    def _expand(self, bundle_id: str) -> int:
        # Before anything is done: an error that ends this sweep may come again at this bundle.
        self._last = bundle_id
        noted = self._noted(bundle_id)
        if noted is None or noted.bundle.status is JobStatus.FAILED:
            return int(noted is not None)
        try:
            arrival = self._arrivals.announce(bundle_id)
        except DoorbellUnavailable as error:
            logger.warning(
                "could not ring: %s",
                error,
                extra={"event": "ring_failed", "bundle_id": bundle_id},
            )
            return 1
        except StoreUnavailable:
            self._take_back(noted)
            raise
        return int(arrival in (Arrival.RUNG, Arrival.REFUSED))

    def _noted(self, bundle_id: str) -> BundleSnapshot | None:
        """The bundle with this try counted, or given up; ``None`` if others have it in hand."""
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.QUEUED:
            return None
        change = bundle_transitions.try_to_expand(seen.bundle, now=seen.read_at)
        try:
            noted = self._store.commit_bundle(seen, change)
        except Conflict:
            return None
        except RecordRefused:
            # No room for a number: the expansion will find none either, and end the bundle.
            return seen
        if noted.bundle.status is JobStatus.FAILED:
            logger.error(
                "a bundle cannot be expanded and is given up",
                extra={"event": "bundle_refused", "bundle_id": bundle_id},
            )
        return noted

    def _take_back(self, noted: BundleSnapshot) -> None:
        """Count a try no more; unless the store itself is away, or others act on the bundle."""
        change = bundle_transitions.wait_to_expand(noted.bundle, now=noted.read_at)
        with suppress(Conflict, RecordRefused, StoreUnavailable):
            self._store.commit_bundle(noted, change)


class RunningBundles:
    """Goes round among them: stops the chunk jobs of those that are cancelled, ends those whose
    last chunk job has ended, and brings the figures of the others up to date.
    """

    name = "running_bundles"

    def __init__(
        self, store: Store, cancelling: BundleCancelling, progress: BundleProgress
    ) -> None:
        self._store = store
        self._cancelling = cancelling
        self._progress = progress
        self._last = ""

    def run(self) -> int:
        bundles = self._store.running_bundles(limit=LOOKED_AT, after=self._last)
        over = PassingOver(self._store, "bundle")
        done = for_each(bundles, self._look, over)
        if len(bundles) < LOOKED_AT and not over.has_given_up:
            self._last = ""
        return done

    def _look(self, bundle_id: str) -> int:
        # Before anything is done: an error that ends this sweep may come again at this bundle.
        self._last = bundle_id
        seen = self._store.get_bundle(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.RUNNING:
            return 0
        stopped = 0
        if seen.bundle.cancel_requested:
            stopped = self._cancelling.stop_chunks(bundle_id, limit=STOPPED_AT_ONCE)
        after = self._progress.update(bundle_id)
        return int(stopped > 0 or (after is not None and after.version != seen.version))
