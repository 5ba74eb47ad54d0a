"""The indexes that the queries rest on, for the history of the tables to be compared with.

No query needs them here, and their declaration loads the drivers of every database.
"""

from sqlalchemy import Index, text

from worker.adapters.sql.tables import OPEN, bundles, jobs, metadata, results

__all__ = ["metadata"]

UNRANKED = text("status = 'queued' AND rank IS NULL")
CANCELLED = text("cancel_requested")

# The engine version stands before the rank: jobs that other workers run are not even looked at.
Index(
    "backtest_jobs_queue",
    jobs.c.status,
    jobs.c.lane,
    jobs.c.engine_version,
    jobs.c.rank,
    jobs.c.job_id,
)
# Chunk jobs have an index of their own: a user's list never meets them.
_ALONE, _IN_BUNDLE = jobs.c.bundle_id.is_(None), jobs.c.bundle_id.is_not(None)
Index(
    "backtest_jobs_of_user",
    jobs.c.user_id,
    jobs.c.admitted_at,
    jobs.c.job_id,
    postgresql_where=_ALONE,
    sqlite_where=_ALONE,
)
Index(
    "backtest_jobs_chunks_of_user",
    jobs.c.user_id,
    jobs.c.admitted_at,
    postgresql_where=_IN_BUNDLE,
    sqlite_where=_IN_BUNDLE,
)
# Most jobs belong to no bundle and are held by nobody: they are not in these two.
_HELD = jobs.c.lease_worker_id.is_not(None)
Index(
    "backtest_jobs_of_bundle",
    jobs.c.bundle_id,
    jobs.c.status,
    postgresql_where=_IN_BUNDLE,
    sqlite_where=_IN_BUNDLE,
)
Index(
    "backtest_jobs_of_worker",
    jobs.c.lease_worker_id,
    postgresql_where=_HELD,
    sqlite_where=_HELD,
)

# Partial: what they look for is rare, and every other job is spared the index.
Index(
    "backtest_jobs_unranked",
    jobs.c.user_id,
    jobs.c.priority,
    jobs.c.admitted_at,
    sqlite_where=UNRANKED,
    postgresql_where=UNRANKED,
)
Index(
    "backtest_jobs_cancelled",
    jobs.c.status,
    sqlite_where=CANCELLED,
    postgresql_where=CANCELLED,
)
Index("backtest_jobs_active", jobs.c.user_id, jobs.c.status)
Index("backtest_jobs_ended", jobs.c.completed_at)

Index("backtest_bundles_of_user", bundles.c.user_id, bundles.c.admitted_at, bundles.c.bundle_id)
Index(
    "backtest_bundles_open",
    bundles.c.status,
    bundles.c.bundle_id,
    postgresql_where=OPEN,
    sqlite_where=OPEN,
)
Index(
    "backtest_bundles_open_of_user",
    bundles.c.user_id,
    postgresql_where=OPEN,
    sqlite_where=OPEN,
)

# Without a retention, or before its end, there is nothing in these.
for _table in (jobs, results, bundles):
    _EXPIRES = _table.c.expire_at.is_not(None)
    Index(
        f"{_table.name}_expiring",
        _table.c.expire_at,
        postgresql_where=_EXPIRES,
        sqlite_where=_EXPIRES,
    )
