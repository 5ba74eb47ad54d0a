"""Submitting a bundle from this side: examined first, stored once, whatever its size.

Its variants stay as they came, a grid or a list; a list that is long for a document lies in an
artifact. Nothing is made for single variants here.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from worker.jobs.bundle import DEFAULT_RANK_BY, Bundle, BundleSnapshot, KeepResults
from worker.jobs.errors import BundleExists, Conflict, JobFailure
from worker.jobs.variants import VariantSource
from worker.ports import ArtifactStore, BundleStore, Clock
from worker.services.bundles.admission import BundleAdmission, Examined
from worker.services.bundles.variant_lists import store_variants
from worker.services.submission import KEY_LIFETIME, KeyReused, id_of_key

#: A document has at most a megabyte; base config and variants beyond this much of it as JSON are
#: parted.
MAX_DOCUMENT_CHARACTERS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBundle:
    """What a user asks for."""

    user_id: str
    base_config: Mapping[str, Any]
    parameter_grid: Mapping[str, Any] | None = None
    variants: Sequence[Any] | None = None
    name: str | None = None
    rank_by: str = DEFAULT_RANK_BY
    keep_results: KeepResults = KeepResults.BEST
    priority: int = 0
    engine_version: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class SubmittedBundle:
    """The stored bundle; ``is_new`` is false when an earlier request had made it."""

    snapshot: BundleSnapshot
    is_new: bool


class BundleSubmission:
    """The service."""

    def __init__(
        self,
        store: BundleStore,
        admission: BundleAdmission,
        artifacts: ArtifactStore,
        clock: Clock,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._store = store
        self._admission = admission
        self._artifacts = artifacts
        self._clock = clock
        self._new_id = new_id

    def planned(self, asked: AskedBundle) -> Bundle:
        """What would be stored, apart from its id."""
        return Bundle(
            bundle_id="new",
            user_id=asked.user_id,
            name=asked.name,
            submitted_at=self._clock.now(),
            base_config=asked.base_config,
            parameter_grid=asked.parameter_grid,
            variants=asked.variants,
            rank_by=asked.rank_by,
            keep_results=asked.keep_results,
            priority=asked.priority,
            engine_version=asked.engine_version,
        )

    def examine(self, bundle: Bundle) -> Examined:
        """What admission makes of it.

        Raises:
            ConfigError: the bundle is not valid.
            JobFailure: it would be refused for another reason.
        """
        return self._admission.examine(bundle)

    def check_quotas(self, bundle: Bundle, examined: Examined) -> None:
        """Raises ``JobFailure`` QUOTA_EXCEEDED."""
        self._admission.check_quotas(bundle, examined, self._clock.now())

    def submit(self, asked: AskedBundle) -> SubmittedBundle:
        """Store a bundle; whoever hears of it expands it.

        Raises:
            ConfigError, JobFailure: as :meth:`examine`, and for quotas; nothing was stored.
            KeyReused: the idempotency key belongs to another bundle.
            RecordRefused: no store could hold it.
            StoreUnavailable: the store did not answer; with ``OutcomeUnknown`` it may exist.
        """
        bundle = self.planned(asked)
        examined = self.examine(bundle)
        if asked.idempotency_key is None:
            return self._create(self._new_id(), bundle, examined)
        return self._create_once(asked.user_id, asked.idempotency_key, bundle, examined)

    def _create(self, bundle_id: str, bundle: Bundle, examined: Examined) -> SubmittedBundle:
        self.check_quotas(bundle, examined)
        stored = self._placed(bundle_id, bundle, examined.variants)
        return SubmittedBundle(self._store.create_bundle(stored), is_new=True)

    def _create_once(
        self, user_id: str, key: str, bundle: Bundle, examined: Examined
    ) -> SubmittedBundle:
        today = self._clock.now().toordinal()
        yesterday_id = id_of_key(user_id, key, today - 1, "bundle")
        yesterday = self._store.get_bundle(yesterday_id)
        if yesterday is not None and _is_alive(yesterday):
            return self._repeated(yesterday, bundle, examined)
        bundle_id = id_of_key(user_id, key, today, "bundle")
        try:
            return self._create(bundle_id, bundle, examined)
        except (BundleExists, JobFailure) as error:
            # Who is over a quota now may ask again for what was taken before.
            first = self._store.get_bundle(bundle_id)
            if first is None and isinstance(error, JobFailure):
                raise
            if first is None:
                raise Conflict(bundle_id) from None
            return self._repeated(first, bundle, examined)

    def _repeated(
        self, first: BundleSnapshot, bundle: Bundle, examined: Examined
    ) -> SubmittedBundle:
        stored = first.bundle
        same = self._placed(stored.bundle_id, bundle, examined.variants)
        is_same = (
            stored.user_id == same.user_id
            and stored.name == same.name
            and stored.base_config == same.base_config
            and stored.parameter_grid == same.parameter_grid
            and stored.variants == same.variants
            and stored.variants_artifact == same.variants_artifact
            and stored.rank_by == same.rank_by
            and stored.keep_results == same.keep_results
            and stored.priority in (same.priority, examined.priority)
            and stored.engine_version in (same.engine_version, examined.engine_version)
        )
        if not is_same:
            raise KeyReused
        return SubmittedBundle(first, is_new=False)

    def _placed(self, bundle_id: str, bundle: Bundle, variants: VariantSource) -> Bundle:
        """The bundle under its id, its list of variants where there is room for it."""
        if bundle.variants is None or _length(bundle) <= MAX_DOCUMENT_CHARACTERS:
            return replace(bundle, bundle_id=bundle_id)
        artifact = store_variants(self._artifacts, bundle_id, variants)
        return replace(bundle, bundle_id=bundle_id, variants=None, variants_artifact=artifact)


def _length(bundle: Bundle) -> int:
    parts = [bundle.base_config, bundle.variants]
    return sum(len(json.dumps(part, separators=(",", ":"))) for part in parts)


def _is_alive(first: BundleSnapshot) -> bool:
    created = first.bundle.created_at
    return created is not None and first.read_at - created <= KEY_LIFETIME
