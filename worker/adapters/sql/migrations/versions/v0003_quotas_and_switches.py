"""What quotas, the sweep and the fleet's figures look for; the kill switch."""

import sqlalchemy as sa
from alembic import op

from worker.adapters.sql.types import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JOBS = "backtest_jobs"


def upgrade() -> None:
    op.add_column(_JOBS, sa.Column("bars", sa.BigInteger))
    _create_partial(
        "backtest_jobs_unranked",
        ["user_id", "priority", "admitted_at"],
        "status = 'queued' AND rank IS NULL",
    )
    _create_partial("backtest_jobs_cancelled", ["status"], "cancel_requested")
    op.create_index("backtest_jobs_active", _JOBS, ["user_id", "status"])
    op.create_index("backtest_jobs_ended", _JOBS, ["completed_at"])
    op.create_table(
        "backtest_switches",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("changed_at", UtcTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("backtest_switches")
    for name in ("ended", "active", "cancelled", "unranked"):
        op.drop_index(f"backtest_jobs_{name}", _JOBS)
    op.drop_column(_JOBS, "bars")


def _create_partial(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, _JOBS, columns, postgresql_where=where, sqlite_where=where)
