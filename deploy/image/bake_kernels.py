"""Compile every kernel of the engine as a worker would call it: a library, and numba's own cache.

usage: ENGINE_KERNELS=collect bake_kernels.py --samples DIRECTORY --examples DIRECTORY
                              [--library FILE | --cache-only]

Both go into NUMBA_CACHE_DIR, or where this user's compiled code is kept. A worker takes its kernels
from the library and needs no compiler; the cache is for what the library turns out not to hold.

Each kernel is compiled for the argument types it is called with, so the calls are made the way a
worker makes them: configurations run over stored candles (which are mapped read-only) and over a
price path. A kernel that none of them reaches fails the build.
"""

import argparse
import importlib
import json
import os
import pkgutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine
from engine import _jit, parse_config, required_series, run_sweep
from engine.kernel_code.building import Calls, build
from engine.kernel_code.places import library_path, source_hash
from engine.kernel_code.prepared import PreparedKernel
from engine.sweep import Figures
from worker.adapters.candle_files import CandleFiles
from worker.bootstrap import engine_calls
from worker.candle_import import import_files
from worker.services.backtesting import Backtesting
from worker.services.warming import WARM_UP_CONFIGS

STORED: dict[str, Any] = {
    "symbol": "AAPL",
    "startDate": "2005-01-03",
    "endDate": "2006-12-29",
    "startingCapital": 100_000,
}
PATH: dict[str, Any] = {
    "symbol": "PATH",
    "startDate": "2020-01-01",
    "endDate": "2020-12-31",
    "startingCapital": 100_000,
    "pricePath": [100.0 + (bar % 11) - (bar % 4) for bar in range(200)],
}
PRESETS: dict[str, dict[str, Any]] = {
    "buyAndHold": {},
    "smaCross": {"fast": 5, "slow": 20},
    "emaCross": {"fast": 5, "slow": 20},
    "rsi": {"period": 14, "lower": 30, "upper": 70},
    "macd": {"fast": 12, "slow": 26, "signal": 9},
    "bollinger": {"period": 20, "deviations": 2},
    "supertrend": {"period": 10, "multiplier": 3},
    "donchian": {"entry": 20, "exit": 10},
}
EVERY_INDICATOR: dict[str, Any] = {
    "indicators": {
        "simple": {"type": "sma", "period": 10},
        "exponential": {"type": "ema", "period": 10},
        "weighted": {"type": "wma", "period": 10},
        "strength": {"type": "rsi", "period": 14},
        "macd": {"type": "macd"},
        "bands": {"type": "bollinger"},
        "range": {"type": "atr", "period": 14},
        "trend": {"type": "supertrend"},
        "channel": {"type": "donchian"},
        "stochastic": {"type": "stochastic"},
        "stochRsi": {"type": "stochRsi"},
        "change": {"type": "roc", "period": 10},
    },
    "entry": {
        "any": [
            {"crossesAbove": ["simple", "exponential"]},
            {"above": ["weighted", "bands.upper"]},
            {"above": ["strength", 60]},
            {"above": ["macd.macd", "macd.signal"]},
            {"above": ["range", 5]},
            {"above": ["stochastic.k", "stochRsi.k"]},
            {"not": {"crossesBelow": ["close", "simple"]}},
            {"not": {"crossesBelow": ["simple", "close"]}},
        ]
    },
    "exit": {
        "any": [
            {"below": ["trend.value", "channel.lower"]},
            {"rising": ["change", 3]},
            {"falling": ["close", 2]},
        ]
    },
}
EXECUTION: dict[str, Any] = {
    "direction": "both",
    "stopLoss": 0.05,
    "takeProfit": 0.1,
    "trailingStop": 0.08,
    "feeRate": 0.001,
    "slippageRate": 0.0005,
}
FIGURES: tuple[Figures, ...] = ("all", "drawdown", "trades")
#: The inverse of ``strike_of_delta``: there for whoever checks it, called by no backtest.
NEVER_RUN = frozenset({"engine.pricing.spot_delta"})
VOLATILITIES: tuple[dict[str, Any], ...] = (
    {"model": "constant", "value": 0.25},
    {"model": "realized", "window": 30},
    {"model": "series", "symbol": "VIX", "scale": 1.0},
)


