"""Makes a library of the kernels that small backtests call: ``small_library.py FILE``.

Run with ENGINE_KERNELS=collect. The image's own has more, and takes ten times as long.
"""

import sys
from pathlib import Path

from engine import _jit, parse_config, run_backtest
from engine.kernel_code.building import Calls, build
from engine.kernel_code.places import source_hash
from worker.services.warming import WARM_UP_CONFIGS

if __name__ == "__main__":
    assert _jit.LIBRARY is not None
    calls = Calls()
    _jit.LIBRARY.on_miss = calls.note
    for config in WARM_UP_CONFIGS:
        run_backtest(parse_config(config))
    build(calls, Path(sys.argv[1]), source_hash())
