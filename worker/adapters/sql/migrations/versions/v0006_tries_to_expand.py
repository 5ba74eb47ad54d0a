"""How often a bundle was tried to be expanded, and when to try again."""

import sqlalchemy as sa
from alembic import op

from worker.adapters.sql.types import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BUNDLES = "backtest_bundles"


def upgrade() -> None:
    op.add_column(
        _BUNDLES, sa.Column("expansion_tries", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column(_BUNDLES, sa.Column("next_expansion_at", UtcTime))


def downgrade() -> None:
    op.drop_column(_BUNDLES, "next_expansion_at")
    op.drop_column(_BUNDLES, "expansion_tries")
