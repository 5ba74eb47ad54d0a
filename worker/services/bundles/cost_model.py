"""How long variants take, before they are run: what chunks are cut by and estimates are made of.

The figures are seconds of one processor, rounded up from what ``python -m benchmarks.bundle_costs``
prints (docs/bundles.md says on which machine). Bars are counted as quotas count them, as if markets
never closed, so that estimates are rather too long than too short.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import engine
from engine.config import BacktestConfig
from engine.execution import Execution
from engine.indicator_parameters import Indicator
from engine.limits import structural_problems
from engine.portfolio_parameters import PortfolioParameters
from engine.presets import as_rules
from engine.sweeps.overrides import overridden
from engine.wheel_parameters import WheelParameters
from worker.jobs.bundle import KeepResults
from worker.jobs.chunks import MAX_CHUNKS
from worker.services.bundles.kept_results import BEST
from worker.services.bundles.variant_rows import Variants
from worker.services.quotas import bars_of

#: Reading a variant, its figures, its digest and its row.
VARIANT_SECONDS = 150e-6
#: A close of a path of prices that is read with each variant, and of one that is read once for all.
CLOSE_SECONDS = 500e-9
SHARED_CLOSE_SECONDS = 5e-9
#: A bar of one variant that trades on signals; what levels add to it, and each indicator other than
#: a simple average, by type (:data:`OTHER_INDICATOR_SECONDS` for the rest).
SIGNAL_BAR_SECONDS = 5e-9
LEVEL_BAR_SECONDS = 2e-9
INDICATOR_BAR_SECONDS = {"sma": 0.0, "supertrend": 15e-9}
OTHER_INDICATOR_SECONDS = 5e-9
#: A bar of a wheel, and of one sleeve of a portfolio.
WHEEL_BAR_SECONDS = 130e-9
SLEEVE_BAR_SECONDS = 200e-9
SLEEVE_SECONDS = 0.5e-3
#: A full result, made and stored.
RESULT_SECONDS = 40e-3
RESULT_BAR_SECONDS = 250e-9

#: What a chunk job should take, and the longest that one is made to take.
CHUNK_SECONDS = 60.0
LONGEST_CHUNK_SECONDS = 120.0
#: How many variants of a bundle are looked at.
SAMPLE = 100

#: A base has to leave room for more keys and bytes than its overrides may need, or each variant is
#: checked whole (:mod:`engine.sweeps.reading`).
_SPARE_KEYS, _SPARE_BYTES = 200, 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """``bars`` of all variants together, as quotas count them; ``seconds`` of one processor."""

    variants: int
    bars: int
    seconds: float

    @property
    def is_too_long(self) -> bool:
        """Whether the largest number of chunk jobs is too few for it."""
        return self.seconds > MAX_CHUNKS * LONGEST_CHUNK_SECONDS

    @property
    def chunk_size(self) -> int:
        """How many variants a chunk job should have, so that none takes long or next to nothing."""
        chunks = min(max(1, math.ceil(self.seconds / CHUNK_SECONDS)), MAX_CHUNKS)
        return max(1, math.ceil(self.variants / chunks))


def estimate_backtest(config: BacktestConfig) -> Estimate:
    """One job with its full result."""
    bars = bars_of(config)
    seconds = _variant_seconds(config) + RESULT_SECONDS + bars * RESULT_BAR_SECONDS
    return Estimate(variants=1, bars=bars, seconds=seconds)


def estimate_bundle(
    base: Mapping[str, Any], variants: Variants, keep: KeepResults = KeepResults.NONE
) -> Estimate:
    """All variants of a bundle, judged by :data:`SAMPLE` of them, evenly spread.

    A variant that is not valid takes no bars.
    """
    total = len(variants)
    sample = min(total, SAMPLE)
    bars = 0
    seconds = 0.0
    has_room = not structural_problems(base, _SPARE_KEYS, _SPARE_BYTES)
    for place in range(sample):
        overrides = variants[place * total // sample]
        config = _config(base, overrides)
        if config is not None:
            bars += bars_of(config)
            is_shared = has_room and _shares_path(config, overrides)
            close = SHARED_CLOSE_SECONDS if is_shared else CLOSE_SECONDS
            seconds += _variant_seconds(config) + _closes(config) * close
    per_variant = bars / sample
    kept = {KeepResults.NONE: 0, KeepResults.BEST: min(total, BEST), KeepResults.ALL: total}[keep]
    return Estimate(
        variants=total,
        bars=round(per_variant * total),
        seconds=total * (VARIANT_SECONDS + seconds / sample)
        + kept * (RESULT_SECONDS + per_variant * RESULT_BAR_SECONDS),
    )


def _config(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> BacktestConfig | None:
    try:
        return engine.parse_config(overridden(base, overrides))
    except engine.ConfigError:
        return None


def _closes(config: BacktestConfig) -> int:
    """How many prices come with a config."""
    if isinstance(config.parameters, PortfolioParameters):
        return sum(map(_closes, (sleeve.config for sleeve in config.parameters.sleeves)))
    return len(config.price_path or ())


def _shares_path(config: BacktestConfig, overrides: Mapping[str, Any]) -> bool:
    """Whether the base's path of prices is not read again for this variant: it sets numbers and
    words where they are read alone. A portfolio is always read whole.
    """
    if isinstance(config.parameters, PortfolioParameters):
        return False
    return all(
        path.startswith(("parameters.", "execution."))
        and not isinstance(value, Mapping | list | tuple)
        for path, value in overrides.items()
    )


def _variant_seconds(config: BacktestConfig) -> float:
    """What the bars of one variant take."""
    match config.parameters:
        case PortfolioParameters():
            return sum(
                SLEEVE_SECONDS + bars_of(sleeve.config) * SLEEVE_BAR_SECONDS
                for sleeve in config.parameters.sleeves
            )
        case WheelParameters():
            return bars_of(config) * WHEEL_BAR_SECONDS
        case parameters:
            indicators = as_rules(config.strategy_id, parameters).indicators.values()
            bar = SIGNAL_BAR_SECONDS + sum(map(_indicator_seconds, indicators))
            return bars_of(config) * (bar + _level_seconds(config.execution))


def _indicator_seconds(indicator: Indicator) -> float:
    return INDICATOR_BAR_SECONDS.get(indicator.type, OTHER_INDICATOR_SECONDS)


def _level_seconds(execution: Execution) -> float:
    levels = (execution.stop_loss, execution.take_profit, execution.trailing_stop)
    return LEVEL_BAR_SECONDS if any(level is not None for level in levels) else 0.0
