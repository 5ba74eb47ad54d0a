"""From the start of a process to the first job whose result is in Firestore, on 525,600 bars.

    python -m benchmarks.cold_start [--rounds 5]

As on Cloud Run: a job waits in Firestore, admitted; a process starts, says that it is ready, and
is pushed the job's message; its answer follows the commit of the result. Needs Java and the
Firestore emulator, which takes a part of the machine's processors. Candles are on disk.

Services start one after another, in turns, so that noise meets all of them alike: a bare FastAPI
app without a store (the floor), the usual way to build such a service (cold_peers.py), the worker
with its library of kernels as in the image, with what numba keeps instead, and with nothing
compiled. Prints medians, each service's largest memory, and the worker as a share of the usual way.
"""

import argparse
import base64
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import firestore

from benchmarks.targets import Row, duration, table
from engine.candles import Candles
from engine.timeframes import TIMEFRAMES
from tests.support.emulators import FirestoreEmulator
from tests.support.jobs import a_job
from tests.support.processes import free_port
from worker.adapters.candle_files import CandleFiles
from worker.bootstrap import build_services
from worker.jobs.states import JobStatus
from worker.settings import load_settings

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
TARGET, STRETCH = 1.0, 0.65
FLOOR, USUAL = "bare FastAPI", "FastAPI, Firestore, Parquet, numba"
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


def measure(command: list[str], port: int, environment: dict[str, str], job_id: str) -> Start:
    """Start, wait until ready, push one job's message, stop."""
    data = base64.b64encode(json.dumps({"jobId": job_id}).encode()).decode()
    message = {"message": {"data": data, "messageId": job_id}, "subscription": "cold"}
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
            answer = client.post("/pubsub/push", json=message, timeout=PATIENCE_SECONDS)
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


@contextmanager
def firestore_project() -> Iterator[str]:
    """A project of an emulator that this process and its children use."""
    emulator = FirestoreEmulator()
    os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host
    try:
        emulator.warm_up()
        yield emulator.new_project()
    finally:
        del os.environ["FIRESTORE_EMULATOR_HOST"]
        emulator.stop()


class Services:
    """What is measured, by name; candles and warm caches are made first."""

    def __init__(self, directory: Path, project: str) -> None:
        self._directory = directory
        self._project = project
        self._numbers = count()
        self._environment = {
            "STORE": f"firestore://{project}/(default)",
            "DOORBELL": f"pubsub://{project}/backtests",
            "CANDLES": str(directory / "candles"),
            "ARTIFACTS": str(directory / "artifacts"),
        }
        self._control = build_services(
            load_settings(**{name.lower(): value for name, value in self._environment.items()})
        )
        self._firestore = firestore.Client(project=project)
        candles = one_year()
        CandleFiles(directory / "candles").replace(candles)
        columns = ("times", "open", "high", "low", "close", "volume")
        self._parquet = directory / "candles.parquet"
        pq.write_table(pa.table({name: getattr(candles, name) for name in columns}), self._parquet)
        make_library(directory / "kernels.so")
        self.by_name: dict[str, Callable[[], Start]] = {
            FLOOR: self._floor,
            USUAL: self._usual,
            WORKER: partial(self._worker, "kernels", str(directory / "kernels.so")),
            CACHED: partial(self._worker, "kernels"),
            UNCOMPILED: lambda: self._worker(f"empty-{next(self._numbers)}"),
        }
        self._worker("kernels")
        self._usual()

    def close(self) -> None:
        self._control.store.close()
        self._firestore.close()  # type: ignore[no-untyped-call]  # Google's has no types

    def _floor(self) -> Start:
        return self._peer("floor", "nothing")

    def _usual(self) -> Start:
        job = self._firestore.collection("jobs").document(f"job-{next(self._numbers)}")
        job.create({"status": "queued", **CONFIG["parameters"]})
        series = self._directory / f"{job.id}.parquet"
        start = self._peer("usual", job.id, str(self._parquet), str(series), self._project)
        assert job.get().get("status") == "completed"
        assert pq.read_metadata(series).num_rows == BARS
        return start

    def _peer(self, kind: str, job_id: str, *arguments: str) -> Start:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.cold_peers", kind, str(port), *arguments]
        environment = {"NUMBA_CACHE_DIR": str(self._directory / "peer-kernels")}
        return measure(command, port, environment, job_id)

    def _worker(self, cache: str, library: str = "off") -> Start:
        job_id = f"job-{next(self._numbers)}"
        self._control.store.create(a_job(job_id, config_used=CONFIG))
        self._control.admission.admit_id(job_id)
        port = free_port()
        environment = {
            **self._environment,
            "PORT": str(port),
            "ENGINE_KERNELS": library,
            "NUMBA_CACHE_DIR": str(self._directory / cache),
        }
        worker = str(Path(sys.executable).with_name("backtest-worker"))
        start = measure([worker, "serve"], port, environment, job_id)
        ended = self._control.store.get(job_id)
        assert ended is not None
        assert ended.job.status is JobStatus.COMPLETED, ended.job
        assert self._control.store.result(job_id) is not None
        return start


def starts_of(names: Collection[str], rounds: int) -> dict[str, list[Start]]:
    """``rounds`` starts of each of these services, in turns."""
    with tempfile.TemporaryDirectory() as directory, firestore_project() as project:
        services = Services(Path(directory), project)
        try:
            starts: dict[str, list[Start]] = {name: [] for name in names}
            for _ in range(rounds):
                for name in names:
                    starts[name].append(services.by_name[name]())
        finally:
            services.close()
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
            what=f"cold start to the first result in Firestore, {BARS:,} bars",
            figure=first[WORKER] / first[USUAL],
            target=TARGET,
            stretch=STRETCH,
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
    print(f"{'':36}{'ready':>8}{'first result':>15}{'processor':>12}{'memory':>10}")
    for name, values in starts.items():
        ready = statistics.median(value.ready for value in values)
        first = statistics.median(value.first_result for value in values)
        processor = statistics.median(value.processor for value in values)
        memory = max(value.memory for value in values)
        print(f"{name:36}{ready:6.2f} s{first:13.2f} s{processor:10.2f} s{memory:6.0f} MiB")
    print(table(compared(starts)))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time of all starts: {children.ru_utime + children.ru_stime:.0f} s")


if __name__ == "__main__":
    main()
