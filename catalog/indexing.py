"""A manifest into the rows by which its recording is found."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, update

from catalog import rows
from catalog.attendance import attendance_of
from catalog.manifest import content_digest
from catalog.model import Manifest, State, StreamRecord, Verdict
from catalog.records import Queue
from catalog.tables import outputs, presences, recordings, revisions, streams


def put_manifest(connection: Connection, manifest: Manifest, key: str, *, now: datetime) -> bool:
    """Take in a manifest that stands under `key`, unless the same or a newer revision is known; whether it was.

    A recording that nobody works on is settled by it.
    """
    recording = _row(connection, manifest, now=now)
    _put_revision(connection, recording["id"], manifest, key)
    if recording["revision"] >= manifest.revision:
        if recording["revision"] == manifest.revision:
            _put_presences(connection, recording["id"], manifest)
        return False
    begins, ends = _span(manifest, heard_at=recording["heard_at"])
    values: dict[str, Any] = {
        # Names of some vendors do not tell the room, and what was said of it stays.
        "room": manifest.room or recording["room"],
        "mode": manifest.mode,
        "folder": recording["folder"] or manifest.source.prefix,
        "verdict": manifest.verdict,
        "started_at": manifest.started_at,
        "ended_at": manifest.ended_at,
        "span_from": begins,
        "span_to": ends,
        "span_s": (ends - begins).total_seconds(),
        "revision": manifest.revision,
        "manifest": key,
        "content_digest": content_digest(manifest),
        "settled_at": recording["settled_at"] or manifest.created_at,
    }
    if recording["state"] != State.PROCESSING:
        # Without a source nobody could look for what is lost; whoever finds the source makes it due.
        is_lost = manifest.verdict is not Verdict.COMPLETE and recording["source"] is not None
        due_at = now if is_lost else None
        values |= {"state": State.SETTLED, "due_at": due_at, "run": None, "tries": 0, "alarm": None}
        rows.add_change(
            connection,
            recording,
            was=recording["state"],
            at=now,
            state=State.SETTLED,
            verdict=manifest.verdict,
            cause=f"revision {manifest.revision} was found in the output",
            actor="reindex",
        )
    connection.execute(update(recordings).where(recordings.c.id == recording["id"]).values(values))
    for table in (outputs, streams):
        connection.execute(delete(table).where(table.c.recording == recording["id"]))
    if manifest.streams:
        lines = [_stream(recording["id"], stream, begins=begins, ends=ends) for stream in manifest.streams]
        connection.execute(streams.insert(), lines)
    published = [line for stream in manifest.streams for line in _outputs(recording["id"], stream)]
    if published:
        connection.execute(outputs.insert(), published)
    _put_presences(connection, recording["id"], manifest)
    return True


def _put_presences(connection: Connection, recording: int, manifest: Manifest) -> None:
    """Anew each time: catalogs of earlier versions have none, and this is how a reindex fills them."""
    connection.execute(delete(presences).where(presences.c.recording == recording))
    present = [{"recording": recording, **line} for line in attendance_of(manifest)]
    if present:
        connection.execute(presences.insert(), present)


def _row(connection: Connection, manifest: Manifest, *, now: datetime) -> Any:  # noqa: ANN401 - a row mapping
    fresh = {
        "vendor": manifest.vendor,
        "task_id": manifest.task_id,
        "state": State.SETTLED,
        "queue": Queue.BULK,
        "heard_at": min(manifest.created_at, now),
        "span_from": manifest.created_at,
        "span_to": manifest.created_at,
        "span_s": 0.0,
    }
    connection.execute(rows.insert(connection, recordings).values(fresh).on_conflict_do_nothing())
    return rows.known(connection, manifest.recording, lock=True)


def _put_revision(connection: Connection, recording: int, manifest: Manifest, key: str) -> None:
    """What was published under a number belongs to it, whatever it was reserved for."""
    published = {
        "content_digest": content_digest(manifest),
        "created_at": manifest.created_at,
        "verdict": manifest.verdict,
        "manifest": key,
    }
    put = rows.insert(connection, revisions).values(recording=recording, revision=manifest.revision, **published)
    connection.execute(put.on_conflict_do_update(index_elements=["recording", "revision"], set_=published))


def _span(manifest: Manifest, *, heard_at: datetime) -> tuple[datetime, datetime]:
    """That of the recording and all of its streams: search relies on no stream being outside."""
    starts = [manifest.started_at, *(stream.started_at for stream in manifest.streams)]
    stops = [manifest.ended_at, *(stream.ended_at for stream in manifest.streams)]
    begins = min((at for at in starts if at), default=heard_at)
    return begins, max([begins, *(at for at in stops if at)])


def _stream(recording: int, stream: StreamRecord, *, begins: datetime, ends: datetime) -> dict[str, Any]:
    """A stream without a clock counts as there for as long as its recording."""
    span_from = stream.started_at or begins
    return {
        "recording": recording,
        "stream": stream.stream,
        "user_id": stream.user,
        "kind": stream.kind,
        "started_at": stream.started_at,
        "ended_at": stream.ended_at,
        "duration_s": stream.duration_s,
        "span_from": span_from,
        "span_to": max(stream.ended_at or ends, span_from),
        "recording_from": begins,
    }


def _outputs(recording: int, stream: StreamRecord) -> list[dict[str, Any]]:
    return [
        {
            "recording": recording,
            "stream": stream.stream,
            "key": output.key,
            "size_bytes": output.size_bytes,
            "crc64xz": output.crc64xz,
            "duration_s": output.duration_s,
            "container": output.container,
        }
        for output in stream.outputs
    ]
