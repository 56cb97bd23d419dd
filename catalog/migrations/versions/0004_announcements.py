"""What is announced to whoever subscribed, and how far each of them has been told."""

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "announcements",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("recording", NUMBER, nullable=True),
        sa.Column("export", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("fanned_out_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_announcements_recording"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["export"], ["exports.id"], name=op.f("fk_announcements_export"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index(op.f("ix_announcements_at"), "announcements", ["at"], unique=False)
    _index_where("ix_announcements_new", "announcements", "at", where="fanned_out_at IS NULL")
    _index_where("ix_announcements_recording", "announcements", "recording", where="recording IS NOT NULL")
    _index_where("ix_announcements_export", "announcements", "export", where="export IS NOT NULL")
    op.create_table(
        "announcement_deliveries",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("announcement", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.String(length=40), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.Column("given_up_at", UtcDateTime(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement"],
            ["announcements.id"],
            name=op.f("fk_announcement_deliveries_announcement"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcement_deliveries")),
        sa.UniqueConstraint("announcement", "endpoint", name=op.f("uq_announcement_deliveries_announcement_endpoint")),
    )
    _index_where(
        "ix_announcement_deliveries_due", "announcement_deliveries", "endpoint", "due_at", where="due_at IS NOT NULL"
    )


def _index_where(name: str, table: str, *columns: str, where: str) -> None:
    rows = sa.text(where)
    op.create_index(name, table, list(columns), unique=False, postgresql_where=rows, sqlite_where=rows)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("announcement_deliveries")
    op.drop_table("announcements")
