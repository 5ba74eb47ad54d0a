"""A run reads arrays: neither pandas nor pyarrow is loaded between process start and result."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from engine.candles import Candles
from worker.adapters.candle_files import CandleFiles

RUN = """
import sys
from worker.bootstrap import build_candles, engine_calls
from worker.services.backtesting import Backtesting
from worker.settings import load_settings

library = build_candles(load_settings(candles=sys.argv[1]))
result = Backtesting(library, engine_calls()).run({
    "strategyId": "smaCross",
    "symbol": "X",
    "timeframe": sys.argv[2],
    "startDate": "2019-01-01",
    "endDate": "2020-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 3, "slow": 8},
})
loaded = {name.partition(".")[0] for name in sys.modules}
print(len(result.to_document()["equityCurve"]), sorted(loaded & {"pandas", "pyarrow"}))
"""


def test_neither_stored_nor_resampled_candles_need_a_table_library(tmp_path: Path) -> None:
    times = 1_577_836_800_000 + 3_600_000 * np.arange(240)
    CandleFiles(tmp_path).replace(
        Candles.from_closes("X", "1h", times, 100.0 + np.sin(np.arange(240)))
    )
    for timeframe, bars in (("1h", 240), ("4h", 60)):
        ran = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path), timeframe],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == f"{bars} []\n"
