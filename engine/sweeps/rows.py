"""Variants that can be run, and what became of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic.alias_generators import to_camel

from engine.config import BacktestConfig
from engine.digest import summary_digest
from engine.errors import DataError, DataNotFoundError
from engine.metrics import SweepMetrics
from engine.model import Model
from engine.sweeps.frames import Frame

#: The metrics by their Python names and by those in documents.
METRIC_NAMES: Mapping[str, str] = MappingProxyType(
    {field.name: to_camel(field.name) for field in fields(SweepMetrics)}
)


class VariantError(NamedTuple):
    """Why a variant failed; ``code`` is one of a job's error codes."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RegimeCycles:
    """Completed cycles that one regime dominates, and their average return; 0.0 without any."""

    completed: int
    avg_return: float


class CyclesByRegime(NamedTuple):
    """What a single run gives as ``uptrendAvgCycleReturn`` and so on, with what it averages."""

    uptrend: RegimeCycles
    downtrend: RegimeCycles
    sideways: RegimeCycles


@dataclass(slots=True)
class Variant:
    """A sound config, in two parts, and its place in the sweep."""

    index: int
    overrides: Mapping[str, Any]
    frame: Frame
    parameters: Model

    @property
    def config(self) -> BacktestConfig:
        """The whole of it."""
        config = self.frame.config
        if self.parameters is config.parameters:
            return config
        return config.model_copy(update={"parameters": self.parameters})


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What became of a variant: ``metrics`` or an ``error``.

    ``index`` is its place in the sweep. ``fingerprint`` is that of the data, and ``regimes`` are
    its cycles by regime; there are none where not all figures were asked for.
    """

    index: int
    metrics: SweepMetrics | None = None
    fingerprint: str = ""
    regimes: CyclesByRegime | None = None
    error: VariantError | None = None

    def figures(self) -> dict[str, float | int | None] | None:
        """The metrics by their camelCase names; None for one that does not exist."""
        if self.metrics is None:
            return None
        found = {name: getattr(self.metrics, field) for field, name in METRIC_NAMES.items()}
        return {name: None if _is_nan(value) else value for name, value in found.items()}

    @property
    def summary_digest(self) -> str | None:
        """That of the variant's single run; None without all figures."""
        figures = self.figures()
        return summary_digest(self.fingerprint, figures) if figures and self.fingerprint else None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def failure(index: int, error: Exception) -> SweepRow:
    """The row of a variant that could not be run."""
    if isinstance(error, DataNotFoundError):
        return SweepRow(index, error=VariantError("DATA_NOT_FOUND", str(error)))
    if isinstance(error, DataError):
        return SweepRow(index, error=VariantError("DATA_INVALID", str(error)))
    return SweepRow(index, error=VariantError("ENGINE_ERROR", f"{type(error).__name__}: {error}"))
