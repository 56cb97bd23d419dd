"""What the command says: one JSON object, or lines for people."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import combining, east_asian_width

from catalog.model import Absence, Gap, Manifest, Span, State, StreamRecord, Verdict
from catalog.wire import utc_text
from cli.exits import Exit, exit_of_verdict
from flows.steps.publishing import Published
from media.findings import Finding

_SYMBOLS = {
    "segment_missing": "-",
    "segment_empty": "-",
    "segment_declared_gap": "-",
    "orphan_segment": "+",
    "segment_truncated": "*",
    "segment_corrupt": "*",
    "segment_foreign": "*",
    "segment_repeated": "*",
    "segment_out_of_order": "*",
    "segment_listed_twice": "*",
    "recorder_loss": "*",
    "segment_not_media": "!",
}
_WIDEST = 60
_WIDEST_ROOM = 24
_LOUD = "!"
_QUIET = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A recording without a verdict: it is not final, or something failed; `reason` is a sentence, `exit` its code."""

    vendor: str
    task_id: str
    state: State
    reason: str
    exit: int


Result = Published | Unsettled


def overall(results: Sequence[Result]) -> Verdict | None:
    """The worst verdict; None while any recording has none."""
    return worst([r.manifest.verdict if isinstance(r, Published) else None for r in results])


