"""Find the jobs of a bundle, and those that a worker holds, without reading all."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create("backtest_jobs_of_bundle", ["bundle_id", "status"])
    _create("backtest_jobs_of_worker", ["lease_worker_id"])


def downgrade() -> None:
    op.drop_index("backtest_jobs_of_worker", "backtest_jobs")
    op.drop_index("backtest_jobs_of_bundle", "backtest_jobs")


def _create(name: str, columns: list[str]) -> None:
    """Most jobs belong to no bundle and are held by nobody: they are not in the index."""
    held = sa.text(f"{columns[0]} IS NOT NULL")
    op.create_index(name, "backtest_jobs", columns, postgresql_where=held, sqlite_where=held)
