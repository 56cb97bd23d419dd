"""An index of the recordings that are not settled, which are few: for whoever looks through them each second."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the index."""
    is_open = sa.text("state <> 'settled'")
    op.create_index(
        "ix_recordings_open",
        "recordings",
        ["vendor", "heard_at", "id", "source", "started_at"],
        unique=False,
        postgresql_where=is_open,
        sqlite_where=is_open,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_recordings_open", table_name="recordings")
