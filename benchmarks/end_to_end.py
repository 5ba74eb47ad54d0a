"""Time from a user's write of a job to ``completed`` before that user's eyes, on the emulators.

    python -m benchmarks.end_to_end [--jobs 50] [--crowd 100]

Needs Java and the Firestore and Pub/Sub emulators. Prints what one user sees of jobs written one
after another, of a crowd of jobs written at once, and of the first two jobs of a fresh worker
process. Every job is a wheel over ten years of stored daily candles.
"""

import argparse
import math
import os
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from google.cloud.firestore import FieldFilter

from engine.candles import Candles
from engine.timeframes import TIMEFRAMES
from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.stack import Stack, StackUser
from worker.adapters.candle_files import CandleFiles

BARS = 2500
WHEEL: dict[str, Any] = {
    "strategyId": "wheel",
    "symbol": "WAVE",
    "startDate": "2015-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 100_000,
}
PATIENCE_SECONDS = 60.0


def wave() -> Candles:
    """Ten years of daily bars that rise and fall."""
    days = np.arange(BARS)
    close = 100 + 10 * np.sin(days / 9) + days / 50
    first = int(datetime(2015, 1, 2, tzinfo=UTC).timestamp()) * 1000
    return Candles(
        symbol="WAVE",
        timeframe="1d",
        times=first + TIMEFRAMES["1d"] * days,
        open=close,
        high=close + 1,
        low=close - 1,
        close=close,
        volume=np.full(BARS, 1000.0),
    )


class Stopwatch:
    """A user's listener on its own jobs that notes when each one is seen to be completed."""

    def __init__(self, user: StackUser) -> None:
        self._user = user
        self._written: dict[str, float] = {}
        self._completed: dict[str, float] = {}
        self._changed = threading.Condition()
        own = user.client.collection("backtestJobs").where(
            filter=FieldFilter("userId", "==", user.uid)
        )
        self._listening = threading.Event()
        self._watch = own.on_snapshot(self._on_snapshot)
        # A write that meets the emulator while a listener is being set up may never be told.
        if not self._listening.wait(PATIENCE_SECONDS):
            raise TimeoutError("the listener did not start")

    def write(self) -> str:
        started = time.perf_counter()
        job_id = self._user.submit(WHEEL)
        self._written[job_id] = started
        return job_id

    def seconds(self, job_id: str) -> float:
        """From write to ``completed``; waits for it."""
        with self._changed:
            if not self._changed.wait_for(lambda: job_id in self._completed, PATIENCE_SECONDS):
                raise TimeoutError(f"job {job_id} did not complete")
        return self._completed[job_id] - self._written[job_id]

    def close(self) -> None:
        self._watch.unsubscribe()

    def _on_snapshot(self, documents: list[Any], *_: object) -> None:
        now = time.perf_counter()
        self._listening.set()
        with self._changed:
            for document in documents:
                if document.get("status") == "completed":
                    self._completed.setdefault(document.id, now)
            self._changed.notify_all()


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def one_after_another(stack: Stack, jobs: int) -> None:
    watch = Stopwatch(stack.user("patient"))
    seconds = [watch.seconds(watch.write()) for _ in range(jobs)]
    watch.close()
    print(
        f"{jobs} jobs one after another: median {1000 * statistics.median(seconds):.0f} ms, "
        f"p95 {1000 * quantile(seconds, 0.95):.0f} ms"
    )


def at_once(stack: Stack, jobs: int) -> None:
    watch = Stopwatch(stack.user("crowd"))
    started = time.perf_counter()
    for job_id in [watch.write() for _ in range(jobs)]:
        watch.seconds(job_id)
    elapsed = time.perf_counter() - started
    watch.close()
    print(f"{jobs} jobs at once, one worker: {elapsed:.1f} s, {jobs / elapsed:.0f} jobs/s")


def fresh_worker(stack: Stack, number: int) -> None:
    started = time.perf_counter()
    stack.stop("serve")
    stack.start("serve")
    ready = time.perf_counter() - started
    watch = Stopwatch(stack.user(f"fresh-{number}"))
    first, second = (watch.seconds(watch.write()) for _ in range(2))
    watch.close()
    print(
        f"fresh worker process: stopped, started and ready in {ready:.1f} s; "
        f"first job {1000 * first:.0f} ms, second {1000 * second:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=50, help="jobs one after another")
    parser.add_argument("--crowd", type=int, default=100, help="jobs at once")
    arguments = parser.parse_args()
    firestore, pubsub = FirestoreEmulator(), PubSubEmulator()
    os.environ["FIRESTORE_EMULATOR_HOST"] = firestore.host
    firestore.warm_up()
    pubsub.warm_up()
    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(firestore, pubsub, Path(directory))
        CandleFiles(stack.candles).replace(wave())
        try:
            for number in range(3):
                fresh_worker(stack, number)
            one_after_another(stack, arguments.jobs)
            at_once(stack, arguments.crowd)
        finally:
            stack.close()
            pubsub.stop()
            firestore.stop()


if __name__ == "__main__":
    main()
