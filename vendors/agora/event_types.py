"""What each event type of Agora's means (Agora, Notifications: event types of cloud recording)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from catalog.events import Kept, NamedFile, Presence, PresenceMark, Word
from vendors.fields import event_name, first, label, mappings, number, text, when

Details = Mapping[str, Any]
Said = tuple[Word, str | None]
"""How far the recording is, and the trouble."""

_FATAL = 5
_NO_ANSWER = 404
"""What Agora's own servers answer each other while a recording moves: it never means that one is over."""
_UPLOADER = 1
_UPLOADED_AGAIN = 31
_QUOTED = 100

_MODULES = MappingProxyType({0: "recorder", 1: "uploader", 2: "service", 6: "web page recorder"})
_ERRORS: Mapping[tuple[int | None, int | None], str] = MappingProxyType(
    {
        (0, 109): "the token had expired",
        (0, 110): "the token was wrong",
        (1, 32): "the storage settings are wrong",
        (1, 47): "an upload failed",
        (1, 51): "a file could not be read or written",
        (2, 50): "the upload took too long",
        (2, 52): "the start took too long",
    }
)
_WARNINGS: Mapping[tuple[int | None, int | None], str] = MappingProxyType(
    {(1, 32): "a slice went to Agora's backup store"}
)
_PAGE_ENDS = MappingProxyType(
    {
        1: "the longest time for a recording was reached",
        2: "the page's recorder lacked the capability",
        3: "the page recorder's engine failed",
        4: "the page did not load in time",
        5: "the page's URL could not be opened",
        6: "the page's recorder failed",
    }
)
_TRACKS: Mapping[str, Literal["audio", "video", "both"]] = MappingProxyType(
    {"audio": "audio", "video": "video", "audio_and_video": "both"}
)
_WHOLE_RESULTS = frozenset({"all_success", "total_success"})


def _always(word: Word) -> Callable[[Details], Said]:
    return lambda _: (word, None)


def _no_files(_: Details) -> tuple[NamedFile, ...]:
    return ()


