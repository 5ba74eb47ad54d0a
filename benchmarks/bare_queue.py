"""The queue as one would write it by hand over a driver: the peer of the SQL stores.

The same three steps on the same tables with the same columns: take the best queued job and mark
it with a lease; end it under its fence; insert its result in the same transaction. No objects, no
checks, no errors told apart.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from tests.support.jobs import a_result

DOCUMENT = dict(a_result("bare").backtest_result)
BEST = (
    "SELECT job_id, revision, attempt, config_used FROM backtest_jobs WHERE status = 'queued' "
    "AND lane = 'push' AND engine_version IN ('1.0.0') AND rank IS NOT NULL "
    "ORDER BY rank, job_id LIMIT 1"
)
CLAIM = (
    "UPDATE backtest_jobs SET status = 'running', attempt = {0}, lease_id = {0}, "
    "lease_worker_id = {0}, lease_heartbeat_at = {1}, lease_seconds = 90, lease_expires_at = NULL, "
    "started_at = {1}, completed_at = NULL, error_code = NULL, error_message = NULL, progress = 0, "
    "duration_ms = NULL, result_digest = NULL, revision = revision + 1 WHERE job_id = {0}"
)
COMPLETE = (
    "UPDATE backtest_jobs SET status = 'completed', completed_at = {1}, progress = 1, "
    "lease_id = NULL, lease_worker_id = NULL, lease_heartbeat_at = NULL, lease_seconds = NULL, "
    "lease_expires_at = NULL, result_digest = {0}, duration_ms = {0}, revision = revision + 1 "
    "WHERE job_id = {0} AND attempt = {0} AND lease_id = {0}"
)
INSERT = (
    "INSERT INTO backtest_results (job_id, user_id, created_at, engine_version, result_digest, "
    "summary_digest, backtest_result, artifacts, expire_at) "
    "VALUES ({0}, 'ann', {1}, '1.0.0', 'sha256:1', 'sha256:2', {0}, '{{}}', NULL)"
)


def sqlite_loop(file: str) -> Callable[[], int]:
    """What runs the queue of a file empty, and says how many jobs that were."""
    claim, complete, insert = (text.format("?", "?") for text in (CLAIM, COMPLETE, INSERT))
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=NORMAL")

    def empty() -> int:
        done = 0
        while True:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(BEST).fetchone()
            if row is None:
                connection.execute("COMMIT")
                connection.close()
                return done
            job_id, lease, now = row[0], secrets.token_hex(8), _now()
            json.loads(row[3])
            connection.execute(claim, (row[2] + 1, lease, "bare", now, now, job_id))
            connection.execute("COMMIT")
            now = _now()
            connection.execute("BEGIN IMMEDIATE")
            fence = (now, "sha256:1", 1200, job_id, row[2] + 1, lease)
            assert connection.execute(complete, fence).rowcount == 1
            connection.execute(insert, (job_id, now, json.dumps(DOCUMENT)))
            connection.execute("COMMIT")
            done += 1

    return empty


def postgres_loop(url: str) -> Callable[[], int]:
    """The same for a database."""
    clock = "clock_timestamp()"
    claim, complete, insert = (text.format("%s", clock) for text in (CLAIM, COMPLETE, INSERT))
    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def empty() -> int:
        done = 0
        while True:
            with connection.transaction():
                row: Any = connection.execute(f"{BEST} FOR UPDATE SKIP LOCKED").fetchone()
                if row is None:
                    break
                job_id, lease = row[0], secrets.token_hex(8)
                json.loads(row[3])
                connection.execute(claim, (row[2] + 1, lease, "bare", job_id))
            with connection.transaction():
                fence = ("sha256:1", 1200, job_id, row[2] + 1, lease)
                assert connection.execute(complete, fence).rowcount == 1
                connection.execute(insert, (job_id, json.dumps(DOCUMENT)))
            done += 1
        connection.close()
        return done

    return empty


def firestore_loop(project: str) -> Callable[[], int]:
    """The same for documents: a guarded update claims, a batch ends."""
    from google.cloud import firestore
    from google.cloud.firestore import SERVER_TIMESTAMP, FieldFilter

    client = firestore.Client(project=project)
    jobs, results = client.collection("backtestJobs"), client.collection("backtestResults")
    first = (
        jobs.where(filter=FieldFilter("status", "==", "queued"))
        .where(filter=FieldFilter("lane", "==", "push"))
        .where(filter=FieldFilter("engineVersion", "in", ["1.0.0"]))
        .order_by("rank")
        .limit(1)
    )

    def guard(version: Any) -> Any:
        return client.write_option(last_update_time=version)

    def empty() -> int:
        done = 0
        while found := list(first.stream()):
            [job] = found
            lease: dict[str, Any] = {
                "leaseId": secrets.token_hex(8),
                "workerId": "bare",
                "seconds": 90,
            }
            lease["heartbeatAt"] = SERVER_TIMESTAMP
            claim: dict[str, Any] = {
                "status": "running",
                "attempt": 1,
                "lease": lease,
                "progress": 0.0,
            }
            claim["startedAt"] = SERVER_TIMESTAMP
            written = job.reference.update(claim, option=guard(job.update_time))
            batch = client.batch()
            batch.update(
                job.reference,
                {"status": "completed", "completedAt": SERVER_TIMESTAMP, "lease": None},
                option=guard(written.update_time),
            )
            result = {"userId": "ann", "resultDigest": "sha256:1", "backtestResult": DOCUMENT}
            batch.create(results.document(job.id), result)
            batch.commit()
            done += 1
        client.close()
        return done

    return empty


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
