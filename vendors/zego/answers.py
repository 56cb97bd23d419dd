"""What ZEGOCLOUD's API answers (ZEGOCLOUD, Cloud Recording: DescribeRecordStatus, DescribeTasks). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from catalog.events import Kept, NamedFile, Word
from vendors.fields import count, first, label, mapping, mappings, number, recording_of, text, when, without
from vendors.recorder import Past, Status
from vendors.zego.event_types import file_named, loss
from vendors.zego.names import VENDOR

_RUNNING, _OVER = frozenset({1, 2, 5}), frozenset({3, 4})
"""`Status` of a task: 1 being set up, 2 records, 5 paused; 3 ended, 4 ended abnormally."""
_ABNORMAL = 4
_UNSURE = frozenset({Kept.COMING, Kept.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every call answers. `rest` are its other fields."""

    code: int | None
    message: str | None
    request_id: str | None
    data: Mapping[str, Any]
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task_id(self) -> str | None:
        """Of StartRecord."""
        return text(self.data.get("TaskId"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of DescribeTasks; `total` counts the tasks of all pages."""

    tasks: tuple[Past, ...]
    total: int | None
    rest: Mapping[str, Any]


def read_answer(document: Mapping[str, Any]) -> Answer:
    """The envelope."""
    return Answer(
        code=number(document.get("Code")),
        message=label(document.get("Message")),
        request_id=label(document.get("RequestId")),
        data=mapping(document.get("Data")),
        rest=without(document, "Code", "Message", "RequestId", "Data"),
    )


def described(data: Mapping[str, Any]) -> Status:
    """A task, and where its files are. Ended says nothing of uploads, and no file at all is the end of an empty one.

    One that is over and has no end yet is ending: its files may be named in a moment.
    """
    state, ended_at = number(data.get("Status")), when(data.get("RecordEndTimestamp"))
    files = tuple(named for info in mappings(data.get("RecordFiles")) if (named := _file(info)))
    kept = [named.kept for named in files]
    return Status(
        word=_word(state, kept, is_empty=ended_at is not None and not data.get("RecordFiles")),
        room=label(data.get("RoomId")),
        began_at=when(data.get("RecordBeginTimestamp")),
        ended_at=ended_at,
        trouble=_trouble(state, kept),
        files=files,
        details=data,
    )


def read_tasks(data: Mapping[str, Any]) -> TaskPage:
    """`TaskidList`; the vendor's own article has `TaskList`."""
    listed = mappings(first(data, "TaskidList", "TaskList", "TaskIdList"))
    return TaskPage(
        tasks=tuple(past for task in listed if (past := _past(task))),
        total=count(data.get("TotalCount")),
        rest=without(data, "TaskidList", "TaskList", "TaskIdList", "TotalCount"),
    )


def _word(state: int | None, kept: list[Kept], *, is_empty: bool) -> Word:
    if state in _RUNNING:
        return Word.RECORDING
    if state not in _OVER:
        return Word.HEARD
    if is_empty:
        return Word.EMPTY
    if Kept.BACKUP in kept:
        return Word.BACKED_UP
    return Word.ENDED if _UNSURE.intersection(kept) or not kept else Word.UPLOADED


def _trouble(state: int | None, kept: list[Kept]) -> str | None:
    abnormal = "ZEGOCLOUD ended the recording abnormally" if state == _ABNORMAL else None
    return "; ".join(filter(None, (abnormal, loss(kept)))) or None


def _file(info: Mapping[str, Any]) -> NamedFile | None:
    """A file that could not be uploaded can be fetched from `FileUrl`, for three days."""
    named = file_named(info)
    if named is None or named.kept is not Kept.BACKUP:
        return named
    return replace(named, url=_url(info.get("FileUrl")))


def _url(value: object) -> str | None:
    written = text(value)
    try:
        parts = urlsplit(written or "")
    except ValueError:
        return None
    return written if parts.scheme in {"http", "https"} and parts.hostname else None


def _past(task: Mapping[str, Any]) -> Past | None:
    recording, state = recording_of(VENDOR, task.get("TaskId")), number(task.get("Status"))
    if recording is None:
        return None
    word = Word.RECORDING if state in _RUNNING else Word.ENDED if state in _OVER else Word.HEARD
    started_at = when(task.get("RecordBeginTimestamp"))
    return Past(recording=recording, room=label(task.get("RoomId")), started_at=started_at, word=word)
