"""Who was really recorded, when. Of what was published before, `aftertake reindex` fills it."""

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0007"
down_revision = "0006"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "presences",
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("track", sa.String(length=10), nullable=False),
        sa.Column("from_at", UtcDateTime(), nullable=False),
        sa.Column("to_at", UtcDateTime(), nullable=False),
        sa.Column("is_exact", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_presences_recording"), ondelete="CASCADE"
        ),
    )
    columns = ["recording", "user_id", "from_at", "to_at"]
    op.create_index(op.f("ix_presences_recording_user_id_from_at_to_at"), "presences", columns, unique=False)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("presences")
