"""Jobs a second through claim and finish, for each store, beside a bare loop over its driver.

    python -m benchmarks.job_store [JOBS] [THREADS]

The bare loops run the same two transactions (pick and mark the best queued row; mark it done and
insert its result) as plain SQL without objects, checks or mapping, and only in one thread: the
ratio is the price of the store's own work.
"""

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support.emulators import FirestoreEmulator
from tests.support.jobs import an_admitted_job, claim_best, finish
from tests.support.postgres import PostgresServer
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.ports import JobStore

RESULT = '{"totalReturn":0.25,"equityCurve":[100.0,125.0],"cycles":[]}'

CREATE = (
    "CREATE TABLE bare_jobs (id TEXT PRIMARY KEY, status TEXT, place REAL, revision INTEGER)",
    "CREATE INDEX bare_queue ON bare_jobs (status, place)",
    "CREATE TABLE bare_results (id TEXT PRIMARY KEY, body TEXT)",
)


def rate(jobs: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return jobs / (time.perf_counter() - started)


def through(store: JobStore, jobs: int, threads: int) -> float:
    """Jobs a second when ``threads`` workers empty a queue of ``jobs``."""
    for number in range(jobs):
        store.create(an_admitted_job(f"t{threads}-{number}", float(number)))

    def work(number: int) -> int:
        done = 0
        while (claimed := claim_best(store, worker_id=f"w{number}")) is not None:
            finish(store, claimed)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as crew:
        started = time.perf_counter()
        done = sum(crew.map(work, range(threads)))
        seconds = time.perf_counter() - started
    assert done == jobs, f"{done} of {jobs} jobs ran"
    return jobs / seconds


def bare_sqlite(file: str, jobs: int) -> float:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    for statement in CREATE:
        connection.execute(statement)
    for number in range(jobs):
        connection.execute(
            "INSERT INTO bare_jobs VALUES (?, 'queued', ?, 1)", (f"j{number}", number)
        )

    def work() -> None:
        for _ in range(jobs):
            connection.execute("BEGIN IMMEDIATE")
            (job_id,) = connection.execute(
                "SELECT id FROM bare_jobs WHERE status = 'queued' ORDER BY place LIMIT 1"
            ).fetchone()
            connection.execute(
                "UPDATE bare_jobs SET status = 'running', revision = 2 WHERE id = ?", (job_id,)
            )
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "UPDATE bare_jobs SET status = 'completed', revision = 3 "
                "WHERE id = ? AND revision = 2",
                (job_id,),
            )
            connection.execute("INSERT INTO bare_results VALUES (?, ?)", (job_id, RESULT))
            connection.execute("COMMIT")

    measured = rate(jobs, work)
    connection.close()
    return measured


def bare_postgres(url: str, jobs: int) -> float:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in CREATE:
            connection.execute(statement)
        for number in range(jobs):
            connection.execute(
                "INSERT INTO bare_jobs VALUES (%s, 'queued', %s, 1)", (f"j{number}", number)
            )

        def work() -> None:
            for _ in range(jobs):
                with connection.transaction():
                    row = connection.execute(
                        "SELECT id FROM bare_jobs WHERE status = 'queued' ORDER BY place LIMIT 1 "
                        "FOR UPDATE SKIP LOCKED"
                    ).fetchone()
                    assert row is not None
                    connection.execute(
                        "UPDATE bare_jobs SET status = 'running', revision = 2 WHERE id = %s", row
                    )
                with connection.transaction():
                    connection.execute(
                        "UPDATE bare_jobs SET status = 'completed', revision = 3 "
                        "WHERE id = %s AND revision = 2",
                        row,
                    )
                    connection.execute("INSERT INTO bare_results VALUES (%s, %s)", (row[0], RESULT))

        return rate(jobs, work)


def report(name: str, store: JobStore, jobs: int, threads: int, bare: float | None) -> None:
    alone, together = through(store, jobs, 1), through(store, jobs, threads)
    beside = "" if bare is None else f"   bare loop {bare:7.0f}/s, ratio {alone / bare:.2f}"
    print(f"{name:<20} 1 worker {alone:6.0f}/s   {threads} workers {together:6.0f}/s{beside}")
    store.close()


def main(jobs: int, threads: int) -> None:
    print(f"claim + finish, {jobs} jobs a run")
    with tempfile.TemporaryDirectory() as directory:
        bare = bare_sqlite(f"{directory}/bare.db", jobs)
        store = SqlJobStore(f"sqlite:///{directory}/jobs.db")
        report("SQLite", store, jobs, threads, bare)
    server = PostgresServer()
    try:
        url = server.url(server.new_database())
        bare = bare_postgres(url, jobs)
        store = SqlJobStore(url)
        store.create_schema()
        report("PostgreSQL", store, jobs, threads, bare)
    finally:
        server.stop()
    emulator = FirestoreEmulator()
    try:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host
        emulator.warm_up()
        documents = FirestoreJobStore(emulator.new_project())
        report("Firestore emulator", documents, jobs, threads, None)
    finally:
        emulator.stop()


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(jobs=given[0] if given else 300, threads=given[1] if len(given) > 1 else 8)
