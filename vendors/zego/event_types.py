"""What each event type of ZEGOCLOUD's means (ZEGOCLOUD, Cloud Recording: recording status callback)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from catalog.events import Kept, NamedFile, Word
from vendors.fields import count, event_name, first, label, mappings, number, path_of, seconds, text, when

Detail = Mapping[str, Any]
Said = tuple[Word, str | None]
"""How far the recording is, and the trouble."""

_KEPT: Mapping[int | None, Kept] = MappingProxyType(
    {1: Kept.COMING, 2: Kept.COMING, 3: Kept.STORED, 4: Kept.BACKUP, 5: Kept.LOST}
)
"""`status` of a file (ZEGOCLOUD, DescribeRecordStatus); the backup is kept for three days. Messages have 3 to 5."""
_IN_PART = 2
"""`upload_status`: at least one file is not in the customer's store."""
_SNAPSHOT = "jpg"

_QUIT_REASONS = MappingProxyType(
    {
        1: "the service could not start",
        2: "the recorder could not log in to the room",
        5: "the engine could not start",
        6: "the recorder lost its network",
        1001: "for an unknown reason",
        1002: "a file's name is too long",
        1003: "a file could not be opened",
        1004: "the recorder's disk is full",
        1005: "the engine could not be set up",
        1006: "a file's header could not be written",
        1007: "a file was not open (EBADF)",
        1008: "a file could not be read or written (EIO)",
        1009: "a channel inside the recorder failed",
        1010: "the format is not supported",
        1011: "the recorder was in an illegal state",
    }
)
_ORDINARY_ENDS = frozenset({3, 4})
"""Idle for longer than MaxIdleTime, and MaxRecordTime: how a recording that nobody stops ends."""


def _no_files(_: Detail) -> tuple[NamedFile, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type: a word for it, and how to read its detail."""

    name: str
    judge: Callable[[Detail], Said]
    files: Callable[[Detail], tuple[NamedFile, ...]] = _no_files


def _always(word: Word, trouble: str | None = None) -> Callable[[Detail], Said]:
    return lambda _: (word, trouble)


def _uploaded(detail: Detail) -> Said:
    return _by_statuses(detail, is_in_part=number(detail.get("upload_status")) == _IN_PART)


def _uploaded_in_part(detail: Detail) -> Said:
    return _by_statuses(detail, is_in_part=True)


def _by_statuses(detail: Detail, *, is_in_part: bool) -> Said:
    """Snapshots are announced one by one while a recording goes on. Without files nobody published anything."""
    infos = mappings(detail.get("file_info"))
    kept = [_kept(info) for info in infos]
    trouble = loss(kept)
    if infos and all(_is_snapshot(info) for info in infos):
        return Word.RECORDING, trouble
    if Kept.BACKUP in kept or (is_in_part and not trouble):
        return Word.BACKED_UP, trouble
    return Word.UPLOADED, trouble


def loss(kept: Sequence[Kept]) -> str | None:
    """The trouble with files that are nowhere."""
    lost = kept.count(Kept.LOST)
    return f"ZEGOCLOUD could store {lost} of {len(kept)} files nowhere" if lost else None


def _kept(info: Detail) -> Kept:
    return _KEPT.get(number(first(info, "status", "Status")), Kept.UNKNOWN)


def _is_snapshot(info: Detail) -> bool:
    written = text(info.get("output_file_format"))
    if written is None:
        written = (_name(info) or "").rpartition(".")[2]
    return written.lower() == _SNAPSHOT


def _abnormal_end(detail: Detail) -> Said:
    reason = number(detail.get("quit_reason"))
    if reason in _ORDINARY_ENDS:
        return Word.ENDED, None
    meaning = "without a reason" if reason is None else _QUIT_REASONS.get(reason, f"for reason {reason}")
    return Word.ENDED, f"ZEGOCLOUD ended the recording: {meaning}"


def _listed(detail: Detail) -> tuple[NamedFile, ...]:
    return tuple(named for info in mappings(detail.get("file_info")) if (named := file_named(info)))


def _one_file(detail: Detail) -> tuple[NamedFile, ...]:
    named = file_named(detail)
    return (named,) if named else ()


def file_named(info: Detail) -> NamedFile | None:
    """A file, as messages tell of it, or answers, which write `FileId` for `file_id` and so on."""
    name = _name(info)
    if name is None:
        return None
    return NamedFile(
        name=name,
        kept=_kept(info),
        stream=label(first(info, "stream_id", "StreamId")),
        user=label(first(info, "user_id", "UserId")),
        size_bytes=count(first(info, "file_size", "FileSize")),
        duration_s=seconds(first(info, "duration", "Duration")),
        started_at=when(first(info, "begin_timestamp", "BeginTimestamp")),
    )


def _name(info: Detail) -> str | None:
    return text(first(info, "file_id", "FileId")) or path_of(first(info, "file_url", "FileUrl"))


EVENTS: Final[Mapping[int | None, EventType]] = MappingProxyType(
    {
        1: EventType("files uploaded", _uploaded, files=_listed),
        2: EventType("ended abnormally", _abnormal_end),
        3: EventType("image failed", _always(Word.HEARD, "ZEGOCLOUD could not fetch the background or watermark")),
        4: EventType("no stream", _always(Word.RECORDING)),
        5: EventType("recorder left", _always(Word.ENDED)),
        6: EventType("stream missing", _always(Word.HEARD, "a stream that was to be recorded does not exist")),
        7: EventType("stopped", _always(Word.ENDED)),
        102: EventType("playlist known", _always(Word.RECORDING), files=_one_file),
        201: EventType("paused", _always(Word.RECORDING)),
        202: EventType("resumed", _always(Word.RECORDING)),
    }
)
"""By number. No stream (4) comes again every 30 seconds; the file of 102 is still growing."""

EVENTS_V1: Final[Mapping[int | None, EventType]] = MappingProxyType(
    {
        1: EventType("files uploaded (v1)", _uploaded, files=_listed),
        2: EventType("files uploaded in part (v1)", _uploaded_in_part, files=_listed),
        3: EventType("ended without files (v1)", _always(Word.UPLOADED)),
    }
)
"""By number, of the first version of these messages, where the same numbers mean other things."""


def event_type(code: int | None, *, is_v1: bool) -> EventType:
    """What is known of an event type; of an unknown one, that there is such a recording."""
    known = (EVENTS_V1 if is_v1 else EVENTS).get(code)
    return known or EventType(event_name(code), _always(Word.HEARD))
