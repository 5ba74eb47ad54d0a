"""Everything that is ever written into a PostgreSQL store, and what it must never have been."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import make_url

JOBS, RESULTS, BUNDLES = "backtest_jobs", "backtest_results", "backtest_bundles"
FINAL = ("completed", "failed")

_TRAIL = """
CREATE SCHEMA audit;
CREATE TABLE audit.trail (
    id bigserial PRIMARY KEY,
    xid bigint NOT NULL DEFAULT txid_current(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    place text NOT NULL,
    old jsonb,
    new jsonb
);
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.trail (place, old, new) VALUES (
        TG_TABLE_NAME,
        CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END,
        CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END
    );
    RETURN NULL;
END $$;
"""


@dataclass(frozen=True)
class Write:
    """One row that was written: before and after, by which transaction and when."""

    xid: int
    at: datetime
    place: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


class Audit:
    """Notes every write to every table of a database, from now on."""

    def __init__(self, url: str) -> None:
        self._conninfo = make_url(url).set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(_TRAIL)
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            for (table,) in tables:
                connection.execute(
                    f"CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION audit.note()"
                )
        self.tables = {table for (table,) in tables}

    def trail(self) -> list[Write]:
        """In the order in which each row was written."""
        with psycopg.connect(self._conninfo) as connection:
            asked = "SELECT xid, at, place, old, new FROM audit.trail ORDER BY id"
            return [Write(*row) for row in connection.execute(asked)]


def violations(trail: Sequence[Write]) -> list[str]:
    """What the trail has that no store may go through, in sentences."""
    by_job = defaultdict[str, list[Write]](list)
    for write in trail:
        if write.place == JOBS:
            by_job[_row(write)["job_id"]].append(write)
    found = [problem for job_id in by_job for problem in _of_job(job_id, by_job[job_id])]
    found += _of_results(trail)
    found += _of_bundles(trail)
    return found


def _row(write: Write) -> Mapping[str, Any]:
    row = write.new if write.new is not None else write.old
    assert row is not None
    return row


def _of_job(job_id: str, writes: Sequence[Write]) -> Iterator[str]:
    ends = 0
    for before, write in zip([None, *writes], writes, strict=False):
        old, new = write.old, write.new
        if new is None:
            yield f"{job_id} was deleted"
            continue
        if old is None:
            continue
        if before is not None and before.new != old:
            yield f"{job_id}: a write does not follow the one before it"
        if new["revision"] != old["revision"] + 1:
            yield f"{job_id}: revision {old['revision']} became {new['revision']}"
        if old["status"] in FINAL:
            yield f"{job_id} was written after its end"
        if new["status"] in FINAL and old["status"] not in FINAL:
            ends += 1
        yield from _of_attempt(job_id, old, write)
    if ends > 1:
        yield f"{job_id} ended {ends} times"


def _of_attempt(job_id: str, old: Mapping[str, Any], write: Write) -> Iterator[str]:
    new = write.new
    assert new is not None
    is_claim = new["status"] == "running" and old["status"] == "queued"
    if new["attempt"] != old["attempt"] + is_claim:
        yield f"{job_id}: attempt {old['attempt']} became {new['attempt']}"
    if old["status"] == "queued" and new["status"] == "completed":
        yield f"{job_id} was completed by nobody"
    if is_claim and new["lease_id"] is None:
        yield f"{job_id} runs without a lease"
    if old["status"] != "running":
        return
    silence = (write.at - _time(old["lease_heartbeat_at"])).total_seconds()
    if new["status"] == "running":
        if new["lease_id"] != old["lease_id"]:
            yield f"{job_id}: its lease went to another worker while it ran"
        if new["progress"] < old["progress"]:
            yield f"{job_id}: its progress went back"
        if (
            new["lease_heartbeat_at"] != old["lease_heartbeat_at"]
            and (
                _time(new["lease_heartbeat_at"]) - _time(old["lease_heartbeat_at"])
            ).total_seconds()
            > old["lease_seconds"]
        ):
            yield f"{job_id}: a lease that had run out was renewed"
    elif new["worker_losses"] > old["worker_losses"] and silence <= old["lease_seconds"]:
        yield f"{job_id} was taken from a worker that still answered"


def _of_results(trail: Sequence[Write]) -> Iterator[str]:
    completed = {
        (write.new["job_id"], write.xid)
        for write in trail
        if write.place == JOBS
        and write.new is not None
        and write.new["status"] == "completed"
        and (write.old is None or write.old["status"] != "completed")
    }
    stored = {
        (write.new["job_id"], write.xid)
        for write in trail
        if write.place == RESULTS and write.new is not None
    }
    for write in trail:
        if write.place == RESULTS and write.new is None:
            yield f"the result of {_row(write)['job_id']} was deleted"
    for job_id, _ in sorted(completed - stored):
        yield f"{job_id} was completed without its result"
    for job_id, _ in sorted(stored - completed):
        yield f"a result of {job_id} was stored without its end"


def _of_bundles(trail: Sequence[Write]) -> Iterator[str]:
    for write in trail:
        if write.place != BUNDLES or write.old is None or write.new is None:
            continue
        bundle_id = write.new["bundle_id"]
        if write.old["status"] in FINAL:
            yield f"bundle {bundle_id} was written after its end"
        counted = write.new["completed"] + write.new["failed"]
        if write.new["status"] in FINAL and counted != write.new["total"]:
            yield f"bundle {bundle_id} ended with {counted} of {write.new['total']} variants"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
