"""Find the first job of an engine version, however many jobs of other versions are before it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_QUEUE = "backtest_jobs_queue"


def upgrade() -> None:
    _replace("status", "lane", "engine_version", "rank", "job_id")


def downgrade() -> None:
    _replace("status", "lane", "rank", "job_id")


def _replace(*columns: str) -> None:
    op.drop_index(_QUEUE, "backtest_jobs")
    op.create_index(_QUEUE, "backtest_jobs", list(columns))
