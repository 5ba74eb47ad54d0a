"""Variants that can be run, and what became of them."""

from dataclasses import dataclass

from engine.config import BacktestConfig
from engine.errors import DataError, DataNotFoundError
from engine.metrics import SweepMetrics
from engine.sweeps.result import VariantError


@dataclass(frozen=True, slots=True)
class Variant:
    """A sound config and its place in the sweep."""

    index: int
    config: BacktestConfig


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a variant: metrics and the fingerprint of their data, or an error."""

    index: int
    metrics: SweepMetrics | None = None
    fingerprint: str = ""
    error: VariantError | None = None


def failure(index: int, error: Exception) -> Row:
    """The row of a variant that could not be run."""
    if isinstance(error, DataNotFoundError):
        return Row(index, error=VariantError("DATA_NOT_FOUND", str(error)))
    if isinstance(error, DataError):
        return Row(index, error=VariantError("DATA_INVALID", str(error)))
    return Row(index, error=VariantError("ENGINE_ERROR", f"{type(error).__name__}: {error}"))
