"""From the start of a process to its first result over HTTP, on 525,600 bars.

    python -m benchmarks.cold_start [--rounds 5]

Services start one after another, in turns, so that noise meets all of them alike: a bare FastAPI
app (the floor), the usual way to build such a service (cold_peers.py), the worker with its library
of kernels as in the image, with what numba keeps instead, and with nothing compiled. Prints
medians, each service's largest memory, and the worker as a share of the usual way.
"""

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.targets import Row, duration, table
from engine.candles import Candles
from engine.timeframes import TIMEFRAMES
from tests.support.processes import free_port
from worker.adapters.candle_files import CandleFiles

BARS = 525_600
FIRST = 1_609_459_200_000
CONFIG: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "WAVE",
    "timeframe": "1m",
    "startDate": "2021-01-01",
    "endDate": "2021-12-31T23:59:00Z",
    "startingCapital": 100_000,
    "parameters": {"fast": 10, "slow": 20},
    "execution": {"feeRate": 0.001, "stopLoss": 0.05},
}
PATIENCE_SECONDS = 120.0
#: The share of the usual way's time that the worker may take.
TARGET = 0.65
FLOOR, USUAL = "bare FastAPI", "FastAPI, Parquet, numba"
WORKER, CACHED = "worker", "worker, numba's cache"
UNCOMPILED = "worker, nothing compiled"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process, those of the processor, and largest memory in MiB."""

    ready: float
    first_result: float
    processor: float
    memory: float


def one_year() -> Candles:
    """A year of minutes that rise and fall."""
    minutes = np.arange(BARS)
    close = 100 + 10 * np.sin(minutes / 97) + 5 * np.sin(minutes / 13)
    return Candles(
        symbol="WAVE",
        timeframe="1m",
        times=FIRST + TIMEFRAMES["1m"] * minutes,
        open=close,
        high=close + 0.1,
        low=close - 0.1,
        close=close,
        volume=np.full(BARS, 1.0),
    )


def measure(command: list[str], port: int, environment: dict[str, str]) -> Start:
    """Start, wait until ready, run one backtest, stop."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _until_ready(client, began)
            ready = time.perf_counter() - began
            answer = client.post(
                "/run-backtest", json={"configUsed": CONFIG}, timeout=PATIENCE_SECONDS
            )
            first_result = time.perf_counter() - began
            answer.raise_for_status()
        status = Path(f"/proc/{process.pid}/status").read_text()
        used = Path(f"/proc/{process.pid}/stat").read_text()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return Start(ready, first_result, _processor_seconds(used), _largest_memory(status))


def _until_ready(client: httpx.Client, began: float) -> None:
    while time.perf_counter() - began < PATIENCE_SECONDS:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.002)
    raise TimeoutError(f"not ready after {PATIENCE_SECONDS:g} s")


def _largest_memory(status: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _processor_seconds(used: str) -> float:
    """Of a process and its threads: fields 14 and 15 of its line, counted after its name."""
    fields = used.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_library(path: Path) -> None:
    """Make the library of kernels that the image has."""
    script = [sys.executable, str(ROOT / "deploy" / "image" / "bake_kernels.py")]
    inputs = ["--samples", str(ROOT / "samples"), "--examples", str(ROOT / "examples")]
    subprocess.run(
        [*script, *inputs, "--library", str(path)],
        env={**os.environ, "ENGINE_KERNELS": "collect"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def services(directory: Path) -> dict[str, Callable[[], Start]]:
    """What is measured, by name; candles and warm caches are made first."""
    candles = one_year()
    CandleFiles(directory / "candles").replace(candles)
    parquet = directory / "candles.parquet"
    columns = ("times", "open", "high", "low", "close", "volume")
    pq.write_table(pa.table({name: getattr(candles, name) for name in columns}), parquet)
    python = sys.executable
    worker = str(Path(python).with_name("backtest-worker"))
    caches = 0

    def peer(*arguments: str) -> Start:
        kind, *rest = arguments
        port = free_port()
        command = [python, "-m", "benchmarks.cold_peers", kind, str(port), *rest]
        return measure(command, port, {"NUMBA_CACHE_DIR": str(directory / "peer-kernels")})

    def ours(cache: str, library: str = "off") -> Start:
        port = free_port()
        environment = {
            "PORT": str(port),
            "STORE": f"sqlite:///{directory}/jobs.db",
            "CANDLES": str(directory / "candles"),
            "ARTIFACTS": str(directory / "artifacts"),
            "ENGINE_KERNELS": library,
            "NUMBA_CACHE_DIR": str(directory / cache),
        }
        return measure([worker, "serve"], port, environment)

    def without_kernels() -> Start:
        nonlocal caches
        caches += 1
        return ours(f"empty-{caches}")

    make_library(directory / "kernels.so")
    ours("kernels")
    peer("usual", str(parquet))
    return {
        FLOOR: lambda: peer("floor"),
        USUAL: lambda: peer("usual", str(parquet)),
        WORKER: lambda: ours("kernels", str(directory / "kernels.so")),
        CACHED: lambda: ours("kernels"),
        UNCOMPILED: without_kernels,
    }


def starts_of(names: Collection[str], rounds: int) -> dict[str, list[Start]]:
    """``rounds`` starts of each of these services, in turns."""
    with tempfile.TemporaryDirectory() as directory:
        measured = services(Path(directory))
        starts: dict[str, list[Start]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                starts[name].append(measured[name]())
    return starts


def rows(rounds: int = 5) -> list[Row]:
    """The lines of the table of targets."""
    return compared(starts_of((WORKER, USUAL), rounds))


def compared(starts: Mapping[str, Sequence[Start]]) -> list[Row]:
    """The worker beside the usual way."""
    first = {
        name: statistics.median(start.first_result for start in some)
        for name, some in starts.items()
    }
    memory = statistics.median(start.memory for start in starts[WORKER])
    return [
        Row(
            what=f"cold start to the first result over HTTP, {BARS:,} bars",
            figure=first[WORKER] / first[USUAL],
            target=TARGET,
            stretch=0.3,
            unit="×",
            at_most=True,
            detail=f"{duration(first[WORKER])} : {duration(first[USUAL])} ({USUAL})",
        ),
        Row(
            what="worker memory at that point",
            figure=memory,
            target=200.0,
            stretch=100.0,
            unit=" MiB",
            at_most=True,
            detail=f"{USUAL}: {max(start.memory for start in starts[USUAL]):.0f} MiB",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uncompiled", action="store_true", help="also with nothing compiled")
    arguments = parser.parse_args()
    names = (FLOOR, USUAL, WORKER, CACHED, *((UNCOMPILED,) if arguments.uncompiled else ()))
    starts = starts_of(names, arguments.rounds)
    print(f"{'':26}{'ready':>8}{'first result':>15}{'processor':>12}{'memory':>10}")
    for name, values in starts.items():
        ready = statistics.median(value.ready for value in values)
        first = statistics.median(value.first_result for value in values)
        processor = statistics.median(value.processor for value in values)
        memory = max(value.memory for value in values)
        print(f"{name:26}{ready:6.2f} s{first:13.2f} s{processor:10.2f} s{memory:6.0f} MiB")
    print(table(compared(starts)))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time of all starts: {children.ru_utime + children.ru_stime:.0f} s")


if __name__ == "__main__":
    main()
