"""The tables of the catalog.

All of it but leases, runs, exports, inquiries, announcements and the audit can be made again from the manifests.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

_SQLITE_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: `timestamptz` in PostgreSQL; in SQLite text of one width, which sorts as the times do."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """The column's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Into the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        return f"{utc.year:04d}{utc.strftime(_SQLITE_TIME)[-23:]}" if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Out of the database."""
        if value is None:
            return None
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
        return parsed.astimezone(UTC)


_Number = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _of_recording() -> Column[int]:
    return Column("recording", _Number, ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False)


def _index_where(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the few rows that loops ask for."""
    return Index(name, *columns, unique=unique, postgresql_where=text(where), sqlite_where=text(where))


recordings = Table(
    "recordings",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("vendor", String(20), nullable=False),
    Column("task_id", Text, nullable=False),
    Column("room", Text),
    Column("mode", String(20)),
    Column("source", String(40)),
    Column("folder", Text),
    Column("state", String(20), nullable=False),
    Column("verdict", String(20)),
    Column("queue", String(20), nullable=False),
    Column("heard_at", UtcDateTime, nullable=False),
    # When it was last spoken of, and when that was of its end; the furthest that its vendor has said.
    Column("spoken_at", UtcDateTime),
    Column("stopped_at", UtcDateTime),
    Column("word", String(20)),
    # Something was said while somebody worked on it.
    Column("has_news", Boolean, nullable=False, server_default=text("false")),
    # When somebody last began to work on it: what was written later may not have been seen.
    Column("looked_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # Known or not, every recording has a span to be found by: its own, or the time at which it was heard of.
    Column("span_from", UtcDateTime, nullable=False),
    Column("span_to", UtcDateTime, nullable=False),
    Column("span_s", Float, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("due_at", UtcDateTime),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("lost_runs", Integer, nullable=False, server_default="0"),
    Column("concluded_by", BigInteger),
    Column("alarm", Text),
    Column("run", Text),
    Column("basis", String(64)),
    Column("damage_digest", String(64)),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("manifest", Text),
    Column("content_digest", String(64)),
    UniqueConstraint("vendor", "task_id"),
    Index(None, "task_id"),
    Index(None, "span_from", "id"),
    Index(None, "room", "span_from", "id"),
    Index(None, "verdict", "span_from", "id"),
    Index(None, "span_s"),
    Index(None, "state", "span_from", "id"),
    _index_where("ix_recordings_due", "queue", "due_at", where="due_at IS NOT NULL"),
    _index_where("ix_recordings_run", "run", where="run IS NOT NULL"),
    _index_where("ix_recordings_alarm", "span_from", "id", where="alarm IS NOT NULL"),
    # With all that is asked of those whose vendors may be asked, lest each of them is read for that.
    _index_where("ix_recordings_open", "vendor", "heard_at", "id", "source", "started_at", where="state <> 'settled'"),
)

streams = Table(
    "streams",
    metadata,
    _of_recording(),
    Column("stream", Text, nullable=False),
    Column("user_id", Text),
    Column("kind", String(20), nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duration_s", Float, nullable=False),
    Column("span_from", UtcDateTime, nullable=False),
    Column("span_to", UtcDateTime, nullable=False),
    # That of the recording again, so that the recordings of a user come out of one index in their order.
    Column("recording_from", UtcDateTime, nullable=False),
    UniqueConstraint("recording", "stream"),
    Index(None, "user_id", "recording_from", "recording", "span_from", "span_to"),
    Index(None, "stream", "recording_from", "recording", "span_from", "span_to"),
)

presences = Table(
    "presences",
    metadata,
    _of_recording(),
    Column("stream", Text, nullable=False),
    Column("user_id", Text),
    Column("track", String(10), nullable=False),
    Column("from_at", UtcDateTime, nullable=False),
    Column("to_at", UtcDateTime, nullable=False),
    # False where nobody knows when it was, but that it was in this time.
    Column("is_exact", Boolean, nullable=False),
    Index(None, "recording", "user_id", "from_at", "to_at"),
)

outputs = Table(
    "outputs",
    metadata,
    _of_recording(),
    Column("stream", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("crc64xz", String(16), nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("container", String(20), nullable=False),
    UniqueConstraint("recording", "key"),
)

revisions = Table(
    "revisions",
    metadata,
    _of_recording(),
    Column("revision", Integer, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("verdict", String(20)),
    Column("manifest", Text),
    UniqueConstraint("recording", "revision"),
)

changes = Table(
    "changes",
    metadata,
    Column("id", _Number, primary_key=True),
    _of_recording(),
    Column("at", UtcDateTime, nullable=False),
    Column("was", String(20)),
    Column("state", String(20), nullable=False),
    Column("verdict", String(20)),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Index(None, "recording", "id"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text),
    Column("expires_at", UtcDateTime, nullable=False),
    _index_where("ix_leases_held", "expires_at", where="holder IS NOT NULL"),
)

runs = Table(
    "runs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("flow", String(40), nullable=False),
    Column("queue", String(20), nullable=False),
    Column("subjects", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("flow_run", Text),
    Column("look_at", UtcDateTime, nullable=False),
    Index(None, "look_at"),
)

exports = Table(
    "exports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("cause", Text),
    Column("advice", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    # When it is to be handed over; None while a run has it, or once it was begun.
    Column("due_at", UtcDateTime),
    Column("run", Text),
    Column("began_at", UtcDateTime),
    Column("tries", Integer, nullable=False),
    Column("lost_runs", Integer, nullable=False),
    Column("concluded_by", BigInteger),
    Column("done_bytes", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("file", JSON(none_as_null=True)),
    # When to see that nothing stands of one that is over.
    Column("clear_at", UtcDateTime),
    Index(None, "created_at", "id"),
    # The same request is one job while that can still serve it.
    _index_where("uq_exports_live", "digest", where="state IN ('queued', 'running', 'done')", unique=True),
    _index_where("ix_exports_due", "due_at", where="due_at IS NOT NULL"),
    _index_where("ix_exports_run", "run", where="run IS NOT NULL"),
    _index_where("ix_exports_open", "created_at", "id", where="state IN ('queued', 'running')"),
    _index_where("ix_exports_done", "expires_at", where="state = 'done'"),
    _index_where("ix_exports_clear", "clear_at", where="clear_at IS NOT NULL"),
)


def _of_export() -> Column[str]:
    return Column("export", Text, ForeignKey("exports.id", ondelete="CASCADE"), nullable=False)


export_askings = Table(
    "export_askings",
    metadata,
    Column("id", _Number, primary_key=True),
    _of_export(),
    # One for each time that somebody asks, whatever becomes of the connection meanwhile.
    Column("token", String(32), nullable=False, unique=True),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("is_withdrawn", Boolean, nullable=False, server_default=text("false")),
    Index(None, "export", "id"),
    Index(None, "by", "export"),
)

export_changes = Table(
    "export_changes",
    metadata,
    Column("id", _Number, primary_key=True),
    _of_export(),
    Column("at", UtcDateTime, nullable=False),
    Column("was", String(20)),
    Column("state", String(20), nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Index(None, "export", "id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "subject", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("token", String(32), nullable=False, unique=True),
    Column("vendor", String(20), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("signature", String(20), nullable=False),
    Column("sources", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("peer", Text),
    Column("dedupe_id", Text),
    Column("seal", Text),
    Column("replay_of", _Number),
    Column("handled_at", UtcDateTime),
    Column("event", Text),
    Column("recording", Text),
    Column("duplicate_of", _Number),
    Column("is_failed", Boolean, nullable=False, server_default=text("false")),
    Column("effect", Text),
    Index(None, "received_at"),
    # Those that may be the first of their message: however often one comes, few of its deliveries are in here.
    _index_where(
        "ix_deliveries_first",
        "vendor",
        "dedupe_id",
        "id",
        where="duplicate_of IS NULL AND replay_of IS NULL AND dedupe_id IS NOT NULL",
    ),
    _index_where("ix_deliveries_unhandled", "id", where="handled_at IS NULL"),
    _index_where("ix_deliveries_seal", "vendor", "seal", where="seal IS NOT NULL"),
)

events = Table(
    "events",
    metadata,
    Column("id", _Number, primary_key=True),
    _of_recording(),
    Column("vendor", String(20), nullable=False),
    Column("dedupe_id", Text, nullable=False),
    # None of what the vendor was asked for.
    Column("delivery", _Number),
    Column("heard_at", UtcDateTime, nullable=False),
    Column("is_covered", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("word", String(20), nullable=False),
    Column("at", UtcDateTime),
    Column("sequence", BigInteger),
    Column("recorder", Text),
    Column("trouble", Text),
    Column("files", JSON, nullable=False),
    Column("presence", JSON, nullable=False),
    Column("details", JSON, nullable=False),
    UniqueConstraint("vendor", "dedupe_id"),
    Index(None, "recording", "id"),
)

inquiries = Table(
    "inquiries",
    metadata,
    Column("recording", _Number, ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("source", String(40), nullable=False),
    # By what the vendor is asked: `vendors.recorder.Handle`.
    Column("handle", JSON, nullable=False),
    Column("is_askable", Boolean, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ask_at", UtcDateTime),
    Column("asked_at", UtcDateTime),
    # How often it was asked since something new was heard, and how often in a row it did not answer.
    Column("asks", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("word", String(20)),
    Column("gone_since", UtcDateTime),
    Column("alarms", Integer, nullable=False, server_default="0"),
    Column("trouble", Text),
    _index_where("ix_inquiries_ask", "ask_at", where="ask_at IS NOT NULL"),
)

announcements = Table(
    "announcements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("recording", _Number, ForeignKey("recordings.id", ondelete="CASCADE")),
    Column("export", Text, ForeignKey("exports.id", ondelete="CASCADE")),
    # Text and no JSON: a database may write JSON anew in its own way, and these very bytes are what is signed.
    Column("payload", Text, nullable=False),
    Column("fanned_out_at", UtcDateTime),
    Index(None, "at"),
    _index_where("ix_announcements_new", "at", where="fanned_out_at IS NULL"),
    _index_where("ix_announcements_recording", "recording", where="recording IS NOT NULL"),
    _index_where("ix_announcements_export", "export", where="export IS NOT NULL"),
)

announcement_deliveries = Table(
    "announcement_deliveries",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("announcement", Text, ForeignKey("announcements.id", ondelete="CASCADE"), nullable=False),
    Column("endpoint", String(40), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    # None once it is over: then one of the two below says how.
    Column("due_at", UtcDateTime),
    Column("done_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("announcement", "endpoint"),
    _index_where("ix_announcement_deliveries_due", "endpoint", "due_at", where="due_at IS NOT NULL"),
)
