"""Bundles; and a user's list of jobs finds them without reading past chunk jobs."""

import sqlalchemy as sa
from alembic import op

from worker.adapters.sql.types import JsonText, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JOBS, _BUNDLES = "backtest_jobs", "backtest_bundles"
_OPEN = "status IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        _BUNDLES,
        sa.Column("bundle_id", sa.String(128), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("submitted_at", UtcTime),
        sa.Column("submitted_text", sa.Text),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("engine_version", sa.Text),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("base_config", JsonText, nullable=False),
        sa.Column("parameter_grid", JsonText),
        sa.Column("variants", JsonText),
        sa.Column("variants_artifact", JsonText),
        sa.Column("rank_by", sa.Text, nullable=False),
        sa.Column("keep_results", sa.String(16), nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("completed", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("completed_at", UtcTime),
        sa.Column("error_message", sa.Text),
        sa.Column("error_code", sa.String(40)),
        sa.Column("summary", JsonText),
        sa.Column("artifacts", JsonText, nullable=False),
        sa.Column("admitted_at", UtcTime),
        sa.Column("lane", sa.String(16)),
        sa.Column("enum_style", sa.String(16), nullable=False),
        sa.Column("chunk_size", sa.Integer),
        sa.Column("chunks", sa.Integer),
        sa.Column("expire_at", UtcTime),
        sa.Column("defects", JsonText, nullable=False),
    )
    op.create_index("backtest_bundles_of_user", _BUNDLES, ["user_id", "admitted_at", "bundle_id"])
    _create_partial("backtest_bundles_open", _BUNDLES, ["status", "bundle_id"], _OPEN)
    _create_partial("backtest_bundles_open_of_user", _BUNDLES, ["user_id"], _OPEN)
    op.drop_index("backtest_jobs_of_user", _JOBS)
    _create_partial(
        "backtest_jobs_of_user", _JOBS, ["user_id", "admitted_at", "job_id"], "bundle_id IS NULL"
    )
    _create_partial(
        "backtest_jobs_chunks_of_user", _JOBS, ["user_id", "admitted_at"], "bundle_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("backtest_jobs_chunks_of_user", _JOBS)
    op.drop_index("backtest_jobs_of_user", _JOBS)
    op.create_index("backtest_jobs_of_user", _JOBS, ["user_id", "admitted_at", "job_id"])
    op.drop_table(_BUNDLES)


def _create_partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
