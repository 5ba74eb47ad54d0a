"""The tables, and the indexes that the queries rest on."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from worker.adapters.sql.types import JsonText, UtcTime

metadata = MetaData()

#: ``revision`` grows with every write and is the version that a commit names.
jobs = Table(
    "backtest_jobs",
    metadata,
    Column("job_id", String(128), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("user_id", Text),
    Column("status", String(16), nullable=False),
    Column("config_used", JsonText, nullable=False),
    Column("submitted_at", UtcTime),
    Column("submitted_text", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("engine_version", Text),
    Column("priority", Integer, nullable=False),
    Column("timeout_seconds", Integer),
    Column("cancel_requested", Boolean, nullable=False),
    Column("started_at", UtcTime),
    Column("completed_at", UtcTime),
    Column("error_message", Text),
    Column("error_code", String(40)),
    Column("progress", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_id", Text),
    Column("lease_worker_id", Text),
    Column("lease_heartbeat_at", UtcTime),
    Column("lease_seconds", Integer),
    Column("lease_expires_at", UtcTime),
    Column("interruptions", Integer, nullable=False),
    Column("worker_losses", Integer, nullable=False),
    Column("rank", Double),
    Column("admitted_at", UtcTime),
    Column("lane", String(16)),
    Column("enum_style", String(16), nullable=False),
    Column("bundle_id", String(128)),
    Column("variants", JsonText),
    Column("bars", BigInteger),
    Column("duration_ms", BigInteger),
    Column("result_digest", Text),
    Column("expire_at", UtcTime),
    Column("defects", JsonText, nullable=False),
)

UNRANKED = text("status = 'queued' AND rank IS NULL")
CANCELLED = text("cancel_requested")

Index("backtest_jobs_queue", jobs.c.status, jobs.c.lane, jobs.c.rank, jobs.c.job_id)
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

#: What a person sets for the whole fleet, one row a switch.
switches = Table(
    "backtest_switches",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("reason", Text),
    Column("changed_at", UtcTime, nullable=False),
)

results = Table(
    "backtest_results",
    metadata,
    Column("job_id", String(128), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("result_digest", Text, nullable=False),
    Column("summary_digest", Text),
    Column("backtest_result", JsonText, nullable=False),
    Column("artifacts", JsonText, nullable=False),
    Column("expire_at", UtcTime),
)

bundles = Table(
    "backtest_bundles",
    metadata,
    Column("bundle_id", String(128), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("user_id", Text),
    Column("status", String(16), nullable=False),
    Column("name", Text),
    Column("submitted_at", UtcTime),
    Column("submitted_text", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("engine_version", Text),
    Column("priority", Integer, nullable=False),
    Column("base_config", JsonText, nullable=False),
    Column("parameter_grid", JsonText),
    Column("variants", JsonText),
    Column("variants_artifact", JsonText),
    Column("rank_by", Text, nullable=False),
    Column("keep_results", String(16), nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("total", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("progress", Double, nullable=False),
    Column("started_at", UtcTime),
    Column("completed_at", UtcTime),
    Column("error_message", Text),
    Column("error_code", String(40)),
    Column("summary", JsonText),
    Column("artifacts", JsonText, nullable=False),
    Column("admitted_at", UtcTime),
    Column("lane", String(16)),
    Column("enum_style", String(16), nullable=False),
    Column("chunk_size", Integer),
    Column("chunks", Integer),
    Column("expire_at", UtcTime),
    Column("defects", JsonText, nullable=False),
)

#: Spelled out, as a condition must be for a database to see that an index holds what is asked for.
OPEN = text("status IN ('queued', 'running')")

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
