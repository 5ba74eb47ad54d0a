"""A sweep's rows held against single runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine import BacktestResult, ConfigError, DataError, run_backtest, sweep_rows
from engine.digest import SUMMARY_METRICS
from engine.sweep import SweepRow, overridden


def assert_equals_single_runs(
    base: Mapping[str, Any],
    variants: Sequence[Mapping[str, Any]],
    candles: Any,
    threads: int | None = None,
) -> list[SweepRow]:
    """Every row against ``run_backtest``, bit for bit; returns those that have metrics."""
    rows = {row.index: row for some in sweep_rows(base, variants, candles, threads=threads)
            for row in some}  # fmt: skip
    assert sorted(rows) == list(range(len(variants)))
    finished = []
    for index, overrides in enumerate(variants):
        row = rows[index]
        single, message = None, ""
        try:
            single = run_backtest(overridden(base, overrides), candles)
        except (ConfigError, DataError) as error:
            message = str(error)
        if single is None:
            assert row.error is not None, overrides
            assert row.error.message == message
            assert row.metrics is row.regimes is row.summary_digest is None
            continue
        assert row.error is None, (row.error, overrides)
        metrics = single.metrics.model_dump(by_alias=True)
        assert row.figures() == {name: metrics[name] for name in SUMMARY_METRICS}, overrides
        assert row.summary_digest == single.summary_digest
        assert_same_regimes(row, single)
        finished.append(row)
    return finished


def assert_same_regimes(row: SweepRow, single: BacktestResult) -> None:
    """What the single run averages by regime, and over how many cycles."""
    assert row.regimes is not None
    averages = (
        single.uptrend_avg_cycle_return,
        single.downtrend_avg_cycle_return,
        single.sideways_avg_cycle_return,
    )
    assert tuple(one.avg_return for one in row.regimes) == averages
    for name, found in row.regimes._asdict().items():
        of_it = [c for c in single.cycles if c.completed and c.dominant_regime == name]
        assert found.completed == len(of_it)
