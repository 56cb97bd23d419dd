"""Tell: the story of one recording as Markdown, for the pages of whatever runs the flows. Names are not trusted."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from catalog.records import Recording, id_text
from catalog.wire import utc_text

if TYPE_CHECKING:
    from catalog.index import Catalog


def told(catalog: "Catalog", recording: Recording) -> Iterator[str]:
    """Lines: verdict, streams, outputs, and each change with its cause."""
    yield f"# {_plain(id_text(recording.id))}: {recording.verdict or recording.state}"
    if recording.alarm:
        yield f"\n**Alarm:** {_plain(recording.alarm)}"
    if recording.manifest:
        yield f"\nManifest: {_plain(recording.manifest)}, revision {recording.revision}\n"
        yield from ("| stream | user | seconds |", "|---|---|---|")
        for stream in catalog.streams(recording.id):
            yield f"| {_plain(stream.stream)} | {_plain(stream.user or '')} | {stream.duration_s:.3f} |"
        yield from ("\n| output | bytes |", "|---|---|")
        for output in catalog.outputs(recording.id):
            yield f"| {_plain(output.key)} | {output.size_bytes} |"
    yield from ("\n| when | state | cause | by |", "|---|---|---|---|")
    for change in catalog.changes(recording.id)[-20:]:
        yield f"| {utc_text(change.at)} | {change.state} | {_plain(change.cause)} | {_plain(change.actor)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    shown = "".join(c if c.isprintable() else " " for c in text[:500])
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-!|~$" else c for c in shown)
