"""Running thousands of variants of one config over the same candles."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from engine.candles import Candles
from engine.digest import SUMMARY_METRICS
from engine.errors import ConfigError, ConfigProblem
from engine.inputs import Given
from engine.limits import shown
from engine.parsing import parse_config
from engine.sweeps.account_kernel import DRAWDOWN, RETURNS, TRADES
from engine.sweeps.crew import Crew, processors
from engine.sweeps.grid import Grid, expand_grid
from engine.sweeps.overrides import overridden
from engine.sweeps.result import BestVariant, Ending, SweepResult, VariantError
from engine.sweeps.rows import Row, Variant
from engine.sweeps.shared import Shared
from engine.sweeps.tiles import TileBatch
from engine.sweeps.variants import Batch, batches_of, read

__all__ = [
    "BestVariant",
    "Ending",
    "Grid",
    "SweepResult",
    "VariantError",
    "expand_grid",
    "run_sweep",
]

Overrides = Mapping[str, Any]

Figures = Literal["all", "drawdown", "trades"]
_DEPTHS = {"all": RETURNS, "drawdown": DRAWDOWN, "trades": TRADES}

#: Variants that are read before the next ones are put to work.
WINDOW = 1024


def run_sweep(
    base: Mapping[str, Any],
    overrides: Collection[Overrides],
    candles: Candles | Given | None = None,
    *,
    rank_by: str = "sharpe",
    keep_best: int = 10,
    figures: Figures = "all",
    threads: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SweepResult:
    """Run every variant of ``base`` and keep the sweep metrics of each.

    A row equals the single run of the variant's config bit for bit, whatever the number of
    threads and whoever else is in the sweep. A variant that cannot be run fails alone.

    Args:
        base: a config as clients write it; it may be incomplete where every variant completes it.
        overrides: for each variant the dotted paths to set (``{"parameters.fast": 5}``); a list
            or :func:`expand_grid`.
        candles: as for :func:`engine.run_backtest`.
        rank_by: the sweep metric that ``best`` goes by, descending.
        keep_best: how many variants to keep in ``best``, from which their full results are had.
        figures: what to count. ``"trades"`` leaves out everything that needs the equity of each
            bar, ``"drawdown"`` all of that but ``maxDrawdown``; both are several times faster for
            signal strategies, for looking through a large grid. Such figures are null then, and
            rows have no digest. Other strategies always have all figures.
        threads: None for one a processor.
        on_progress: hears the finished fraction, in the caller's thread.
        should_stop: asked about twenty times a second, in the caller's thread; once it says yes,
            the rows that are finished are given back and the others are ``Ending.NOT_RUN``.

    Raises:
        ConfigError: ``rank_by`` is no sweep metric, ``figures`` is unknown, or ``base`` no object.
    """
    if rank_by not in SUMMARY_METRICS:
        expected = f"one of {', '.join(SUMMARY_METRICS)}"
        raise ConfigError([ConfigProblem("rankBy", expected, shown(rank_by))])
    if figures not in _DEPTHS:
        expected = f"one of {', '.join(_DEPTHS)}"
        raise ConfigError([ConfigProblem("figures", expected, shown(figures))])
    if not isinstance(base, Mapping):
        raise ConfigError([ConfigProblem("baseConfig", "an object", shown(base))])
    variants = overrides if isinstance(overrides, Sequence) else list(overrides)
    result = SweepResult(len(variants), rank_by, has_digests=figures == "all")
    shared = Shared(candles)
    ended = 0

    def look() -> bool:
        if on_progress is not None and len(variants):
            on_progress((ended + crew.in_hand) / len(variants))
        return should_stop is not None and should_stop()

    def keep(rows: Sequence[Row]) -> None:
        nonlocal ended
        ended += len(rows)
        for row in rows:
            _keep(result, row)

    count = threads or processors()
    with Crew[Batch | TileBatch](count, look, lambda batch: keep(batch.rows)) as crew:
        for window in _windows(variants):
            found = [read(base, index, changes) for index, changes in window]
            keep([row for row in found if isinstance(row, Row)])
            sound = [variant for variant in found if isinstance(variant, Variant)]
            for work in batches_of(sound, shared, count, _DEPTHS[figures]):
                if isinstance(work, Row):
                    keep([work])
                else:
                    crew.take(work)
            crew.look()
            if crew.stopped:
                break
        crew.finish()
        result.stopped = crew.stopped
    result.best = tuple(
        BestVariant(
            index, variants[index], parse_config(overridden(base, variants[index])), candles
        )
        for index in result.ranking()[:keep_best]
    )
    if on_progress is not None and not result.stopped:
        on_progress(1.0)
    return result


def _windows(variants: Sequence[Overrides]) -> Iterator[list[tuple[int, Overrides]]]:
    numbered = enumerate(variants)
    while window := list(itertools.islice(numbered, WINDOW)):
        yield window


def _keep(result: SweepResult, row: Row) -> None:
    if row.metrics is not None:
        result.finish(row.index, row.metrics, row.fingerprint)
    elif row.error is not None:
        result.fail(row.index, row.error)
