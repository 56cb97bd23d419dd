"""Recordings, what was published of them, and who works on them."""

import sqlalchemy as sa
from alembic import op

from catalog.tables import UtcDateTime

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_index(
        "ix_leases_held",
        "leases",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("holder IS NOT NULL"),
        sqlite_where=sa.text("holder IS NOT NULL"),
    )
    op.create_table(
        "recordings",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=True),
        sa.Column("mode", sa.String(length=20), nullable=True),
        sa.Column("source", sa.String(length=40), nullable=True),
        sa.Column("folder", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("span_from", UtcDateTime(), nullable=False),
        sa.Column("span_to", UtcDateTime(), nullable=False),
        sa.Column("span_s", sa.Float(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("concluded_by", sa.BigInteger(), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=True),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("basis", sa.String(length=64), nullable=True),
        sa.Column("damage_digest", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("vendor", "task_id", name=op.f("uq_recordings_vendor_task_id")),
    )
    op.create_index(
        "ix_recordings_alarm",
        "recordings",
        ["span_from", "id"],
        unique=False,
        postgresql_where=sa.text("alarm IS NOT NULL"),
        sqlite_where=sa.text("alarm IS NOT NULL"),
    )
    op.create_index(
        "ix_recordings_due",
        "recordings",
        ["queue", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_recordings_room_span_from_id"), "recordings", ["room", "span_from", "id"], unique=False)
    op.create_index(
        "ix_recordings_run",
        "recordings",
        ["run"],
        unique=False,
        postgresql_where=sa.text("run IS NOT NULL"),
        sqlite_where=sa.text("run IS NOT NULL"),
    )
    op.create_index(op.f("ix_recordings_span_from_id"), "recordings", ["span_from", "id"], unique=False)
    op.create_index(op.f("ix_recordings_span_s"), "recordings", ["span_s"], unique=False)
    op.create_index(op.f("ix_recordings_state_span_from_id"), "recordings", ["state", "span_from", "id"], unique=False)
    op.create_index(op.f("ix_recordings_task_id"), "recordings", ["task_id"], unique=False)
    op.create_index(
        op.f("ix_recordings_verdict_span_from_id"), "recordings", ["verdict", "span_from", "id"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("flow", sa.String(length=40), nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("subjects", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("flow_run", sa.Text(), nullable=True),
        sa.Column("look_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_look_at"), "runs", ["look_at"], unique=False)
    op.create_table(
        "changes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("was", sa.String(length=20), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_changes_recording"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_recording_id"), "changes", ["recording", "id"], unique=False)
    op.create_table(
        "outputs",
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("crc64xz", sa.String(length=16), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("container", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_outputs_recording"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("recording", "key", name=op.f("uq_outputs_recording_key")),
    )
    op.create_table(
        "revisions",
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_revisions_recording"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("recording", "revision", name=op.f("uq_revisions_recording_revision")),
    )
    op.create_table(
        "streams",
        sa.Column("recording", NUMBER, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("span_from", UtcDateTime(), nullable=False),
        sa.Column("span_to", UtcDateTime(), nullable=False),
        sa.Column("recording_from", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_streams_recording"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("recording", "stream", name=op.f("uq_streams_recording_stream")),
    )
    op.create_index(
        op.f("ix_streams_stream_recording_from_recording_span_from_span_to"),
        "streams",
        ["stream", "recording_from", "recording", "span_from", "span_to"],
        unique=False,
    )
    op.create_index(
        op.f("ix_streams_user_id_recording_from_recording_span_from_span_to"),
        "streams",
        ["user_id", "recording_from", "recording", "span_from", "span_to"],
        unique=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("streams")
    op.drop_table("outputs")
    op.drop_table("revisions")
    op.drop_table("changes")
    op.drop_table("leases")
    op.drop_table("runs")
    op.drop_table("recordings")
