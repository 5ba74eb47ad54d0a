"""Numbers in, numbers out: backtests as pure functions of a config and candles.

Kernels are compiled code that takes time to load, so they are imported by the first run only:
checking a config needs none of them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.errors import ConfigError, ConfigProblem, DataError, DataNotFoundError, Stopped
from engine.parsing import parse_config
from engine.resampling import resample
from engine.result import BacktestResult
from engine.series import SeriesRequest, required_series
from engine.sweeps.grid import expand_grid
from engine.versions import ENGINE_VERSION, SUPPORTED_ENGINE_VERSIONS

if TYPE_CHECKING:
    from engine.simulation import Simulation
    from engine.sweep import SweepResult, SweepRow, Variants


def run_backtest(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Mapping[Any, Candles] | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BacktestResult:
    """Run one config over its candles. The result depends on these two alone, to the last bit.

    The first call of a process loads the compiled kernels, and compiles those it does not find.

    Args:
        config: as clients write it (camelCase keys), or what :func:`parse_config` made of it.
        candles: the symbol's own bars, or a mapping of all that :func:`required_series` names,
            by symbol or by (symbol, timeframe). None for a config with a ``pricePath``.
        on_progress: hears the finished fraction, 0…1, every few thousand bars.
        should_stop: asked as often; True ends the run.

    Raises:
        ConfigError: a config with mistakes; names each with its path and what was expected.
        DataError: candles that cannot be used (``bar`` counts from 0), or that are missing
            (:class:`DataNotFoundError`).
        Stopped: ``should_stop`` said yes.
    """
    from engine.run import run_backtest as run

    return run(config, candles, on_progress, should_stop)


def simulate(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Mapping[Any, Candles] | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> "Simulation":
    """The same account as :func:`run_backtest`'s, as arrays: for loops of one's own.

    No metrics, regimes, texts, fingerprints or digests are made, which take several times as long
    as the account itself. ``equity`` (money, marked at the close) and ``holds_position`` have one
    value a bar; ``trades`` and ``cycles`` are tables with one array a column, whose ``…_index``
    count bars from 0. Nobody may write to these arrays.

    Args, Raises:
        as :func:`run_backtest`. A config that is used again is read once with
        :func:`parse_config`.
    """
    from engine.run import simulate as run

    return run(config, candles, on_progress, should_stop)


def run_sweep(
    base: Mapping[str, Any],
    overrides: "Variants",
    candles: Candles | Mapping[Any, Candles] | None = None,
    *,
    rank_by: str = "sharpe",
    keep_best: int = 10,
    figures: Literal["all", "drawdown", "trades"] = "all",
    threads: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> "SweepResult":
    """Run many variants of one config over the same candles, on several threads.

    Each row is bit for bit what :func:`run_backtest` gives for the variant's config. A variant
    that cannot be run fails alone, with its message in ``SweepResult.errors``.

    Args:
        base: a config; what is missing in it every variant must set.
        overrides: one mapping a variant, dotted paths to values (``{"parameters.fast": 5}``): a
            list, :func:`expand_grid`, or anything with ``len()`` and ``[index]``.
        candles: as for :func:`run_backtest`.
        rank_by: the sweep metric that ``best`` is ordered by, descending, nulls last.
        keep_best: how many variants ``best`` holds.
        figures: ``"all"``, or for looking through a large grid faster ``"drawdown"`` (what trades
            tell, and ``maxDrawdown``) or ``"trades"``; other figures and digests are None then.
        threads: None for one a processor.
        on_progress: hears the finished fraction, 0…1, in the caller's thread.
        should_stop: True ends the sweep within a fraction of a second; rows that are finished are
            given back.

    Raises:
        ConfigError: an argument that cannot be: ``rank_by`` is no sweep metric, ``figures`` is
            unknown, ``base`` no object, ``overrides`` no list, ``keep_best`` negative.
        DataError: ``candles`` are neither candles nor a mapping.
    """
    from engine.sweep import run_sweep as run

    return run(
        base,
        overrides,
        candles,
        rank_by=rank_by,
        keep_best=keep_best,
        figures=figures,
        threads=threads,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def sweep_rows(
    base: Mapping[str, Any],
    overrides: "Variants",
    candles: Candles | Mapping[Any, Candles] | None = None,
    *,
    figures: Literal["all", "drawdown", "trades"] = "all",
    threads: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> "Iterator[list[SweepRow]]":
    """As :func:`run_sweep`, but the rows come as they are finished, some at a time, in any order.

    For sweeps whose rows are written away: nothing is held but what is on its way. Leaving the
    loop, or ``should_stop``, ends the sweep; variants whose rows did not come were not run.
    ``engine.sweep.Leaders`` keeps the best of rows that go by.

    Raises:
        ConfigError: an argument that cannot be: ``figures`` is unknown, ``base`` no object,
            ``overrides`` no list, ``threads`` 0.
        DataError: ``candles`` are neither candles nor a mapping.
    """
    from engine.sweep import sweep_rows as rows

    return rows(
        base,
        overrides,
        candles,
        figures=figures,
        threads=threads,
        on_progress=on_progress,
        should_stop=should_stop,
    )


__all__ = [
    "ENGINE_VERSION",
    "SUPPORTED_ENGINE_VERSIONS",
    "BacktestConfig",
    "BacktestResult",
    "Candles",
    "ConfigError",
    "ConfigProblem",
    "DataError",
    "DataNotFoundError",
    "SeriesRequest",
    "Stopped",
    "expand_grid",
    "parse_config",
    "required_series",
    "resample",
    "run_backtest",
    "run_sweep",
    "sweep_rows",
]