def configs(examples: Path) -> Iterator[dict[str, Any]]:
    """Configurations that together call every kernel with every type it meets in a worker."""
    yield from WARM_UP_CONFIGS
    for file in sorted(examples.glob("*.json")):
        yield json.loads(file.read_text())
    for bars in (STORED, PATH):
        for preset, parameters in PRESETS.items():
            yield {**bars, "strategyId": preset, "parameters": parameters}
        rules = {"strategyId": "rules", "parameters": EVERY_INDICATOR}
        yield {**bars, **rules}
        yield {**bars, **rules, "execution": EXECUTION}
        yield {**bars, "strategyId": "wheel"}
    spx = {**STORED, "symbol": "SPX", "startDate": "2014-01-06", "endDate": "2015-12-31"}
    for volatility in VOLATILITIES:
        for strike in ({"delta": 0.3}, {"moneyness": 0.02}):
            parameters = {"volatility": volatility, "put": strike, "call": strike}
            yield {
                **spx,
                "startingCapital": 1_000_000,
                "strategyId": "wheel",
                "parameters": {**parameters, "earlyAssignment": "deepInTheMoney"},
            }
    yield {
        **STORED,
        "strategyId": "portfolio",
        "parameters": {
            "sleeves": [
                {"weight": 0.5, "config": {"strategyId": "buyAndHold"}},
                {"weight": 0.5, "config": {"strategyId": "buyAndHold", "symbol": "IBM"}},
            ]
        },
    }


def sweeps(examples: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], Figures]]:
    """Bases, overrides and figures of every kind of sweep: tile by tile, and run by run."""
    stops = {f"execution.{name}": value for name, value in EXECUTION.items()}
    for strategy in ("smaCross", "emaCross", "donchian"):
        base = {**STORED, "strategyId": strategy, "parameters": PRESETS[strategy]}
        for figures in FIGURES:
            yield base, [{}, stops], figures
    for config in configs(examples):
        yield config, [{}, {"startingCapital": 90_000}], "all"


def kernels() -> dict[str, PreparedKernel]:
    """Every function that a module of the engine compiles by itself, by name.

    A function whose code becomes part of its callers' has no compiled form of its own.
    """
    found = {}
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, PreparedKernel) and value.targetoptions.get("inline") != "always":
                found[value.name] = value
    return found


def compiled_forms(kernel: PreparedKernel) -> int:
    """For how many argument types the cache holds the kernel, compiled now or before."""
    function = kernel.py_func
    name = f"*.{function.__qualname__}-{function.__code__.co_firstlineno}.*.nbc"
    return sum(1 for _ in Path(kernel.dispatcher.stats.cache_path).glob(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--library", type=Path, default=library_path())
    parser.add_argument("--cache-only", action="store_true", help="make no library")
    arguments = parser.parse_args()
    if _jit.LIBRARY is None or os.environ.get("ENGINE_KERNELS") != "collect":
        raise SystemExit("ENGINE_KERNELS must be collect")
    calls = Calls()
    _jit.LIBRARY.on_miss = calls.note
    with tempfile.TemporaryDirectory() as directory:
        candles = CandleFiles(Path(directory))
        for file in sorted(arguments.samples.glob("*-1d.csv")):
            import_files(candles, [file], symbol=file.stem.removesuffix("-1d"), timeframe="1d")
        backtesting = Backtesting(candles, engine_calls())
        for config in configs(arguments.examples):
            backtesting.run(config)
        for base, overrides, figures in sweeps(arguments.examples):
            series = required_series(parse_config(base))
            loaded = {
                (one.symbol, one.timeframe): candles.load(
                    one.symbol, one.timeframe, one.start, one.end
                )
                for one in series
            }
            run_sweep(base, overrides, loaded or None, figures=figures)
    forms = {name: compiled_forms(kernel) for name, kernel in kernels().items()}
    unreached = sorted(name for name in forms.keys() - NEVER_RUN if not forms[name])
    if unreached:
        raise SystemExit(f"no configuration calls {', '.join(unreached)}")
    print(f"{len(forms)} kernels, {sum(forms.values())} forms")
    if arguments.cache_only:
        return
    build(calls, arguments.library, source_hash())
    print(f"{len(calls)} forms in a library of {arguments.library.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
