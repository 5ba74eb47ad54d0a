"""Running thousands of variants of one config over the same candles."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

from engine.candles import Candles
from engine.digest import SUMMARY_METRICS
from engine.errors import ConfigError, ConfigProblem
from engine.inputs import Given
from engine.limits import shown
from engine.parsing import parse_config
from engine.sweeps.accounts import DRAWDOWN, RETURNS, TRADES
from engine.sweeps.arguments import check_arguments
from engine.sweeps.blocks import RowBlock
from engine.sweeps.grid import Grid, expand_grid
from engine.sweeps.leaders import Leaders
from engine.sweeps.overrides import Overrides, Variants, overridden
from engine.sweeps.processors import processors
from engine.sweeps.result import BestVariant, Ending, SweepResult
from engine.sweeps.rows import CyclesByRegime, RegimeCycles, SweepRow, VariantError
from engine.sweeps.running import Ended, Running
from engine.sweeps.shared import Shared

__all__ = [
    "BestVariant",
    "CyclesByRegime",
    "Ending",
    "Grid",
    "Leaders",
    "RegimeCycles",
    "SweepResult",
    "SweepRow",
    "VariantError",
    "Variants",
    "expand_grid",
    "overridden",
    "run_sweep",
    "sweep_rows",
]

Figures = Literal["all", "drawdown", "trades"]
_DEPTHS = {"all": RETURNS, "drawdown": DRAWDOWN, "trades": TRADES}

#: Rows that are handed out at a time, fewer when there is nothing to read any more.
MOST_ROWS = 256


def sweep_rows(
    base: Mapping[str, Any],
    overrides: Variants,
    candles: Candles | Given | None = None,
    *,
    figures: Figures = "all",
    threads: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[list[SweepRow]]:
    """The rows of a sweep as they come, some at a time, for whoever writes them away.

    Every variant has one row, in any order; a list holds 256 of them at most. Memory does not grow
    with the number of variants. Threads go on while the caller is busy with a list, but not far:
    a caller who takes no more rows stops them by closing the iterator (leaving the loop does).

    Args:
        base, overrides, candles, figures, threads: as for :func:`run_sweep`.
        on_progress: hears the finished fraction, in the caller's thread, while it waits for rows.
        should_stop: asked about twenty times a second in the caller's thread; once it says yes,
            rows that are finished still come, and then no more. Indices that never came were not
            run.

    Raises:
        ConfigError: an argument that cannot be: ``figures`` is unknown, ``base`` no object,
            ``overrides`` no list, ``threads`` 0. Raised by the call itself.
        DataError: ``candles`` are neither candles nor a mapping; by the call itself.
    """
    check_arguments(
        base,
        overrides,
        candles,
        threads=threads,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return _listed(_ended(base, overrides, candles, figures, threads, on_progress, should_stop))


def _ended(
    base: Mapping[str, Any],
    overrides: Variants,
    candles: Candles | Given | None,
    figures: Figures,
    threads: int | None,
    on_progress: Callable[[float], None] | None,
    should_stop: Callable[[], bool] | None,
) -> Generator[Ended, None, None]:
    if figures not in tuple(_DEPTHS):  # a list cannot be looked up
        expected = f"one of {', '.join(_DEPTHS)}"
        raise ConfigError([ConfigProblem("figures", expected, shown(figures))])
    run = Running(base, overrides, Shared(candles), _DEPTHS[figures], on_progress, should_stop)
    return run.ended(threads or processors(), MOST_ROWS)


def _listed(found: Generator[Ended, None, None]) -> Iterator[list[SweepRow]]:
    with closing(found):
        for some in found:
            if isinstance(some, RowBlock):
                yield from some.lists(MOST_ROWS)
            else:
                yield some


def run_sweep(
    base: Mapping[str, Any],
    overrides: Variants,
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
        overrides: for each variant the dotted paths to set (``{"parameters.fast": 5}``): a list,
            :func:`expand_grid`, or anything else with ``len()`` that can be iterated or indexed.
            One that makes a variant when it is asked for it is never held whole.
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
        ConfigError: an argument that cannot be: ``rank_by`` is no sweep metric, ``figures`` is
            unknown, ``base`` no object, ``overrides`` no list, ``keep_best`` negative.
        DataError: ``candles`` are neither candles nor a mapping.
    """
    if rank_by not in SUMMARY_METRICS:
        expected = f"one of {', '.join(SUMMARY_METRICS)}"
        raise ConfigError([ConfigProblem("rankBy", expected, shown(rank_by))])
    check_arguments(
        base,
        overrides,
        candles,
        threads=threads,
        on_progress=on_progress,
        should_stop=should_stop,
        keep_best=keep_best,
    )
    result = SweepResult(len(overrides), rank_by)
    stopped = False

    def stops() -> bool:
        nonlocal stopped
        stopped = stopped or (should_stop is not None and should_stop())
        return stopped

    leaders = Leaders(rank_by, keep_best)
    for some in _ended(base, overrides, candles, figures, threads, on_progress, stops):
        if isinstance(some, RowBlock):
            result.keep_block(some)
            leaders.add_block(some)
            continue
        for row in some:
            result.keep(row)
            leaders.add(row)
    result.stopped = stopped
    chosen = _picked(overrides, {row.index for row in leaders.rows()})
    result.best = tuple(
        BestVariant(
            row.index,
            chosen[row.index],
            parse_config(overridden(base, chosen[row.index])),
            candles,
        )
        for row in leaders.rows()
    )
    return result


def _picked(overrides: Variants, indices: set[int]) -> dict[int, Overrides]:
    if isinstance(overrides, Sequence) or not isinstance(overrides, Collection):
        return {index: overrides[index] for index in indices}
    return {index: changes for index, changes in enumerate(overrides) if index in indices}