def worst(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """None where one is not known. Empty ones do not count beside others."""
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known or len(known) < len(verdicts):
        return None
    return min((v for v in known if v is not Verdict.EMPTY), key=lambda v: v.rank, default=Verdict.EMPTY)


def exit_of(results: Sequence[Result]) -> Exit:
    """That of the worst verdict; without one, what keeps a recording from it."""
    verdict = overall(results)
    if verdict is None:
        return Exit(min(result.exit for result in results if isinstance(result, Unsettled)))
    kept = any(isinstance(result, Published) and result.kept for result in results)
    return Exit.LOST if kept else exit_of_verdict(verdict)


def _state(results: Sequence[Result]) -> State:
    states = {result.state for result in results if isinstance(result, Unsettled)}
    return next((state for state in (State.FAILED, State.WAITING) if state in states), State.SETTLED)


def printable(text: str) -> str:
    """Text from outside for a terminal: names may hold escape sequences, and bytes that are not UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def width_of(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for the heads and one for each row. A cell that is too wide moves the others of its line only."""
    widths = [min(max(map(width_of, column)), _WIDEST) for column in zip(heads, *rows, strict=True)]

    def aligned(cells: Sequence[str]) -> str:
        padded = (f"{cell}{' ' * (width - width_of(cell))}" for cell, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    return [aligned(cells) for cells in (heads, *rows)]


def short_room(room: str | None) -> str:
    """The name of a room for a table."""
    text = printable(room or "-")
    return text if len(text) <= _WIDEST_ROOM else f"{text[: _WIDEST_ROOM - 1]}…"


def second(at: datetime | None) -> str:
    """A time for a table."""
    return utc_text(at)[:19].replace("T", " ") if at else "-"


def tell(answer: Mapping[str, Any], text: Iterable[str], *, as_json: bool) -> None:
    """Print the answer: one JSON object, or its lines for people, whatever the names in them hold."""
    for line in [json.dumps(answer, indent=2)] if as_json else map(printable, text):
        print(line)
    sys.stdout.flush()


def document(command: str, results: Sequence[Result]) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    verdict = overall(results)
    return {
        "schema": f"aftertake.{command}/1",
        "state": _state(results).value,
        "verdict": verdict.value if verdict else None,
        "recordings": [described(result) for result in results],
    }


def described(result: Result) -> dict[str, Any]:
    """One recording in JSON."""
    if isinstance(result, Unsettled):
        return {
            "vendor": result.vendor,
            "task_id": result.task_id,
            "state": result.state.value,
            "verdict": None,
            "reason": result.reason,
            "streams": [],
            "gaps": [],
            "absences": [],
            "findings": [],
        }
    manifest = result.manifest
    shown: dict[str, Any] = {
        "vendor": manifest.vendor,
        "task_id": manifest.task_id,
        "room": manifest.room,
        "mode": manifest.mode.value,
        "state": "settled",
        "verdict": manifest.verdict.value,
        "streams": [_stream(stream) for stream in manifest.streams],
        "gaps": [_gap(stream, gap) for stream in manifest.streams for gap in stream.gaps],
        "absences": [_absence(stream, absence) for stream in manifest.streams for absence in stream.absences],
        "findings": [_finding(finding) for finding in manifest.findings],
    }
    if result.key is not None:
        shown["manifest"] = result.key
        shown["revision"] = result.stands.revision
        shown["kept"] = result.kept
        shown["outputs"] = [
            {"key": output.key, "size_bytes": output.size_bytes, "crc64xz": output.crc64xz}
            for stream in result.stands.streams
            for output in stream.outputs
        ]
    return shown


def _stream(stream: StreamRecord) -> dict[str, Any]:
    return {
        "stream": stream.stream,
        "user": stream.user,
        "kind": stream.kind.value,
        "duration_s": stream.duration_s,
        "started_at": utc_text(stream.started_at) if stream.started_at else None,
        "tracks": [{"type": track.type, "codec": track.codec} for track in stream.tracks],
        "segments": {"count": stream.segments.count, "size_bytes": stream.segments.size_bytes},
    }


def _gap(stream: StreamRecord, gap: Gap) -> dict[str, Any]:
    return {**_span(stream, gap), "cause": gap.cause.value, "segment": gap.segment}


def _absence(stream: StreamRecord, absence: Absence) -> dict[str, Any]:
    return {**_span(stream, absence), "evidence": absence.evidence.value}


def _span(stream: StreamRecord, span: Span) -> dict[str, Any]:
    return {
        "stream": stream.stream,
        "track": span.track,
        "from_s": span.from_s,
        "to_s": span.to_s,
        "from": utc_text(span.from_utc) if span.from_utc else None,
        "to": utc_text(span.to_utc) if span.to_utc else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "key": finding.where,
        "detail": finding.detail,
        "advice": finding.advice,
    }


def lines(results: Sequence[Result]) -> Iterator[str]:
    """The same for people: a line for each thing that is not as promised, and one for each recording."""
    for result in results:
        if isinstance(result, Unsettled):
            yield f"{result.vendor} {result.task_id}: {result.state.value}"
            continue
        yield from _manifest_lines(result.manifest)
        if result.kept:
            yield f"  the published revision stays, because this run is worse: {result.kept}"
        if result.key:
            yield f"  manifest  {result.key}"


def _manifest_lines(manifest: Manifest) -> Iterator[str]:
    advised: dict[str, None] = {}
    for stream in manifest.streams:
        lost = {gap.segment for gap in stream.gaps} - {None}
        yield f"= {stream.segments.count - len(lost):4d}  {stream.stream}: slices as promised"
    for finding in manifest.findings:
        symbol = _SYMBOLS.get(finding.code, _LOUD if finding.severity == "error" else _QUIET)
        yield f"{symbol} {finding.where}   {finding.code.removeprefix('segment_')}: {finding.detail}"
        advised[finding.advice] = None
    for advice in advised:
        yield f"  -> {advice}"
    for stream in manifest.streams:
        for gap in stream.gaps:
            yield f"  lost     {_time(gap)}  {stream.stream} {gap.track}: {gap.cause.value}"
        for absence in stream.absences:
            yield f"  absent   {_time(absence)}  {stream.stream} {absence.track}: {absence.evidence.value}"
        ends = [*(turn.from_s for turn in stream.rotations[1:]), stream.duration_s]
        for turn, end in zip(stream.rotations, ends, strict=False):
            if not turn.applied:
                lies = f"{stream.stream} video: lies by {turn.degrees} degrees, and players show it so"
                yield f"  turned   {turn.from_s:10.3f} to {end:10.3f} s  {lies}"
        for output in stream.outputs:
            yield f"  output    {output.key}  {output.size_bytes} bytes, {output.duration_s:.3f} s"
    yield f"{manifest.vendor} {manifest.task_id}: {manifest.verdict.value}"


def _time(span: Span) -> str:
    return f"{span.from_s:10.3f} to {span.to_s:10.3f} s"
