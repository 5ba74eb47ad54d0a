"""Variants on their way through a sweep: read, put into batches, run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.errors import ConfigError, DataError, Stopped
from engine.parsing import parse_config
from engine.portfolio_parameters import PortfolioParameters
from engine.sweeps.one_by_one import run_variant
from engine.sweeps.overrides import overridden
from engine.sweeps.rows import SweepRow, Variant, VariantError, failure
from engine.sweeps.shared import Shared
from engine.sweeps.tiles import TileBatch, candidate, tile_batches
from engine.wheel_parameters import WheelParameters

#: Variants that one thread takes at a time and runs one after the other.
BATCH = 16


def read(base: Mapping[str, Any], index: int, overrides: Mapping[str, Any]) -> Variant | SweepRow:
    """The variant, or the row that says why there is none."""
    try:
        return Variant(index, parse_config(overridden(base, overrides)))
    except ConfigError as error:
        return SweepRow(index, error=VariantError("INVALID_CONFIG", str(error)))


class Batch:
    """Some variants that one thread runs; ``rows`` grows as they end."""

    def __init__(self, variants: Sequence[Variant], shared: Shared) -> None:
        self.variants = variants
        self.rows: list[SweepRow] = []
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
                self.rows.append(SweepRow(variant.index, metrics, fingerprint))


def batches_of(
    variants: Sequence[Variant], shared: Shared, threads: int, depth: int
) -> Iterator[Batch | TileBatch | SweepRow]:
    """Work for the threads, and the rows of variants for which there is no data."""
    candidates = []
    others = []
    for variant in variants:
        if not isinstance(variant.config.parameters, WheelParameters | PortfolioParameters):
            try:
                candidates.append(candidate(variant, shared))
            except DataError as error:
                yield failure(variant.index, error)
        else:
            others.append(variant)
    yield from tile_batches(candidates, shared, threads, depth)
    for first in range(0, len(others), BATCH):
        yield Batch(others[first : first + BATCH], shared)
