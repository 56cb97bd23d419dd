"""What is said of exports: of one that is to be made, of one under way, and of one that is over."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from catalog.covering import Missing
from catalog.export_request import Clip, ExportRequest
from catalog.exports import Export, ExportState
from catalog.records import id_text
from catalog.wire import utc_text
from cli.exits import Exit
from cli.recordings import time_text
from cli.report import printable, second, table
from flows.steps.refusing import NotRecordedError

_HEADS: Final = ("state", "export", "name", "asked (UTC)", "size", "by")
_EXITS: Final[Mapping[ExportState, Exit]] = MappingProxyType(
    {
        ExportState.FAILED: Exit.UNEXPECTED,
        ExportState.CANCELLED: Exit.UNEXPECTED,
        ExportState.EXPIRED: Exit.NOT_FOUND,
    }
)
_SHORT: Final = 12
_NEXT: Final[Mapping[ExportState, str]] = MappingProxyType(
    {
        ExportState.QUEUED: "follow it with `aftertake exports show {}`",
        ExportState.RUNNING: "follow it with `aftertake exports show {}`",
        ExportState.DONE: "`aftertake exports link {}` gives a link to it",
        ExportState.FAILED: "`aftertake exports retry {}` tries again",
        ExportState.CANCELLED: "`aftertake exports retry {}` asks for it again",
        ExportState.EXPIRED: "`aftertake exports retry {}` makes it again",
    }
)


def exit_of_export(export: Export) -> Exit:
    """0 while it is under way and where nothing promised is lost in it, 3 where something is."""
    if export.file and export.state is ExportState.DONE:
        return Exit.LOST if export.file.has_gaps else Exit.OK
    return _EXITS.get(export.state, Exit.OK)


def truth(clips: Sequence[Clip]) -> Iterator[str]:
    """Where each file really begins and ends, told before the job runs."""
    for clip in clips:
        whose = f"user {clip.user}" if clip.user is not None else f"stream {clip.stream}"
        spans = f"starts {_begin(clip)}; ends {_end(clip)}; {megabytes(clip.size_bytes)}"
        yield f"{whose}, {id_text(clip.recording)}: {spans}"


def _begin(clip: Clip) -> str:
    early = clip.from_s - clip.starts_at_s
    at = utc_text(_up(clip.starts_at)) if clip.starts_at else f"{clip.starts_at_s:.3f} s"
    if not round(early, 3):
        return f"{at}, as asked"
    return f"{at}, {abs(early):.3f} s {'earlier' if early > 0 else 'later'} than asked"


def _up(at: datetime) -> datetime:
    """To the next whole millisecond, so that whoever asks for it gets the same keyframe, not the one before."""
    return at + timedelta(microseconds=-at.microsecond % 1000)


def _end(clip: Clip) -> str:
    return utc_text(clip.ends_at) if clip.ends_at else f"{clip.ends_at_s:.3f} s"


def megabytes(size_bytes: int) -> str:
    """For people; of what is smaller, kB."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def progress_text(export: Export, now: datetime) -> str:
    """How far it is: bytes, share, and how long it will take."""
    if export.state is ExportState.QUEUED:
        waits = f", because {export.cause}" if export.cause and export.tries else ""
        return f"in the queue{waits}"
    eta = export.eta(now)
    left = f", {eta:.0f} s left" if eta is not None else ""
    return f"{export.done_bytes / 1e6:.0f} of {export.total_bytes / 1e6:.0f} MB, {share(export):.0%}{left}"


def share(export: Export) -> float:
    """From 0 to 1."""
    return 1.0 if export.file else min(export.done_bytes / max(export.total_bytes, 1), 1.0)


def refused(error: NotRecordedError) -> dict[str, Any]:
    """What was never recorded, in JSON: every gap and absence of the range, and what to ask instead."""
    refusal = error.refusal
    return {"detail": refusal.said, "missing": [_missing(each) for each in refusal.missing], "fix": refusal.instead}


