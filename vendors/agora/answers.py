"""What Agora's API answers, read tolerantly (Agora, Cloud Recording: acquire, start, query, stop). Pure.

Real answers differ from the documents, and those from each other: names of fields, lists and single values, objects
and arrays. Both are read everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from catalog.events import Kept, NamedFile, Word
from vendors.agora.codes import EXITING, NOTHING_RECORDED, PARTLY
from vendors.agora.event_types import listed_files
from vendors.fields import label, mapping, mappings, number, text, when, without
from vendors.recorder import Status
from vendors.replies import Reply

_WORDS: Mapping[int | None, Word] = MappingProxyType(
    {
        0: Word.HEARD,
        **dict.fromkeys((1, 2, 3, 4, 5), Word.RECORDING),
        **dict.fromkeys((6, 7, 8, 20), Word.ENDED),
    }
)
"""`status`: 0 not begun · 1 to 4 being set up · 5 in progress · 6 to 8 being stopped · 20 exited abnormally."""
_ABNORMAL = 20
_SERVICE_ENDS = frozenset(
    {"exit", "servicecompleted", "servicepartialcompleted", "servicevalidationfailed", "serviceabnormal"}
)
"""Of these, documents have the first only. Any other state goes on, for it answers."""
_UPLOADS: Mapping[str | None, tuple[Word, Kept]] = MappingProxyType(
    {"uploaded": (Word.UPLOADED, Kept.STORED), "backuped": (Word.BACKED_UP, Kept.UNKNOWN)}
)
_UNCLEAR: Final = (Word.ENDED, Kept.UNKNOWN)
"""`unknown`, in other documents `unknow`, and whatever else there may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """A resource, good for one recording that begins within five minutes. `host` gave it."""

    resource_id: str | None
    host: str
    rest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A recording that began; an empty `sid` is read as None: then none did."""

    sid: str | None
    host: str
    rest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a query, an update or a stop answers. `services` are the extension services, object or array."""

    sid: str | None
    room: str | None
    code: int | None
    status: int | None
    uploading: str | None
    server: Mapping[str, Any]
    services: tuple[Mapping[str, Any], ...]
    rest: Mapping[str, Any]


def read_acquired(reply: Reply) -> Acquired:
    """The answer to `acquire`."""
    document = reply.document
    return Acquired(resource_id=text(document.get("resourceId")), host=reply.host, rest=without(document, "resourceId"))


def read_started(reply: Reply) -> Started:
    """The answer to `start`."""
    return Started(sid=text(reply.document.get("sid")), host=reply.host, rest=without(reply.document, "sid"))


def read_told(document: Mapping[str, Any]) -> Told:
    """The answer to `query`, `update`, `updateLayout` or `stop`."""
    server = mapping(document.get("serverResponse"))
    services = _services(server)
    return Told(
        sid=text(document.get("sid")),
        room=text(document.get("cname")),
        code=number(document.get("code")),
        status=number(server.get("status")),
        uploading=text(server.get("uploadingStatus")) or _of_services(services, "uploadingStatus"),
        server=server,
        services=services,
        rest=without(document, "sid", "cname", "code", "serverResponse"),
    )


def queried(document: Mapping[str, Any]) -> Status:
    """A recording that answers a query, which it does as long as it lives; its list of files is never the whole one."""
    told = read_told(document)
    is_exiting = told.code == EXITING
    word = Word.ENDED if is_exiting else _word(told)
    is_over = word is Word.ENDED
    return Status(
        word=word,
        is_gone=is_exiting,
        room=told.room,
        began_at=when(told.server.get("sliceStartTime")),
        trouble="Agora's recorder exited abnormally" if told.status == _ABNORMAL else None,
        files=_files(told, Kept.UNKNOWN if is_over else Kept.COMING),
        details=document,
    )


def stopped(reply: Reply) -> Status:
    """A recording that was told to end, or that had ended. A refusal, too, may name files: as `fileListStr`."""
    told = read_told(reply.document)
    word, kept = _UPLOADS.get(told.uploading, _UNCLEAR)
    if told.code == NOTHING_RECORDED:
        word = Word.EMPTY
    files = _files(told, kept)
    return Status(
        word=word,
        room=told.room,
        began_at=min((named.started_at for named in files if named.started_at), default=None),
        trouble=_stop_trouble(reply.status, told),
        files=files,
        details=reply.document,
    )


def _stop_trouble(status: int, told: Told) -> str | None:
    """HTTP 206 stands for several things (Agora, support: cloud recording stop response code 206)."""
    if told.code == NOTHING_RECORDED:
        return None
    if status == PARTLY and told.uploading is None:
        return "Agora answered the stop in part: nobody published, files are in its own store, or it still works"
    return None


def _services(server: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    state = server.get("extensionServiceState")
    return tuple(mappings(state)) or ((state,) if isinstance(state, dict) else ())


def _payloads(services: tuple[Mapping[str, Any], ...]) -> Iterator[Mapping[str, Any]]:
    """What services tell, beside their names or within `payload`."""
    for service in services:
        yield service
        yield mapping(service.get("payload"))


def _of_services(services: tuple[Mapping[str, Any], ...], name: str) -> str | None:
    return next((said for payload in _payloads(services) if (said := text(payload.get(name)))), None)


def _word(told: Told) -> Word:
    return _by_services(told) if told.status is None else _WORDS.get(told.status, Word.RECORDING)


def _by_services(told: Told) -> Word:
    """Over, where all services that tell a state say so. Without any, it answered, so it lives."""
    states = [payload.get("state") for payload in _payloads(told.services)]
    states += mapping(told.server.get("subServiceStatus")).values()
    said = [state for written in states if (state := label(written))]
    return Word.ENDED if said and all(map(_is_over, said)) else Word.RECORDING


def _is_over(state: str) -> bool:
    """A word, in whatever case, or a number as `status` has them."""
    counted = number(state)
    return state.lower() in _SERVICE_ENDS if counted is None else _WORDS.get(counted) is Word.ENDED


def _files(told: Told, kept: Kept) -> tuple[NamedFile, ...]:
    read = listed_files(kept)
    named = [*read(told.server), *(file for payload in _payloads(told.services) for file in read(payload))]
    return tuple(dict.fromkeys(named))
