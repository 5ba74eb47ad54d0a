"""The table of targets with this machine's ratios: ``make bench``, or ``python -m benchmarks``."""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks import beats, cold_start, options, single_run
from benchmarks.targets import Row, summary, table
from engine._jit import LIBRARY

Measure = Callable[[], Sequence[Row]]


def groups(directory: Path) -> dict[str, Measure]:
    """What can be measured, by name. ``directory`` takes what is compiled on the way."""
    return {
        "single": lambda: [single_run.against_c(directory)],
        "vectorbt": lambda: [
            *single_run.against_vectorbt(10_000, 200.0, 600.0),
            *single_run.against_vectorbt(1_000_000, 30.0, 60.0, rounds=5),
        ],
        "backtesting": single_run.against_backtesting,
        "sweep": _sweep_rows,
        "options": lambda: [options.prices(), options.wheel_days()],
        "beats": lambda: [beats.beside_a_run()],
        "cold": cold_start.rows,
    }


def _sweep_rows() -> Sequence[Row]:
    # Imported here: it compiles its naive loops.
    from benchmarks import sweep_rows

    return sweep_rows.rows()


def measured(chosen: dict[str, Measure]) -> list[Row]:
    """All rows; each group's are printed when it is finished."""
    rows: list[Row] = []
    for name, measure in chosen.items():
        began = time.perf_counter()
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        found = measure()
        seconds = time.perf_counter() - began
        print(f"{name}, measured in {seconds:.0f} s\n{table(found)}\n", flush=True)
        rows.extend(found)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="GROUP", nargs="+", help="some of the groups")
    arguments = parser.parse_args()
    if find_spec("vectorbt") is None:
        parser.error("the peers are not installed: pip install -e '.[dev,oracles]', or make bench")
    # backtesting.py would draw a bar for every run.
    os.environ["TQDM_DISABLE"] = "1"
    with tempfile.TemporaryDirectory() as directory:
        every = groups(Path(directory))
        unknown = sorted(set(arguments.only or ()) - set(every))
        if unknown:
            parser.error(f"no group {', '.join(unknown)}; there are {', '.join(every)}")
        print(_machine(), flush=True)
        rows = measured({name: every[name] for name in arguments.only or every})
    print(f"All targets\n{table(rows)}\n\n{summary(rows)}")
    print(_machine())


def _machine() -> str:
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}, load {load}, "
        f"kernels {'compiled by numba' if LIBRARY is None else 'of the library'}\n"
    )


if __name__ == "__main__":
    main()
