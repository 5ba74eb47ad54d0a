"""Jobs and results."""

import sqlalchemy as sa
from alembic import op

from worker.adapters.sql.types import JsonText, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backtest_jobs",
        sa.Column("job_id", sa.String(128), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("config_used", JsonText, nullable=False),
        sa.Column("submitted_at", UtcTime),
        sa.Column("submitted_text", sa.Text),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("engine_version", sa.Text),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("timeout_seconds", sa.Integer),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("completed_at", UtcTime),
        sa.Column("error_message", sa.Text),
        sa.Column("error_code", sa.String(40)),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_id", sa.Text),
        sa.Column("lease_worker_id", sa.Text),
        sa.Column("lease_heartbeat_at", UtcTime),
        sa.Column("lease_seconds", sa.Integer),
        sa.Column("lease_expires_at", UtcTime),
        sa.Column("interruptions", sa.Integer, nullable=False),
        sa.Column("worker_losses", sa.Integer, nullable=False),
        sa.Column("rank", sa.Double),
        sa.Column("admitted_at", UtcTime),
        sa.Column("lane", sa.String(16)),
        sa.Column("enum_style", sa.String(16), nullable=False),
        sa.Column("bundle_id", sa.String(128)),
        sa.Column("variants", JsonText),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("result_digest", sa.Text),
        sa.Column("expire_at", UtcTime),
        sa.Column("defects", JsonText, nullable=False),
    )
    op.create_index("backtest_jobs_queue", "backtest_jobs", ["status", "lane", "rank", "job_id"])
    op.create_index("backtest_jobs_of_user", "backtest_jobs", ["user_id", "admitted_at", "job_id"])
    op.create_table(
        "backtest_results",
        sa.Column("job_id", sa.String(128), primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("result_digest", sa.Text, nullable=False),
        sa.Column("summary_digest", sa.Text),
        sa.Column("backtest_result", JsonText, nullable=False),
        sa.Column("artifacts", JsonText, nullable=False),
        sa.Column("expire_at", UtcTime),
    )


def downgrade() -> None:
    op.drop_table("backtest_results")
    op.drop_table("backtest_jobs")
