"""How bundles and their variants look in JSON."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from worker.entrypoints.job_forms import Form, Time
from worker.jobs.bundle import Bundle, BundleOutline, KeepResults
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.services.bundles.variant_rows import figures_of, from_json

Figures = dict[str, float | int | None]


class RankedVariant(Form):
    """A variant that stands out."""

    index: int
    overrides: dict[str, Any]
    metrics: Figures

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            index=row["index"], overrides=from_json(row["overrides"]), metrics=figures_of(row)
        )


class BundleSummary(Form):
    """A bundle as a list shows it."""

    bundle_id: str
    user_id: str | None
    name: str | None
    status: JobStatus = Field(description="`queued`, `running`, `completed` or `failed`.")
    submitted_at: Time | str | None
    admitted_at: Time | None
    started_at: Time | None
    completed_at: Time | None = Field(description="When the bundle ended, well or not.")
    engine_version: str | None
    total: int = Field(description="Variants; 0 until the bundle has started.")
    completed: int = Field(description="Variants that have figures.")
    failed: int = Field(description="Variants that ended with an error of their own.")
    progress: float = Field(description="0 to 1.")
    error_code: ErrorCode | None
    error_message: str | None

    @classmethod
    def of(cls, bundle: BundleOutline) -> Self:
        return cls(**_state(bundle))


class BundleForm(BundleSummary):
    """A bundle in full; its variants have pages of their own."""

    priority: int
    base_config: dict[str, Any]
    parameter_grid: dict[str, Any] | None
    rank_by: str
    keep_results: KeepResults
    cancel_requested: bool
    expire_at: Time | None
    best: RankedVariant | None = Field(description="The best of the variants that have ended.")
    summary: dict[str, Any] | None = Field(
        description="`best`, `worst`, `regimes`, `metricRanges`; null until the bundle has ended."
    )

    @classmethod
    def look(cls, bundle: Bundle, best: RankedVariant | None) -> Self:
        """The bundle with the best of its variants so far."""
        return cls(
            **_state(bundle),
            priority=bundle.priority,
            base_config=dict(bundle.base_config),
            parameter_grid=None if bundle.parameter_grid is None else dict(bundle.parameter_grid),
            rank_by=bundle.rank_by,
            keep_results=bundle.keep_results,
            cancel_requested=bundle.cancel_requested,
            expire_at=bundle.expire_at,
            best=best,
            summary=None if bundle.summary is None else dict(bundle.summary),
        )

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class VariantForm(Form):
    """One variant that has ended."""

    index: int
    status: JobStatus = Field(description="`completed` or `failed`.")
    overrides: dict[str, Any] = Field(description="What it sets in `baseConfig`.")
    metrics: Figures | None
    summary_digest: str | None = Field(description="That of a single job with its config.")
    error_code: ErrorCode | None
    error_message: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        is_sound = row["errorCode"] is None
        return cls(
            index=row["index"],
            status=JobStatus.COMPLETED if is_sound else JobStatus.FAILED,
            overrides=from_json(row["overrides"]),
            metrics=figures_of(row) if is_sound else None,
            summary_digest=row["summaryDigest"],
            error_code=row["errorCode"],
            error_message=row["errorMessage"],
        )


class VariantList(Form):
    """One page; ``nextCursor`` is null on the last one."""

    variants: list[VariantForm]
    next_cursor: str | None


class BundleList(Form):
    """One page; ``nextCursor`` is null on the last one."""

    bundles: list[BundleSummary]
    next_cursor: str | None


class VariantResult(Form):
    """The full result of one variant, as that of a job."""

    bundle_id: str
    index: int
    overrides: dict[str, Any]
    engine_version: str | None
    result_digest: str
    summary_digest: str
    backtest_result: dict[str, Any] = Field(description="Curve, cycles, trades, metrics and more.")


class EstimateForm(Form):
    """What running it would take. Nothing is stored."""

    variants: int
    bars: int = Field(description="Of all variants together, as if markets never closed.")
    seconds: float = Field(description="Of one processor; rather too long than too short.")
    jobs: int = Field(description="How many jobs share the work.")
    is_admitted: bool = Field(description="Whether your quotas would let it in now.")
    error_code: ErrorCode | None
    error_message: str | None


def _state(bundle: BundleOutline) -> dict[str, Any]:
    return {
        name: getattr(bundle, name) for name in BundleSummary.model_fields if hasattr(bundle, name)
    }
