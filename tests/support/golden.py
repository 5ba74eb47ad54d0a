"""Runs whose digests are kept: each file of tests/engine/golden/v{major}/ is a config, where its
candles come from, and the numbers that came out.

``python tests/support/golden.py`` runs the cases, sweeps some of them and prints the digests as
JSON; tests start it in processes of different settings. ``python tests/support/golden.py write``
fills in the digests of new cases, and of a new major version all of them, from the cases of the
version before. ``write --correct`` also replaces digests that exist: only for numbers that no
release has given.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from engine import (
    ENGINE_VERSION,
    BacktestResult,
    Candles,
    expand_grid,
    run_backtest,
    run_sweep,
    signal_strategies,
    wheel,
)
from engine.candles import to_milliseconds
from engine.dates import start_of
from engine.fills import simulate_fills
from engine.return_kernels import BLOCK
from engine.sweeps import one_by_one, tiles
from engine.timeframes import TIMEFRAMES

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "engine" / "golden"
#: Cases that are also swept, over these axes: a sweep has kernels of its own.
SWEEPS: Mapping[str, Mapping[str, Any]] = {
    "bollinger-pessimistic": {"parameters.period": [8, 15], "parameters.deviations": [1.5, 2]},
    "portfolio": {"parameters.sleeves.0.config.parameters.fast": [2, 4]},
    "rules-every-indicator": {
        "parameters.indicators.rsi.period": [5, 9],
        "execution.stopLoss": [None, 0.02],
    },
    "sma-cross-costs-sample": {
        "parameters.fast": [5, 20, 50],
        "parameters.slow": {"start": 60, "stop": 200, "step": 20},
        "execution.takeProfit": [None, 0.2],
    },
    "trailing-stop-at-close": {"parameters.fast": [2, 3, 5], "parameters.slow": [8, 13]},
    "wheel-realized-delta": {"parameters.dte": [7, 21], "parameters.put.delta": [0.2, 0.4]},
}
#: Beside the digests, so that a failure says what changed.
FIGURES = ("finalEquity", "maxDrawdown", "sharpe", "tradeCount", "feesPaid")


@dataclass(frozen=True, slots=True)
class Case:
    """``recorded`` holds digests and figures, or nothing yet."""

    name: str
    content: Mapping[str, Any]

    @property
    def recorded(self) -> Mapping[str, Any]:
        return self.content.get("recorded", {})

    @property
    def is_short(self) -> bool:
        """Whether it can be run without the compiler while somebody waits."""
        return all("sample" not in source for source in self.content["candles"])

    @property
    def candles(self) -> Mapping[str, Candles]:
        return {source["symbol"]: candles_of(source) for source in self.content["candles"]}

    def run(self) -> BacktestResult:
        return run_backtest(self.content["config"], self.candles)

    def sweep(self, threads: int | None = None) -> list[str | None]:
        """The summary digest of each variant."""
        grid = expand_grid(SWEEPS[self.name])
        found = run_sweep(self.content["config"], grid, self.candles, threads=threads)
        return [found.summary_digest(index) for index in range(len(found))]


def folder(version: str | None = None) -> Path:
    """Where the cases of a version's major are kept."""
    return GOLDEN / f"v{(version or ENGINE_VERSION).split('.')[0]}"


def cases(directory: Path | None = None) -> list[Case]:
    paths = sorted((directory or folder()).glob("*.json"))
    return [Case(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def outcome(found: BacktestResult) -> dict[str, Any]:
    document = found.to_document()
    return {
        "resultDigest": found.result_digest,
        "summaryDigest": found.summary_digest,
        "figures": {name: document["metrics"][name] for name in FIGURES},
    }


def candles_of(source: Mapping[str, Any]) -> Candles:
    if "sample" in source:
        return _sample(source["symbol"], source["sample"])
    return _generated(**source)


def _sample(symbol: str, name: str) -> Candles:
    lines = (ROOT / "samples" / name).read_text(encoding="utf-8").split()[1:]
    rows = [line.split(",") for line in lines]
    times = [to_milliseconds(start_of(row[0])) for row in rows]
    columns = [np.array([float(row[place]) for row in rows]) for place in range(1, 6)]
    return Candles(symbol, "1d", np.array(times), *columns)


def _generated(
    symbol: str,
    timeframe: str,
    start: str,
    bars: int,
    seed: int,
    first_price: int = 10_000,
    drift: int = 0,
    swing: int = 200,
) -> Candles:
    """A walk in whole cents, from arithmetic on whole numbers alone: the same for ever.

    A step is up to ``swing`` ten-thousandths of the price either way, plus ``drift`` of them.
    """
    random = _random(seed)
    rows = []
    price = first_price
    for _ in range(bars):
        opened = max(price + price * (next(random) % 61 - 30) // 10_000, 1)
        step = next(random) % (2 * swing + 1) - swing + drift
        price = max(opened + opened * step // 10_000, 1)
        high = max(opened, price) + opened * (next(random) % 81) // 10_000
        low = max(min(opened, price) - opened * (next(random) % 81) // 10_000, 1)
        rows.append((opened, high, low, price))
    first = to_milliseconds(start_of(start))
    times = first + np.arange(bars, dtype=np.int64) * TIMEFRAMES[timeframe]
    columns = [np.array(column) / 100.0 for column in zip(*rows, strict=True)]
    return Candles(symbol, timeframe, times, *columns, np.full(bars, 1000.0))


def _random(seed: int) -> Iterator[int]:
    """The upper bits of a linear congruential generator (Knuth's MMIX constants)."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def write(*, correct: bool) -> None:
    """Record what is not recorded yet, or with ``correct`` everything that is different."""
    here = folder()
    known = cases(here)
    fresh = not known
    if fresh:
        majors = sorted(GOLDEN.glob("v*"), key=lambda path: int(path.name[1:]))
        known = cases(majors[-1])
        here.mkdir()
    for case in known:
        found = outcome(case.run())
        if found == case.recorded and not fresh:
            continue
        if case.recorded and not fresh and not correct:
            sys.exit(
                f"{case.name}: {ENGINE_VERSION} gives other numbers than its major version did"
            )
        text = json.dumps({**case.content, "recorded": found}, indent=2, ensure_ascii=False)
        (here / f"{case.name}.json").write_text(f"{text}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", nargs="?", choices=["print", "write"], default="print")
    parser.add_argument("--correct", action="store_true", help="replace recorded digests")
    parser.add_argument("--short", action="store_true", help="only cases with few bars")
    parser.add_argument("--chunk-bars", type=int)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(correct=arguments.correct)
        return
    if arguments.chunk_bars:
        wheel.CHUNK_BARS = arguments.chunk_bars
        signal_strategies.simulate_fills = partial(simulate_fills, chunk_bars=arguments.chunk_bars)
        # Sweeps go by whole blocks of returns, whatever their pieces.
        blocks = -(-arguments.chunk_bars // BLOCK)
        tiles.TILES_A_CALL = blocks
        one_by_one.WHEEL_BARS = blocks * BLOCK
    chosen = [case for case in cases() if case.is_short or not arguments.short]
    found: dict[str, Any] = {case.name: outcome(case.run()) for case in chosen}
    for case in chosen:
        if case.name in SWEEPS:
            found[case.name]["sweep"] = case.sweep()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
