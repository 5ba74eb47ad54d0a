"""Running thousands of variants of one config over the same candles."""

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from engine.candles import Candles
from engine.digest import SUMMARY_METRICS
from engine.errors import ConfigError, ConfigProblem
from engine.inputs import Given
from engine.limits import shown
from engine.parsing import parse_config
from engine.sweeps.account_kernel import DRAWDOWN, RETURNS, TRADES
from engine.sweeps.crew import Crew, processors
from engine.sweeps.grid import Grid, expand_grid
from engine.sweeps.leaders import Leaders
from engine.sweeps.overrides import overridden
from engine.sweeps.result import BestVariant, Ending, SweepResult
from engine.sweeps.rows import CyclesByRegime, RegimeCycles, SweepRow, Variant, VariantError
from engine.sweeps.shared import Shared
from engine.sweeps.tiles import TileBatch
from engine.sweeps.variants import Batch, batches_of, read

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
    "expand_grid",
    "overridden",
    "run_sweep",
    "sweep_rows",
]

Overrides = Mapping[str, Any]


class Indexed(Protocol):
    """Variants that are made when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Overrides: ...


Variants = Collection[Overrides] | Indexed
Figures = Literal["all", "drawdown", "trades"]
_DEPTHS = {"all": RETURNS, "drawdown": DRAWDOWN, "trades": TRADES}

#: Variants that are read before the next ones are put to work.
WINDOW = 1024


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

    Every variant has one row, in any order; a list holds a thousand or so. Memory does not grow
    with the number of variants. Threads go on while the caller is busy with a list, but not far:
    a caller who takes no more rows stops them by closing the iterator (leaving the loop does).

    Args:
        base, overrides, candles, figures, threads: as for :func:`run_sweep`.
        on_progress: hears the finished fraction, in the caller's thread, while it waits for rows.
        should_stop: asked about twenty times a second in the caller's thread; once it says yes,
            rows that are finished still come, and then no more. Indices that never came were not
            run.

    Raises:
        ConfigError: ``figures`` is unknown, or ``base`` no object. Raised by the call itself.
    """
    if figures not in _DEPTHS:
        expected = f"one of {', '.join(_DEPTHS)}"
        raise ConfigError([ConfigProblem("figures", expected, shown(figures))])
    if not isinstance(base, Mapping):
        raise ConfigError([ConfigProblem("baseConfig", "an object", shown(base))])
    run = _Run(base, overrides, Shared(candles), _DEPTHS[figures], on_progress, should_stop)
    return run.rows(threads or processors())


class _Run:
    """One sweep on its way; rows wait in ``_ready`` until they are asked for."""

    def __init__(
        self,
        base: Mapping[str, Any],
        overrides: Variants,
        shared: Shared,
        depth: int,
        on_progress: Callable[[float], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._base = base
        self._overrides = overrides
        self._shared = shared
        self._depth = depth
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._ended = 0
        self._ready: deque[list[SweepRow]] = deque()

    def rows(self, threads: int) -> Iterator[list[SweepRow]]:
        with Crew[Batch | TileBatch](threads, self._look, lambda one: self._keep(one.rows)) as crew:
            self._crew = crew
            for window in self._windows():
                found = [read(self._base, index, changes) for index, changes in window]
                self._keep([row for row in found if isinstance(row, SweepRow)])
                sound = [variant for variant in found if isinstance(variant, Variant)]
                for work in batches_of(sound, self._shared, threads, self._depth):
                    if isinstance(work, SweepRow):
                        self._keep([work])
                    else:
                        crew.take(work)
                    yield from self._taken()
                crew.look()
                if crew.stopped:
                    break
            while crew.works():
                yield from self._taken()
            yield from self._taken()
            if self._on_progress is not None and not crew.stopped:
                self._on_progress(1.0)

    def _windows(self) -> Iterator[list[tuple[int, Overrides]]]:
        numbered = enumerate(_each(self._overrides))
        while window := list(itertools.islice(numbered, WINDOW)):
            yield window

    def _look(self) -> bool:
        total = len(self._overrides)
        if self._on_progress is not None and total:
            self._on_progress((self._ended + self._crew.in_hand) / total)
        return self._should_stop is not None and self._should_stop()

    def _keep(self, rows: list[SweepRow]) -> None:
        self._ended += len(rows)
        if rows:
            self._ready.append(rows)

    def _taken(self) -> Iterator[list[SweepRow]]:
        while self._ready:
            yield self._ready.popleft()


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
        ConfigError: ``rank_by`` is no sweep metric, ``figures`` is unknown, or ``base`` no object.
    """
    if rank_by not in SUMMARY_METRICS:
        expected = f"one of {', '.join(SUMMARY_METRICS)}"
        raise ConfigError([ConfigProblem("rankBy", expected, shown(rank_by))])
    result = SweepResult(len(overrides), rank_by)
    stopped = False

    def stops() -> bool:
        nonlocal stopped
        stopped = stopped or (should_stop is not None and should_stop())
        return stopped

    leaders = Leaders(rank_by, keep_best)
    for rows in sweep_rows(
        base,
        overrides,
        candles,
        figures=figures,
        threads=threads,
        on_progress=on_progress,
        should_stop=stops,
    ):
        for row in rows:
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


def _each(overrides: Variants) -> Iterator[Overrides]:
    if isinstance(overrides, Collection):
        return iter(overrides)
    return (overrides[index] for index in range(len(overrides)))


def _picked(overrides: Variants, indices: set[int]) -> dict[int, Overrides]:
    if isinstance(overrides, Sequence) or not isinstance(overrides, Collection):
        return {index: overrides[index] for index in indices}
    return {index: changes for index, changes in enumerate(overrides) if index in indices}
