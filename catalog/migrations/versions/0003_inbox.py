"""What vendors said: deliveries of their webhooks, events, and what follows from them for a recording."""

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.add_column("recordings", sa.Column("spoken_at", UtcDateTime(), nullable=True))
    op.add_column("recordings", sa.Column("stopped_at", UtcDateTime(), nullable=True))
    op.add_column("recordings", sa.Column("word", sa.String(length=20), nullable=True))
    op.add_column("recordings", sa.Column("has_news", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("recordings", sa.Column("looked_at", UtcDateTime(), nullable=True))
    op.create_table(
        "deliveries",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("signature", sa.String(length=20), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=True),
        sa.Column("dedupe_id", sa.Text(), nullable=True),
        sa.Column("seal", sa.Text(), nullable=True),
        sa.Column("replay_of", NUMBER, nullable=True),
        sa.Column("handled_at", UtcDateTime(), nullable=True),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("recording", sa.Text(), nullable=True),
        sa.Column("duplicate_of", NUMBER, nullable=True),
        sa.Column("is_failed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("effect", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("token", name=op.f("uq_deliveries_token")),
    )
    op.create_index(op.f("ix_deliveries_received_at"), "deliveries", ["received_at"], unique=False)
    first = sa.text("duplicate_of IS NULL AND replay_of IS NULL AND dedupe_id IS NOT NULL")
    op.create_index(
        "ix_deliveries_first",
        "deliveries",
        ["vendor", "dedupe_id", "id"],
        unique=False,
        postgresql_where=first,
        sqlite_where=first,
    )
    op.create_index(
        "ix_deliveries_unhandled",
        "deliveries",
        ["id"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NULL"),
        sqlite_where=sa.text("handled_at IS NULL"),
    )
    op.create_index(
        "ix_deliveries_seal",
        "deliveries",
        ["vendor", "seal"],
        unique=False,
        postgresql_where=sa.text("seal IS NOT NULL"),
        sqlite_where=sa.text("seal IS NOT NULL"),
    )
    op.create_table(
        "events",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("dedupe_id", sa.Text(), nullable=False),
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.Column("is_covered", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("word", sa.String(length=20), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("recorder", sa.Text(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("presence", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recordings.id"], name=op.f("fk_events_recording"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("vendor", "dedupe_id", name=op.f("uq_events_vendor_dedupe_id")),
    )
    op.create_index(op.f("ix_events_recording_id"), "events", ["recording", "id"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("events")
    op.drop_table("deliveries")
    for column in ("looked_at", "has_news", "word", "stopped_at", "spoken_at"):
        op.drop_column("recordings", column)
