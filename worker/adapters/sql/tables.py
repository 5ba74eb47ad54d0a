"""The tables; indexes.py has what the queries rest on."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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
    Column("traceparent", Text),
)

#: What a person sets for the whole fleet, one row a switch.
switches = Table(
    "backtest_switches",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("reason", Text),
    Column("changed_at", UtcTime, nullable=False),
)

#: Marks of the places that belong to this store, by the setting that names each.
places = Table(
    "backtest_places",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("mark", Text, nullable=False),
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
    Column("expansion_tries", Integer, nullable=False, server_default="0"),
    Column("next_expansion_at", UtcTime),
    Column("expire_at", UtcTime),
    Column("defects", JsonText, nullable=False),
)

#: Spelled out, as a condition must be for a database to see that an index holds what is asked for.
OPEN = text("status IN ('queued', 'running')")
