"""What a bar and a variant of a bundle cost, beside what the cost model says.

    python -m benchmarks.bundle_costs [--variants 100] [--rounds 3]

Every kind of strategy is swept over a short and a long series on one thread; the slope is the cost
of a bar and variant, the rest the cost of a variant: reading it, its figures, its digest, its row.
Processor time, the best of some rounds. Full results are timed the same way, made and stored.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from benchmarks.sweep import market
from engine.candles import Candles
from engine.sweeps.overrides import overridden
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.chunks import Chunk
from worker.services.bundles import cost_model
from worker.services.bundles.kept_results import KeptResults
from worker.services.bundles.variant_rows import ChunkRows

#: Bars of the two series that rows are timed over, and full results: their documents stop growing.
FOR_ROWS = (2_000, 20_000)
FOR_RESULTS = (20_000, 100_000)
BASE: dict[str, Any] = {
    "symbol": "MADE-UP",
    "timeframe": "1d",
    "startDate": "2020-01-01",
    "endDate": "2099-12-31",
    "startingCapital": 10_000,
}
LEVELS = {"stopLoss": 0.02, "takeProfit": 0.05, "trailingStop": 0.03}
SLEEVE = {"weight": 0.5, "config": {"strategyId": "smaCross"}}


@dataclass(frozen=True, slots=True)
class Kind:
    """A sweep to time, and what the model says of a bar and of a variant, in seconds."""

    name: str
    config: Mapping[str, Any]
    path: str
    first: float
    step: float
    bar: float
    variant: float = cost_model.VARIANT_SECONDS
    is_path: bool = False
    has_own_paths: bool = False

    def variants(self, count: int) -> list[dict[str, Any]]:
        return [{self.path: self.first + self.step * place} for place in range(count)]


def kinds() -> Sequence[Kind]:
    """One for each figure of the model."""
    signals, other = cost_model.SIGNAL_BAR_SECONDS, cost_model.OTHER_INDICATOR_SECONDS
    supertrend = cost_model.INDICATOR_BAR_SECONDS["supertrend"]
    sleeves = {"sleeves": [SLEEVE, SLEEVE]}
    return [
        Kind("smaCross", {"strategyId": "smaCross"}, "parameters.slow", 21, 1, signals),
        Kind(
            "smaCross with levels",
            {"strategyId": "smaCross", "execution": LEVELS},
            "parameters.slow",
            21,
            1,
            signals + cost_model.LEVEL_BAR_SECONDS,
        ),
        Kind(
            "smaCross on a path",
            {"strategyId": "smaCross"},
            "parameters.slow",
            21,
            1,
            signals + cost_model.SHARED_CLOSE_SECONDS,
            is_path=True,
        ),
        Kind(
            "smaCross on own paths",
            {"strategyId": "smaCross"},
            "parameters.slow",
            21,
            1,
            signals + cost_model.CLOSE_SECONDS,
            has_own_paths=True,
        ),
        Kind("rsi", {"strategyId": "rsi"}, "parameters.period", 2, 1, signals + other),
        Kind(
            "supertrend",
            {"strategyId": "supertrend"},
            "parameters.multiplier",
            1.0,
            0.01,
            signals + supertrend,
        ),
        Kind(
            "wheel",
            {"strategyId": "wheel"},
            "parameters.put.moneyness",
            0.0,
            0.0005,
            cost_model.WHEEL_BAR_SECONDS,
        ),
        Kind(
            "portfolio of 2",
            {"strategyId": "portfolio", "parameters": sleeves},
            "parameters.sleeves.0.weight",
            0.1,
            0.001,
            2 * cost_model.SLEEVE_BAR_SECONDS,
            cost_model.VARIANT_SECONDS + 2 * cost_model.SLEEVE_SECONDS,
        ),
    ]


def daily(bars: int) -> Candles:
    """The market of the sweep's benchmark, a bar a day."""
    made = market(bars)
    times = made.times[0] + 24 * 60 * (made.times - made.times[0])
    columns = (made.open, made.high, made.low, made.close, made.volume)
    return Candles(made.symbol, "1d", times, *columns)


def rows_of(kind: Kind, variants: Sequence[Mapping[str, Any]], candles: Candles) -> None:
    """From overrides to columns of rows, as a chunk does it."""
    closes = candles.close.round(2).tolist()
    if kind.has_own_paths:
        variants = [{**overrides, "pricePath": closes} for overrides in variants]
    rows = ChunkRows(Chunk(start=0, count=len(variants)), variants)
    base = {**BASE, **kind.config}
    if kind.is_path:
        base["pricePath"] = closes
    for some in engine.sweep_rows(base, variants, candles, threads=1):
        for row in some:
            rows.add(row.index, row)
    if rows.failed:
        raise SystemExit(f"{kind.name}: {rows.failed} variants failed")
    rows.columns()


def results_of(kind: Kind, count: int, candles: Candles, folder: Path) -> None:
    """Full results, made and stored."""
    kept = KeptResults(ParquetFiles(folder), "job/1")
    for index, overrides in enumerate(kind.variants(count)):
        config = overridden({**BASE, **kind.config}, overrides)
        kept.add(index, engine.run_backtest(config, candles))
    kept.artifacts()


def slope(
    rounds: int, count: int, lengths: tuple[int, int], run: Callable[[Candles], None]
) -> tuple[float, float]:
    """Seconds a bar, and seconds beside the bars, of one of ``count``."""
    short, long = (_best(rounds, run, daily(bars)) / count for bars in lengths)
    a_bar = (long - short) / (lengths[1] - lengths[0])
    return a_bar, short - lengths[0] * a_bar


def _best(rounds: int, run: Callable[[Candles], None], candles: Candles) -> float:
    """Of some rounds after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        run(candles)
        seconds.append(time.process_time() - begin)
    return min(seconds[1:])


def measured(variants: int, rounds: int, folder: Path) -> list[str]:
    """The lines of the table."""
    head = f"{'':22}{'a bar':>20}{'a variant':>20}"
    lines = [head, f"{'':22}" + f"{'here':>10}{'model':>10}" * 2]
    for kind in kinds():
        listed = kind.variants(variants)

        def run(candles: Candles, kind: Kind = kind, listed: Any = listed) -> None:
            rows_of(kind, listed, candles)

        a_bar, a_variant = slope(rounds, variants, FOR_ROWS, run)
        lines.append(_line(kind.name, a_bar, kind.bar, a_variant, kind.variant))
    cross, few = kinds()[0], max(variants // 10, 2)

    def results(candles: Candles) -> None:
        results_of(cross, few, candles, folder)

    a_bar, a_result = slope(rounds, few, FOR_RESULTS, results)
    model = cost_model.RESULT_BAR_SECONDS, cost_model.RESULT_SECONDS
    lines.append(_line("a full result", a_bar, model[0], a_result, model[1]))
    return lines


def _line(name: str, *seconds: float) -> str:
    bar, bar_model, variant, variant_model = seconds
    nanoseconds = f"{bar * 1e9:>7.1f} ns{bar_model * 1e9:>7.1f} ns"
    return f"{name:22}{nanoseconds}{variant * 1e6:>7,.0f} µs{variant_model * 1e6:>7,.0f} µs"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--variants", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(measured(arguments.variants, arguments.rounds, Path(folder))))


if __name__ == "__main__":
    main()
