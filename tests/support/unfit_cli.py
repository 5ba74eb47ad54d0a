"""The command line on a machine where the kernels cannot be loaded: `python unfit_cli.py ARGS`."""

from dataclasses import replace
from typing import Any

import worker.bootstrap.workers as workers
from worker.entrypoints.cli import main


def run_backtest(*_: Any, **__: Any) -> Any:
    raise ImportError("libllvmlite.so: cannot open shared object file")


def unfit_calls() -> Any:
    return replace(real_calls(), run_backtest=run_backtest)


real_calls = workers.engine_calls
workers.engine_calls = unfit_calls

if __name__ == "__main__":
    main()
