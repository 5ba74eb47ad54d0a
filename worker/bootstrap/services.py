"""What every entrypoint works with: the store and what stands around it."""

import logging
from dataclasses import dataclass
from functools import cached_property

import engine
from worker.bootstrap.adapters import (
    build_artifacts,
    build_candles,
    build_clock,
    build_doorbell,
    build_store,
)
from worker.bootstrap.places import Places
from worker.bootstrap.policies import admission_policy
from worker.jobs.errors import DoorbellUnavailable
from worker.jobs.job import Job
from worker.ports import ArtifactStore, CandleLibrary, Clock, Doorbell, Store
from worker.services.admission import Admission
from worker.services.arrivals import Arrivals
from worker.services.artifact_place import ArtifactPlace, CheckedArtifacts
from worker.services.bundles.admission import BundleAdmission
from worker.services.bundles.arrivals import BundleArrivals
from worker.services.bundles.cancelling import BundleCancelling
from worker.services.bundles.expansion import Expansion
from worker.services.bundles.finalising import Finalising
from worker.services.bundles.progress import BundleProgress
from worker.services.bundles.variant_lists import variants_of
from worker.services.kill_switch import KillSwitch
from worker.services.waiting import Waiting
from worker.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What entrypoints work with. ``close`` gives connections back."""

    settings: Settings
    store: Store
    doorbell: Doorbell
    candles: CandleLibrary
    artifacts: ArtifactStore
    clock: Clock
    admission: Admission
    artifact_place: ArtifactPlace | None = None
    """Whether the artifacts are those of the store, where they are as the settings say."""
    places: Places | None = None
    """The directories that jobs need, where candles and artifacts are as the settings say."""

    @cached_property
    def kill_switch(self) -> KillSwitch:
        """As this process reads it."""
        return KillSwitch(self.store, self.clock)

    @cached_property
    def waiting(self) -> Waiting:
        """Who lets jobs into the queue when there is room."""
        return Waiting(self.store, self.admission)

    @cached_property
    def arrivals(self) -> Arrivals:
        """Who admits and rings."""
        return Arrivals(self.admission, self.doorbell, self.kill_switch.is_on)

    @cached_property
    def bundle_admission(self) -> BundleAdmission:
        """Under the same policy as jobs."""
        return BundleAdmission(
            self.store, self.admission.policy, lambda bundle: variants_of(bundle, self.artifacts)
        )

    @cached_property
    def bundle_arrivals(self) -> BundleArrivals:
        """Who expands bundles and rings."""
        return BundleArrivals(
            Expansion(self.store, self.bundle_admission),
            self.arrivals.ring,
            self.settings.max_workers,
        )

    @cached_property
    def bundle_progress(self) -> BundleProgress:
        """Who follows the chunk jobs of bundles, and ends bundles."""
        return BundleProgress(
            self.store, Finalising(self.store, self.artifacts, self.clock.monotonic)
        )

    @cached_property
    def bundle_cancelling(self) -> BundleCancelling:
        """Who stops bundles."""
        return BundleCancelling(self.store, self.bundle_progress, self._let_in)

    def _let_in(self, ended: Job) -> None:
        """Ring for what the end of a job lets into the queue."""
        for job in self.waiting.after(ended):
            try:
                self.arrivals.ring(job)
            except DoorbellUnavailable as error:
                logger.warning("could not ring: %s", error, extra={"event": "ring_failed"})

    def close(self) -> None:
        self.doorbell.close()
        self.store.close()


def build_services(
    settings: Settings,
    role: str = "command",
    *,
    store: Store | None = None,
    doorbell: Doorbell | None = None,
    candles: CandleLibrary | None = None,
    artifacts: ArtifactStore | None = None,
    clock: Clock | None = None,
) -> Services:
    """Wire everything the settings ask for; arguments replace single parts.

    ``role``: see :func:`build_store`.
    """
    own_places = candles is None and artifacts is None
    # What may be refused comes before what would have to be closed then.
    candles = candles or build_candles(settings)
    own_artifacts = build_artifacts(settings) if artifacts is None else None
    store = store or build_store(settings, role)
    place = None
    if own_artifacts is not None:
        place = ArtifactPlace(store, own_artifacts, settings.artifacts)
        artifacts = CheckedArtifacts(own_artifacts, place)
    assert artifacts is not None, "given, or made above"
    return Services(
        settings=settings,
        store=store,
        doorbell=doorbell or build_doorbell(settings),
        candles=candles,
        artifacts=artifacts,
        clock=clock or build_clock(),
        admission=Admission(store, admission_policy(settings), engine.parse_config),
        artifact_place=place,
        places=Places(settings) if own_places else None,
    )