def _no_marks(_: Details) -> tuple[PresenceMark, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type: Agora's word for it, and how to read its details."""

    name: str
    judge: Callable[[Details], Said]
    files: Callable[[Details], tuple[NamedFile, ...]] = _no_files
    presence: Callable[[Details], tuple[PresenceMark, ...]] = _no_marks


def _coded(details: Details, code_name: str, kind: str, known: Mapping[tuple[int | None, int | None], str]) -> str:
    module, code = number(details.get("module")), number(details.get(code_name))
    place = "" if module is None else f" of its {_MODULES.get(module, f'module {module}')}"
    meaning = known.get((module, code)) or _quoted(details.get("errorMsg"))
    return f"Agora reports {kind} {'without a code' if code is None else code}{place}" + (
        f": {meaning}" if meaning else ""
    )


def _error(details: Details) -> Said:
    is_end = number(details.get("errorLevel")) == _FATAL and number(details.get("errorCode")) != _NO_ANSWER
    return Word.ENDED if is_end else Word.HEARD, _coded(details, "errorCode", "error", _ERRORS)


def _warning(details: Details) -> Said:
    if number(details.get("module")) == _UPLOADER and number(details.get("warnCode")) == _UPLOADED_AGAIN:
        return Word.MORE, None
    return Word.HEARD, _coded(details, "warnCode", "warning", _WARNINGS)


def _exit(details: Details) -> Said:
    """`exitStatus`; very old messages have `leaveStatus`."""
    status = number(first(details, "exitStatus", "leaveStatus"))
    return Word.ENDED, f"Agora's session ended with status {status}" if status else None


def _leave(details: Details) -> Said:
    """`leaveCode` is a bit mask; without any bit the recorder could not be set up."""
    is_failed = number(details.get("leaveCode")) == 0
    return Word.LEFT, "Agora's recorder could not be set up" if is_failed else None


def _page_stopped(details: Details) -> Said:
    code = number(details.get("code"))
    return Word.ENDED, _PAGE_ENDS.get(code, f"the page's recorder ended with code {code}") if code else None


def _page_limit(details: Details) -> Said:
    limit = _quoted(first(details, "limitType"))
    return Word.RECORDING, "the page's recorder is at its limit" + (f" ({limit})" if limit else "")


def _page_reload(details: Details) -> Said:
    reason = _quoted(first(details, "reason"))
    return Word.RECORDING, "the page was loaded again" + (f" ({reason})" if reason else "")


def _result(details: Details) -> Said:
    result = _quoted(details.get("result"))
    return Word.MORE, f"Agora's transcoder says {result}" if result and result not in _WHOLE_RESULTS else None


def _download_failed(_: Details) -> Said:
    return Word.HEARD, "Agora could not fetch files that it was to transcode"


def _quoted(value: object) -> str | None:
    quoted = label(value)
    return None if quoted is None else quoted[:_QUOTED]


def listed_files(kept: Kept) -> Callable[[Details], tuple[NamedFile, ...]]:
    """The files of `fileList`, a list or the name of one playlist; a refused stop has it as `fileListStr`."""

    def files(details: Details) -> tuple[NamedFile, ...]:
        listed = first(details, "fileList", "fileListStr")
        items = listed if isinstance(listed, list) else [listed]
        return tuple(named for item in items if (named := _file(item, kept)))

    return files


def _file(item: object, kept: Kept) -> NamedFile | None:
    if not isinstance(item, dict):
        return NamedFile(name=name, kept=kept) if (name := text(item)) else None
    name = text(first(item, "fileName", "filename"))
    if name is None:
        return None
    user = None if item.get("mixedAllUser") is True else label(item.get("uid"))
    return NamedFile(name=name, kept=kept, user=user, started_at=when(item.get("sliceStartTime")))


def _transcoded(details: Details) -> tuple[NamedFile, ...]:
    """The files of every `uid`, which stands beside them and not in them."""
    read = listed_files(Kept.UNKNOWN)
    of_users = (
        replace(named, user=named.user or label(transcoded.get("uid")))
        for transcoded in mappings(details.get("uids"))
        for named in read(transcoded)
    )
    return (*read(details), *of_users)


def _snapshot(details: Details) -> tuple[NamedFile, ...]:
    named = _file(details, Kept.UNKNOWN)
    return (named,) if named else ()


def _slice_start(details: Details) -> tuple[PresenceMark, ...]:
    """A slice begins at `startUtcMs`; `discontinueUtcMs` is the end of the one before, else the same."""
    stream, at = label(details.get("streamUid")), when(details.get("startUtcMs"))
    if stream is None or at is None:
        return ()
    since = when(details.get("discontinueUtcMs"))
    track = _TRACKS.get(text(details.get("trackType")) or "")
    earlier = since if since is not None and since < at else None
    return (PresenceMark(stream=stream, track=track, presence=Presence.SLICE_START, at=at, since=earlier),)


def _stream_state(track: Literal["audio", "video"]) -> Callable[[Details], tuple[PresenceMark, ...]]:
    """`state` 0 is receiving, 1 is not. The documents write `UtcMs`, messages `utcMs`."""

    def marks(details: Details) -> tuple[PresenceMark, ...]:
        stream, at = label(details.get("streamUid")), when(first(details, "utcMs", "UtcMs"))
        presence = _STATES.get(number(details.get("state")))
        if stream is None or at is None or presence is None:
            return ()
        return (PresenceMark(stream=stream, track=track, presence=presence, at=at),)

    return marks


_STATES: Mapping[int | None, Presence] = MappingProxyType({0: Presence.RECEIVING, 1: Presence.NOT_RECEIVING})
_heard, _recording = _always(Word.HEARD), _always(Word.RECORDING)
_any_files = listed_files(Kept.UNKNOWN)

EVENTS: Final[Mapping[int | None, EventType]] = MappingProxyType(
    {
        1: EventType("cloud_recording_error", _error),
        2: EventType("cloud_recording_warning", _warning),
        3: EventType("cloud_recording_status_update", _heard, files=_any_files),
        4: EventType("cloud_recording_file_infos", _recording, files=_any_files),
        11: EventType("session_exit", _exit),
        12: EventType("session_failover", _recording),
        13: EventType("high_availability_register_success", _recording),
        30: EventType("uploader_started", _recording),
        31: EventType("uploaded", _always(Word.UPLOADED), files=listed_files(Kept.STORED)),
        32: EventType("backuped", _always(Word.BACKED_UP), files=_any_files),
        33: EventType("uploading_progress", _recording),
        40: EventType("recorder_started", _recording),
        41: EventType("recorder_leave", _leave),
        42: EventType("recorder_slice_start", _recording, presence=_slice_start),
        43: EventType("recorder_audio_stream_state_changed", _recording, presence=_stream_state("audio")),
        44: EventType("recorder_video_stream_state_changed", _recording, presence=_stream_state("video")),
        45: EventType("recorder_snapshot_file", _recording, files=_snapshot),
        60: EventType("vod_started", _recording),
        61: EventType("vod_triggered", _always(Word.MORE)),
        70: EventType("web_recorder_started", _recording),
        71: EventType("web_recorder_stopped", _page_stopped, files=_any_files),
        72: EventType("web_recorder_capability_limit", _page_limit),
        73: EventType("web_recorder_reload", _page_reload),
        80: EventType("transcoder_started", _heard),
        81: EventType("transcoder_completed", _result, files=_transcoded),
        90: EventType("download_failed", _download_failed),
        100: EventType("rtmp_publish_status", _recording),
        1001: EventType("postpone_transcode_final_result", _result, files=_any_files),
    }
)
"""By number. Failover (12) goes on under another recorder; leaving (41) may be followed by that. 31 may follow 11."""


def event_type(code: int | None) -> EventType:
    """What is known of an event type; of an unknown one, that there is such a recording."""
    return EVENTS.get(code) or EventType(event_name(code), _heard)
