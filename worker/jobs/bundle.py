"""The record of a bundle: one base config, run in many variants by jobs of its own.

A bundle has the four states of a job. It is ``queued`` until it is expanded into chunk jobs, each
of which runs a range of its variants; all of them are created by the commit that makes the bundle
``running``. When the last of them has ended, one commit ends the bundle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

from worker.jobs.errors import ErrorCode
from worker.jobs.job import JOB_ID_PATTERN, Artifact, is_job_id
from worker.jobs.lease import ServerTime
from worker.jobs.states import EnumStyle, JobStatus

#: Bundles and jobs are named alike.
BUNDLE_ID_PATTERN = JOB_ID_PATTERN
is_bundle_id = is_job_id

#: What a bundle's ``name`` may have at most.
MAX_NAME_CHARACTERS = 200

DEFAULT_RANK_BY = "sharpe"

#: Names of :attr:`Bundle.artifacts`: the rows of all variants.
VARIANT_ROWS = "variants"


class KeepResults(StrEnum):
    """Which variants' full results are kept as artifacts: the ten best, all, or none."""

    BEST = "best"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOutline:
    """What a list shows of a bundle, and what its progress is counted with: nothing long.

    ``total``, ``completed`` and ``failed`` count variants; each chunk job has ``chunk_size`` of
    them (the last may have fewer).
    """

    bundle_id: str
    user_id: str | None = None
    status: JobStatus = JobStatus.QUEUED
    name: str | None = None
    submitted_at: datetime | str | None = None
    engine_version: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    progress: float = 0.0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None
    error_code: ErrorCode | None = None
    admitted_at: datetime | None = None
    chunk_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(BundleOutline):
    """One bundle, whatever store it lies in.

    Exactly one of ``parameter_grid``, ``variants`` and ``variants_artifact`` says what the
    variants are; the last is for lists that came by HTTP and are longer than a document holds.
    :class:`worker.jobs.variants.VariantSource` reads all three.

    ``chunks`` is the number of chunk jobs, ``None`` until the bundle is expanded. ``summary`` and
    ``artifacts`` (:data:`VARIANT_ROWS`) come with its end. ``expansion_tries`` counts the sweep's
    tries to expand it, and before ``next_expansion_at`` it makes none. ``defects`` is as for a job.
    """

    created_at: datetime | None = None
    priority: int = 0
    base_config: Mapping[str, Any] = field(default_factory=dict)
    parameter_grid: Mapping[str, Any] | None = None
    variants: Sequence[Any] | None = None
    variants_artifact: Artifact | None = None
    rank_by: str = DEFAULT_RANK_BY
    keep_results: KeepResults = KeepResults.BEST
    cancel_requested: bool = False
    summary: Mapping[str, Any] | None = None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    lane: str | None = None
    enum_style: EnumStyle = EnumStyle.PLAIN
    chunks: int | None = None
    expansion_tries: int = 0
    next_expansion_at: datetime | None = None
    expire_at: datetime | None = None
    defects: tuple[str, ...] = ()


class BundleChange(TypedDict, total=False):
    """The fields of a :class:`Bundle` that one commit writes; the others stay as they are."""

    status: JobStatus
    engine_version: str
    priority: int
    cancel_requested: bool
    total: int
    completed: int
    failed: int
    progress: float
    started_at: datetime | ServerTime | None
    completed_at: datetime | ServerTime | None
    error_message: str | None
    error_code: ErrorCode | None
    summary: Mapping[str, Any] | None
    artifacts: Mapping[str, Artifact]
    admitted_at: datetime | ServerTime | None
    lane: str | None
    chunk_size: int
    chunks: int
    expansion_tries: int
    next_expansion_at: datetime
    expire_at: datetime | None


@dataclass(frozen=True, slots=True)
class BundleSnapshot:
    """A bundle as it was read; ``version`` and ``read_at`` as for a job's snapshot."""

    bundle: Bundle
    version: Any
    read_at: datetime
