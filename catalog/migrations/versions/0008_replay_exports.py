"""Exports as jobs: who asked, how far they have come, and what becomes of the file.

No version before this one asked for exports, so that there is nothing to keep.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0008"
down_revision = "0007"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED: Sequence[tuple[str, sa.types.TypeEngine[Any], bool]] = (
    ("name", sa.Text(), False),
    ("advice", sa.Text(), True),
    ("expires_at", UtcDateTime(), False),
    ("due_at", UtcDateTime(), True),
    ("run", sa.Text(), True),
    ("began_at", UtcDateTime(), True),
    ("tries", sa.Integer(), False),
    ("lost_runs", sa.Integer(), False),
    ("concluded_by", sa.BigInteger(), True),
    ("done_bytes", sa.BigInteger(), False),
    ("total_bytes", sa.BigInteger(), False),
    ("file", sa.JSON(), True),
    ("clear_at", UtcDateTime(), True),
)
INDEXES: Sequence[tuple[str, list[str], str | None]] = (
    ("ix_exports_created_at_id", ["created_at", "id"], None),
    ("ix_exports_due", ["due_at"], "due_at IS NOT NULL"),
    ("ix_exports_run", ["run"], "run IS NOT NULL"),
    ("ix_exports_open", ["created_at", "id"], "state IN ('queued', 'running')"),
    ("ix_exports_done", ["expires_at"], "state = 'done'"),
    ("ix_exports_clear", ["clear_at"], "clear_at IS NOT NULL"),
)


def upgrade() -> None:
    """Make the table anew, and the two beside it."""
    op.execute("DELETE FROM exports")
    with op.batch_alter_table("exports") as exports:
        exports.drop_column("requested_by")
        exports.drop_column("reason")
        for name, kind, is_nullable in ADDED:
            exports.add_column(sa.Column(name, kind, nullable=is_nullable))
    for index, columns, where in INDEXES:
        few = sa.text(where) if where else None
        op.create_index(index, "exports", columns, unique=False, postgresql_where=few, sqlite_where=few)
    _make_askings()
    _make_changes()


def _make_askings() -> None:
    op.create_table(
        "export_askings",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("export", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["export"], ["exports.id"], name=op.f("fk_export_askings_export"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_askings")),
        sa.UniqueConstraint("token", name=op.f("uq_export_askings_token")),
    )
    op.create_index(op.f("ix_export_askings_export_id"), "export_askings", ["export", "id"], unique=False)
    op.create_index(op.f("ix_export_askings_by_export"), "export_askings", ["by", "export"], unique=False)


def _make_changes() -> None:
    op.create_table(
        "export_changes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("export", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("was", sa.String(length=20), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["export"], ["exports.id"], name=op.f("fk_export_changes_export"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_changes")),
    )
    op.create_index(op.f("ix_export_changes_export_id"), "export_changes", ["export", "id"], unique=False)


def downgrade() -> None:
    """As it was, and empty."""
    op.drop_table("export_changes")
    op.drop_table("export_askings")
    op.execute("DELETE FROM exports")
    for index, _, _ in INDEXES:
        op.drop_index(index, "exports")
    with op.batch_alter_table("exports") as exports:
        for name, _, _ in ADDED:
            exports.drop_column(name)
        exports.add_column(sa.Column("requested_by", sa.Text(), nullable=False))
        exports.add_column(sa.Column("reason", sa.Text(), nullable=False))
