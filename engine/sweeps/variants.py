"""Variants on their way through a sweep: read, run, accounted for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config import BacktestConfig
from engine.errors import ConfigError, DataError, DataNotFoundError, Stopped
from engine.metrics import SweepMetrics
from engine.parsing import parse_config
from engine.sweeps.one_by_one import run_variant
from engine.sweeps.overrides import overridden
from engine.sweeps.result import VariantError
from engine.sweeps.shared import Shared


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


def read(base: Mapping[str, Any], index: int, overrides: Mapping[str, Any]) -> Variant | Row:
    """The variant, or the row that says why there is none."""
    try:
        return Variant(index, parse_config(overridden(base, overrides)))
    except ConfigError as error:
        return Row(index, error=VariantError("INVALID_CONFIG", str(error)))


def failure(index: int, error: Exception) -> Row:
    """The row of a variant that could not be run."""
    if isinstance(error, DataNotFoundError):
        return Row(index, error=VariantError("DATA_NOT_FOUND", str(error)))
    if isinstance(error, DataError):
        return Row(index, error=VariantError("DATA_INVALID", str(error)))
    return Row(index, error=VariantError("ENGINE_ERROR", f"{type(error).__name__}: {error}"))


class Batch:
    """Some variants that one thread runs; ``rows`` grows as they end."""

    def __init__(self, variants: Sequence[Variant], shared: Shared) -> None:
        self.variants = variants
        self.rows: list[Row] = []
        self._shared = shared

    @property
    def done(self) -> float:
        """How many variants have ended."""
        return float(len(self.rows))

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run them all, or until ``should_stop`` says yes. A variant fails alone."""
        for variant in self.variants:
            try:
                metrics, fingerprint = run_variant(variant.config, self._shared, should_stop)
            except Stopped:
                return
            except Exception as error:
                self.rows.append(failure(variant.index, error))
            else:
                self.rows.append(Row(variant.index, metrics, fingerprint))
