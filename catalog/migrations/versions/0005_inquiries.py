"""What vendors are asked of recordings; an event may be an answer, which no delivery brought."""

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "inquiries",
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("handle", sa.JSON(), nullable=False),
        sa.Column("is_askable", sa.Boolean(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ask_at", UtcDateTime(), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("asks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("word", sa.String(length=20), nullable=True),
        sa.Column("gone_since", UtcDateTime(), nullable=True),
        sa.Column("alarms", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_inquiries_recording"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_inquiries")),
    )
    is_due = sa.text("ask_at IS NOT NULL")
    op.create_index(
        "ix_inquiries_ask", "inquiries", ["ask_at"], unique=False, postgresql_where=is_due, sqlite_where=is_due
    )
    with op.batch_alter_table("events") as events:
        events.alter_column("delivery", existing_type=NUMBER, nullable=True)


def downgrade() -> None:
    """Drop it, and what only it could tell of."""
    op.execute("DELETE FROM events WHERE delivery IS NULL")
    with op.batch_alter_table("events") as events:
        events.alter_column("delivery", existing_type=NUMBER, nullable=False)
    op.drop_table("inquiries")