def _missing(missing: Missing) -> dict[str, Any]:
    stretch = missing.stretch
    return {
        "vendor": missing.recording.vendor,
        "task_id": missing.recording.task_id,
        "user": missing.user,
        "stream": missing.stream,
        "tracks": missing.tracks,
        "state": stretch.state.value,
        "from": time_text(stretch.from_utc),
        "to": time_text(stretch.to_utc),
        "from_offset_s": round(missing.from_offset.total_seconds(), 6),
        "to_offset_s": round(missing.to_offset.total_seconds(), 6),
        "cause": stretch.cause.value if stretch.cause else None,
        "evidence": stretch.evidence.value if stretch.evidence else None,
        "segment": stretch.segment,
    }


def document(export: Export) -> dict[str, Any]:
    """One export in JSON."""
    eta = export.eta(datetime.now(UTC))
    return {
        "id": export.id,
        "state": export.state.value,
        "name": f"{export.name}.{export.key.extension}",
        **_request(export.request),
        "created_at": utc_text(export.created_at),
        "expires_at": utc_text(export.expires_at),
        "began_at": time_text(export.began_at),
        "done_bytes": export.done_bytes,
        "total_bytes": export.total_bytes,
        "progress": round(share(export), 4),
        "eta_s": None if eta is None else round(eta, 1),
        "cause": export.cause,
        "advice": export.advice,
        "has_gaps": export.file.has_gaps if export.file else None,
        "file": _file(export),
        "asked": [
            {"by": each.by, "at": utc_text(each.at), "reason": each.reason, "is_withdrawn": each.is_withdrawn}
            for each in export.askings
        ],
    }


def _request(request: ExportRequest) -> dict[str, Any]:
    told = request.document()
    return {name: told[name] for name in ("mode", "from", "to", "clips")}


def _file(export: Export) -> dict[str, Any] | None:
    file = export.file
    if file is None:
        return None
    sums = {"size_bytes": file.size_bytes, "sha256": file.sha256, "crc64xz": file.crc64xz}
    return {"key": file.key, **sums, "certificate": file.certificate}


def lines(export: Export) -> Iterator[str]:
    """The same for people."""
    yield f"{export.id}: {export.state}"
    yield f"  file      {export.name}.{export.key.extension}, {megabytes(export.total_bytes)}"
    if export.state in {ExportState.QUEUED, ExportState.RUNNING}:
        yield f"  progress  {progress_text(export, datetime.now(UTC))}"
    elif export.state is not ExportState.DONE and export.cause:
        yield f"  why       {export.cause}{f' {export.advice}' if export.advice else ''}"
    if export.file and export.file.has_gaps:
        yield "  ! something that was promised is lost in it; its certificate says what"
    for line in truth(export.request.clips):
        yield f"  clip      {line}"
    for asked in export.askings:
        yield f"  asked     by {asked.by} at {utc_text(asked.at)}: {asked.reason}"
    if export.state is ExportState.DONE:
        yield f"  kept      until {utc_text(export.expires_at)}"
    yield f"  next      {what_next(export)}"


def what_next(export: Export) -> str:
    """A clause: what to do now."""
    return _NEXT[export.state].format(export.id[:_SHORT])


def listed(exports: Sequence[Export]) -> Iterator[str]:
    """A table of several."""
    yield from table(_HEADS, [_row(export) for export in exports])


def _row(export: Export) -> Sequence[str]:
    running = f" {share(export):.0%}" if export.state is ExportState.RUNNING else ""
    lost = " !" if export.file and export.file.has_gaps else ""
    return (
        f"{export.state}{running}{lost}",
        export.id[:_SHORT],
        printable(f"{export.name}.{export.key.extension}"),
        second(export.created_at),
        megabytes(export.total_bytes),
        printable(", ".join(dict.fromkeys(each.by for each in export.askings if not each.is_withdrawn)) or "-"),
    )
