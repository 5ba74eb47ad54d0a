"""The trace in which a job was created; and what has expired is found without reading the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JOBS = "backtest_jobs"
_TABLES = (_JOBS, "backtest_results", "backtest_bundles")
_EXPIRES = "expire_at IS NOT NULL"


def upgrade() -> None:
    op.add_column(_JOBS, sa.Column("traceparent", sa.Text))
    where = sa.text(_EXPIRES)
    for table in _TABLES:
        op.create_index(
            f"{table}_expiring", table, ["expire_at"], postgresql_where=where, sqlite_where=where
        )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_index(f"{table}_expiring", table)
    op.drop_column(_JOBS, "traceparent")
