"""Jobs a second through claim and finish, for each store, beside a bare loop over its driver.

    python -m benchmarks.job_store [JOBS [sqlite|postgresql|firestore]]

Both empty a queue of the same jobs in the same tables, in turns, and the better of two runs counts;
the ratio is the bare loop's time over the store's. Workers are processes. Then: how long a claim
takes with many jobs queued.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from sqlalchemy import insert, text

from benchmarks.bare_queue import firestore_loop, postgres_loop, sqlite_loop
from tests.support.emulators import FirestoreEmulator
from tests.support.jobs import an_admitted_job, claim_best, finish
from tests.support.postgres import PostgresServer
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.connection import connect, writing
from worker.adapters.sql.mapping import job_row
from worker.adapters.sql.tables import jobs
from worker.jobs.job import Job
from worker.ports import JobStore

ROUNDS = 2
#: Rows are sent as many at once: the store's connections wait for an answer only so long.
BATCH = 10_000
#: Connects to a database; what it gives runs the queue empty.
Loop = Callable[[str], Callable[[], int]]

_start: Barrier


def fill(url: str, crowd: Sequence[Job]) -> None:
    """Many jobs at once, and the statistics that a database makes of them by and by."""
    engine = connect(url)
    with writing(engine) as connection:
        rows = [job_row(job, job.admitted_at or job.created_at) for job in crowd]  # type: ignore[arg-type]  # a job of a crowd was created
        for start in range(0, len(rows), BATCH):
            connection.execute(insert(jobs), rows[start : start + BATCH])
        connection.execute(text("ANALYZE"))
    engine.dispose()


def queue(count: int, name: str) -> list[Job]:
    return [an_admitted_job(f"{name}-{number}", float(number)) for number in range(count)]


def store_loop(url: str) -> Callable[[], int]:
    """What runs the queue empty through the store, connected."""
    store = SqlJobStore(url)
    store.get("warm")

    def empty() -> int:
        done = drain(store)
        store.close()
        return done

    return empty


def drain(store: JobStore) -> int:
    done = 0
    while (claimed := claim_best(store, worker_id=f"w{os.getpid()}")) is not None:
        finish(store, claimed)
        done += 1
    return done


def meet(barrier: Barrier) -> None:
    global _start
    _start = barrier


def together(loop: Loop, target: str) -> tuple[float, float, int]:
    """When one worker began and ended, and how many jobs it ran."""
    empty = loop(target)
    _start.wait(60)
    began = time.monotonic()
    done = empty()
    return began, time.monotonic(), done


def seconds_to_empty(loop: Loop, target: str, workers: int, count: int) -> float:
    """From the first worker's start to the last one's end."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    with ProcessPoolExecutor(workers, context, initializer=meet, initargs=(barrier,)) as crew:
        parts = list(crew.map(together, [loop] * workers, [target] * workers))
    assert sum(done for _, _, done in parts) == count
    return max(end for _, end, _ in parts) - min(began for began, _, _ in parts)


def compare(name: str, url: str, target: str, bare: Loop, count: int, workers: int) -> None:
    """``target`` is how the bare loop names the database at ``url``."""
    best = dict.fromkeys(("store", "bare"), float("inf"))
    for number in range(ROUNDS):
        for who, loop, place in (("store", store_loop, url), ("bare", bare, target)):
            fill(url, queue(count, f"{who}{workers}-{number}"))
            best[who] = min(best[who], seconds_to_empty(loop, place, workers, count))
    print(
        f"{name:<12} {workers} workers  store {count / best['store']:6.0f}/s   "
        f"bare loop {count / best['bare']:6.0f}/s   ratio {best['bare'] / best['store']:.2f}"
    )


def claim_depths(name: str, urls: tuple[str, str]) -> None:
    """Claims from a long queue beside claims from a short one, each in a database of its own."""
    short, long = (
        claim_times(name, url, depth) for url, depth in zip(urls, (100, 100_000), strict=True)
    )
    print(f"{name:<12} claim p95 of the long queue to that of the short one: {long / short:.2f}")


def claim_times(name: str, url: str, depth: int, claims: int = 300) -> float:
    """Claims at a queue of ``depth`` jobs, each put back before the next; p95 in milliseconds."""
    store = SqlJobStore(url)
    fill(url, queue(depth, f"deep{depth}"))
    taken = []
    for number in range(claims):
        began = time.perf_counter()
        claimed = claim_best(store)
        taken.append(time.perf_counter() - began)
        assert claimed is not None
        finish(store, claimed)
        store.create(an_admitted_job(f"again{depth}-{number}", depth + 1.0))
    store.close()
    taken.sort()
    median, p95 = (taken[int(claims * part)] * 1000 for part in (0.5, 0.95))
    print(f"{name:<12} {depth:>6} queued  claim p50 {median:.2f} ms   p95 {p95:.2f} ms")
    return p95


def sqlite(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = f"{directory}/jobs.db"
        SqlJobStore(f"sqlite:///{file}").close()
        compare("SQLite", f"sqlite:///{file}", file, sqlite_loop, count, 1)
        urls = (f"sqlite:///{directory}/short.db", f"sqlite:///{directory}/long.db")
        for url in urls:
            SqlJobStore(url).close()
        claim_depths("SQLite", urls)


def postgresql(count: int) -> None:
    server = PostgresServer()
    try:
        url = _migrated(server)
        compare("PostgreSQL", url, url, postgres_loop, count, 1)
        compare("PostgreSQL", url, url, postgres_loop, count, 8)
        claim_depths("PostgreSQL", (_migrated(server), _migrated(server)))
    finally:
        server.stop()


def _migrated(server: PostgresServer) -> str:
    url = server.url(server.new_database())
    store = SqlJobStore(url)
    store.create_schema()
    store.close()
    return url


def firestore(count: int) -> None:
    emulator = FirestoreEmulator()
    try:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host
        emulator.warm_up()
        best = dict.fromkeys(("store", "bare"), float("inf"))
        for who in ("store", "bare") * ROUNDS:
            project = emulator.new_project()
            store = FirestoreJobStore(project)
            for job in queue(count, who):
                store.create(job)
            empty = (lambda: drain(store)) if who == "store" else firestore_loop(project)  # noqa: B023  # called before the next store is made
            began = time.monotonic()
            assert empty() == count
            best[who] = min(best[who], time.monotonic() - began)
            store.close()
        print(
            f"{'Firestore':<12} 1 workers  store {count / best['store']:6.0f}/s   "
            f"bare loop {count / best['bare']:6.0f}/s   ratio {best['bare'] / best['store']:.2f}"
        )
    finally:
        emulator.stop()


def main(count: int, only: str) -> None:
    print(f"claim + finish, {count} jobs a run")
    for measure in (sqlite, postgresql, firestore):
        if only in ("", measure.__name__):
            measure(count)


if __name__ == "__main__":
    main(
        count=int(sys.argv[1]) if len(sys.argv) > 1 else 1000,
        only=sys.argv[2] if len(sys.argv) > 2 else "",
    )
