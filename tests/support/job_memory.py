"""The memory of a job of many bars, from stored candles to its document and its artifacts.

`python job_memory.py BARS FOLDER` stores the candles, `python job_memory.py run FOLDER` runs the
job and prints the peak of its process in bytes.
"""

import sys
from pathlib import Path

import numpy as np

import engine
from engine.candles import Candles
from worker.adapters.candle_files import CandleFiles
from worker.adapters.parquet_files import ParquetFiles
from worker.services.backtesting import Backtesting, EngineCalls
from worker.services.result_document import build_result_document

CONFIG = {
    "strategyId": "smaCross",
    "symbol": "LONG",
    "timeframe": "1m",
    "startDate": "2014-01-01",
    "endDate": "2030-01-01",
    "startingCapital": 10_000,
    "parameters": {"fast": 50, "slow": 2_000},
}


def store(bars: int, folder: Path) -> None:
    """Made in a process of its own: what this takes is not the job's."""
    times = 1_400_000_000_000 + 60_000 * np.arange(bars, dtype=np.int64)
    steps = np.random.default_rng(1).normal(0, 1e-4, bars)
    candles = Candles.from_closes("LONG", "1m", times, 100 * np.exp(steps.cumsum()))
    CandleFiles(folder / "candles").replace(candles)


def run(folder: Path) -> None:
    calls = EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )
    result = Backtesting(CandleFiles(folder / "candles"), calls).run(CONFIG)
    assert result.result_digest
    document = build_result_document("j1", result.to_outline())
    artifacts = ParquetFiles(folder / "artifacts")
    for name, columns in document.complete.items():
        artifacts.put(f"j1/1/{name}", columns)


def peak() -> int:
    (line,) = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(Path(sys.argv[2]))
        print(peak())
    else:
        store(int(sys.argv[1]), Path(sys.argv[2]))
