"""Admission of a bundle: whether it may run, and how it is cut into chunk jobs.

A bundle is examined as a whole before any of its variants runs: the fields of its document, the
shape of its grid, and what is wrong with all of its variants. A variant that is wrong by itself
fails alone, later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import engine
from engine.digest import SUMMARY_METRICS
from engine.errors import ConfigProblem
from engine.limits import shown
from worker.jobs import bundle_transitions
from worker.jobs.bundle import MAX_NAME_CHARACTERS, Bundle, is_bundle_id
from worker.jobs.chunks import MAX_CHUNKS
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.job import id_problem
from worker.jobs.rank import queue_rank
from worker.jobs.variants import VariantSource
from worker.ports import Store
from worker.services.admission import AdmissionPolicy
from worker.services.bundles.bars import BundleBars
from worker.services.bundles.common_mistakes import common_mistakes
from worker.services.bundles.cost_model import (
    LONGEST_CHUNK_SECONDS,
    Estimate,
    estimate_bundle,
)
from worker.services.quotas import Quotas

#: Somebody set the status of a bundle back by hand.
RUN_BEFORE = "A bundle runs once: make a new one of it."

ReadVariants = Callable[[Bundle], VariantSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A bundle that may run: its variants, and the size of chunks that fits its work."""

    engine_version: str
    priority: int
    lane: str
    variants: VariantSource
    bars: BundleBars
    chunk_size: int


class BundleAdmission:
    """The service. ``read_variants`` finds a bundle's variants, wherever they are kept."""

    def __init__(self, store: Store, policy: AdmissionPolicy, read_variants: ReadVariants) -> None:
        self._store = store
        self._policy = policy
        self._read_variants = read_variants
        self._quotas = Quotas(store, policy.quotas)

    def examine(self, bundle: Bundle) -> Examined:
        """Everything about a bundle that does not depend on what its owner has done today.

        Raises:
            ConfigError: fields, grid, base config or the paths that all variants set are wrong;
                every problem with its path.
            JobFailure: another reason why it must not run.
            StoreUnavailable: its list of variants cannot be read now.
        """
        if not is_bundle_id(bundle.bundle_id):
            raise JobFailure(ErrorCode.INVALID_CONFIG, id_problem(bundle.bundle_id))
        if bundle.cancel_requested:
            raise JobFailure(ErrorCode.CANCELLED, bundle_transitions.CANCELLED_MESSAGE)
        if bundle.chunks is not None:
            raise JobFailure(ErrorCode.INVALID_CONFIG, RUN_BEFORE)
        if not bundle.user_id or not bundle.user_id.strip():
            raise JobFailure(ErrorCode.MISSING_USER, "The bundle has no userId.")
        if bundle.defects:
            raise JobFailure(
                ErrorCode.INVALID_CONFIG, f"The bundle is not valid: {'; '.join(bundle.defects)}."
            )
        version = self._policy.version_of(bundle.engine_version)
        problems = list(_field_problems(bundle))
        try:
            variants = self._read_variants(bundle)
        except engine.ConfigError as error:
            raise engine.ConfigError([*problems, *error.problems]) from None
        except FileNotFoundError:
            raise JobFailure(
                ErrorCode.INVALID_CONFIG, "The bundle's list of variants is gone."
            ) from None
        if version in self._policy.own_versions:
            problems += common_mistakes(bundle.base_config, variants)
        if problems:
            raise engine.ConfigError(problems)
        estimate = estimate_bundle(bundle.base_config, variants, bundle.keep_results)
        if estimate.is_too_long:
            raise JobFailure(ErrorCode.INVALID_CONFIG, _too_long(estimate))
        return Examined(
            engine_version=version,
            priority=self._policy.priority_of(bundle.priority),
            lane=self._policy.rollout.lane_of(bundle.user_id),
            variants=variants,
            bars=BundleBars(bundle.base_config, variants),
            chunk_size=self.chunk_size_of(estimate),
        )

    def check_quotas(self, bundle: Bundle, examined: Examined, now: datetime) -> None:
        """May its owner have this bundle beside everything else?

        A bundle counts as one queued job until it has ended, and all its bars count for the day.

        Raises:
            JobFailure: QUOTA_EXCEEDED.
            StoreUnavailable: nobody can tell.
        """
        user_id = bundle.user_id or ""
        limit = self._policy.quotas.queued
        others = self._store.open_bundles_of(user_id) - (bundle.created_at is not None)
        if limit is not None and others >= limit:
            raise JobFailure(
                ErrorCode.QUOTA_EXCEEDED,
                f"You have {limit} bundles already that have not ended, which is all you may have. "
                "Wait until some of them have ended, or cancel some.",
            )
        self._quotas.check(user_id, examined.bars.total, now, what="bundle")

    def room_of(self, user_id: str) -> int | None:
        """How many chunk jobs may enter the queue now; ``None`` is any number."""
        return self._quotas.room_of(user_id)

    def rank_of(self, admitted_at: datetime, priority: int) -> float:
        """The place in the queue of jobs that are admitted then."""
        return queue_rank(admitted_at, priority, self._policy.ageing_seconds)

    def chunk_size_of(self, estimate: Estimate) -> int:
        """How many variants a chunk job has: what the cost model says, or less where a job may not
        take so long.
        """
        allowed = self._policy.max_timeout_seconds / 2
        if estimate.seconds / estimate.variants * estimate.chunk_size <= allowed:
            return estimate.chunk_size
        fitting = int(allowed * estimate.variants / estimate.seconds)
        return max(1, fitting, -(-estimate.variants // MAX_CHUNKS))


def _field_problems(bundle: Bundle) -> list[ConfigProblem]:
    problems = []
    if bundle.name is not None and len(bundle.name) > MAX_NAME_CHARACTERS:
        expected = f"at most {MAX_NAME_CHARACTERS} characters"
        problems.append(ConfigProblem("name", expected, f"{len(bundle.name)}"))
    if bundle.rank_by not in SUMMARY_METRICS:
        expected = f"one of {', '.join(SUMMARY_METRICS)}"
        problems.append(ConfigProblem("rankBy", expected, shown(bundle.rank_by)))
    return problems


def _too_long(estimate: Estimate) -> str:
    most = MAX_CHUNKS * LONGEST_CHUNK_SECONDS / 3600
    return (
        f"The bundle would take about {estimate.seconds / 3600:,.0f} hours of one processor, and "
        f"at most {most:,.0f} fit in one bundle: use fewer variants, or a shorter range."
    )
