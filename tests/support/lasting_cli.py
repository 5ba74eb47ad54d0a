"""The command line with an engine that takes its time: `python lasting_cli.py ARGS`.

A job labelled LASTING stays at the edge of its last chunk until it has run for SECONDS, or is told
to stop; its result is the real engine's, as every other job's. So there is a job to interrupt on
the quickest machine.
"""

import threading
import time
from dataclasses import replace
from typing import Any

import engine
import worker.bootstrap.workers as workers
from worker.entrypoints.cli import main

LASTING = "lasting"
SECONDS = 1.0


def run_backtest(
    config: Any,
    candles: Any = None,
    on_progress: Any = None,
    should_stop: Any = None,
) -> Any:
    until = time.monotonic() + SECONDS
    result = engine.run_backtest(config, candles, on_progress, should_stop)
    chunk = threading.Event()
    while should_stop is not None and config.label == LASTING and time.monotonic() < until:
        if should_stop():
            raise engine.Stopped
        chunk.wait(0.01)
    return result


def lasting_calls() -> Any:
    return replace(real_calls(), run_backtest=run_backtest)


real_calls = workers.engine_calls

if __name__ == "__main__":
    workers.engine_calls = lasting_calls
    main()
