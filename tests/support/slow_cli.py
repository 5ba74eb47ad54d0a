"""The command line with an engine that runs until it is told to stop: `python slow_cli.py ARGS`.

Prints "running" on stderr when the engine has started on a job. A run that nobody can stop, as the
warm-up's, is the real engine's.
"""

import sys
import threading
from dataclasses import replace
from typing import Any

import engine
import worker.bootstrap.workers as workers
from worker.entrypoints.cli import main


def run_backtest(
    config: Any,
    candles: Any = None,
    on_progress: Any = None,
    should_stop: Any = None,
) -> Any:
    if should_stop is None:
        return engine.run_backtest(config, candles)
    print("running", file=sys.stderr, flush=True)
    chunk = threading.Event()
    while not should_stop():
        on_progress(0.5)
        chunk.wait(0.01)
    raise engine.Stopped


def slow_calls() -> Any:
    return replace(real_calls(), run_backtest=run_backtest)


real_calls = workers.engine_calls
workers.engine_calls = slow_calls

if __name__ == "__main__":
    main()
