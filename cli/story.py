"""All that is known of recordings of the catalog: how far they have come, what was published, every change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.chains import Chain, Link
from catalog.errors import UnknownRecordingError
from catalog.index import Catalog
from catalog.model import State
from catalog.records import Change, OutputRow, Recording, StreamRow, id_text
from catalog.timeline import timeline
from catalog.wire import utc_text
from cli import timeline as timelines
from cli.exits import Exit
from cli.recordings import named, queued, time_text, verdict_of, what_next
from cli.report import described, tell, worst
from cli.report import lines as published_lines
from flows.opening import open_catalog
from flows.settings import Settings
from flows.steps.publishing import Published, StrangeManifestError, read_manifest
from storage.errors import StorageError
from storage.opening import open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One recording. `published` is its manifest; `unread` says why that could not be read, if there should be one."""

    recording: Recording
    streams: Sequence[StreamRow]
    outputs: Sequence[OutputRow]
    changes: Sequence[Change]
    chain: Chain | None
    published: Published | None
    unread: str | None


def show_stories(task: str, *, as_json: bool) -> int:
    """Show every recording that the text may mean. Raises `UnknownRecordingError` if there is none."""
    settings = Settings.load()
    with open_catalog(settings) as catalog:
        stories = [_story(catalog, settings, recording) for recording in known(catalog, task)]
    tell(document(stories), (line for story in stories for line in lines(story)), as_json=as_json)
    return Exit.OK


def show_timelines(task: str, *, as_json: bool) -> int:
    """Show the timeline of every recording that the text may mean. Raises `UnknownRecordingError`."""
    settings = Settings.load()
    with open_catalog(settings) as catalog:
        stories = [_story(catalog, settings, recording) for recording in known(catalog, task)]
    untold = [
        (story.recording.id, story.unread or "nothing is published yet") for story in stories if not story.published
    ]
    published = [timeline(story.published.stands) for story in stories if story.published]
    timelines.tell(published, untold, as_json=as_json)
    return Exit.OK


def known(catalog: Catalog, task: str) -> list[Recording]:
    """The recordings that the text may mean. Raises `UnknownRecordingError` if there is none."""
    if found := catalog.named(task):
        return found
    message = (
        f"the catalog {catalog.database.place} knows no recording {task}. `aftertake ls` shows which it knows, "
        "`aftertake submit` makes one known."
    )
    raise UnknownRecordingError(message)


def read_published(settings: Settings, recording: Recording) -> Published | None:
    """Its newest manifest, from the configured output; None where there is none yet."""
    if recording.manifest is None:
        return None
    output = open_store(settings.output)
    return Published(manifest=read_manifest(output, output.head(recording.manifest)), key=recording.manifest)


def _story(catalog: Catalog, settings: Settings, recording: Recording) -> Story:
    published, unread = None, None
    try:
        published = read_published(settings, recording)
    except (StorageError, StrangeManifestError) as error:
        unread = str(error)
    return Story(
        recording=recording,
        streams=catalog.streams(recording.id),
        outputs=catalog.outputs(recording.id),
        changes=catalog.changes(recording.id),
        chain=catalog.chain(recording.id),
        published=published,
        unread=unread,
    )


def document(stories: Sequence[Story]) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    states = [story.recording.state for story in stories]
    verdict = worst([verdict_of(story.recording) for story in stories])
    return {
        "schema": "aftertake.show/1",
        "state": next((state for state in states if state is not State.SETTLED), State.SETTLED).value,
        "verdict": verdict.value if verdict else None,
        "recordings": [_recording(story) for story in stories],
    }


def _recording(story: Story) -> dict[str, Any]:
    recording = story.recording
    return {
        **(described(story.published) if story.published else _without_manifest(story)),
        **queued(recording),
        "folder": recording.folder,
        "queue": recording.queue.value,
        "heard_at": time_text(recording.heard_at),
        "settled_at": time_text(recording.settled_at),
        "looks": recording.looks,
        "tries": recording.tries,
        "next": what_next(recording),
        "manifest_error": story.unread,
        "chain": [_link(link) for link in story.chain.links] if story.chain else None,
        "history": [_change(change) for change in story.changes],
    }


def _without_manifest(story: Story) -> dict[str, Any]:
    """What the catalog has of it; gaps and findings stand in manifests only."""
    return {
        "streams": [
            {
                "stream": stream.stream,
                "user": stream.user,
                "kind": stream.kind.value,
                "duration_s": stream.duration_s,
                "started_at": time_text(stream.started_at),
            }
            for stream in story.streams
        ],
        "gaps": [],
        "absences": [],
        "findings": [],
        "outputs": [
            {"key": output.key, "size_bytes": output.size_bytes, "crc64xz": output.crc64xz} for output in story.outputs
        ],
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "vendor": link.recording.vendor,
        "task_id": link.recording.task_id,
        "state": link.state.value,
        "verdict": link.verdict.value if link.verdict else None,
        "started_at": utc_text(link.started_at),
        "ended_at": time_text(link.ended_at),
        "is_exact": link.is_exact,
        "hole_ms": link.hole_ms,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "at": utc_text(change.at),
        "was": change.was.value if change.was else None,
        "state": change.state.value,
        "verdict": change.verdict.value if change.verdict else None,
        "cause": change.cause,
        "by": change.actor,
    }


def lines(story: Story) -> Iterator[str]:
    """The same for people."""
    recording = story.recording
    yield named(recording)
    if recording.alarm:
        yield f"  ! {recording.alarm}"
    yield f"  next      {what_next(recording)}"
    yield f"  room      {recording.room or 'not known'}"
    yield f"  source    {recording.source or 'not known'}, folder {recording.folder or 'not known'}"
    if recording.started_at and recording.ended_at:
        yield f"  recorded  {utc_text(recording.started_at)} to {utc_text(recording.ended_at)}"
    if story.chain and len(story.chain.links) > 1:
        yield from (_link_line(link, recording) for link in story.chain.links)
    for stream in story.streams:
        yield f"  stream    {stream.stream}  user {stream.user or '-'}  {stream.kind}  {stream.duration_s:.3f} s"
    if story.published:
        yield from published_lines([story.published])
    else:
        yield from (f"  output    {output.key}  {output.size_bytes} bytes" for output in story.outputs)
    if story.unread:
        yield f"  ! the manifest could not be read: {story.unread}"
    for change in story.changes:
        yield f"  {utc_text(change.at)}  {change.verdict or change.state}: {change.cause}  ({change.actor})"


def _link_line(link: Link, recording: Recording) -> str:
    """A recording of the chain: `~` before times that are not exact, `>` before the one that is shown."""
    about, mark = ("" if link.is_exact else "~"), (">" if link.recording == recording.id else " ")
    end = utc_text(link.ended_at) if link.ended_at else "not known"
    times = f"{about}{utc_text(link.started_at)} to {about if link.ended_at else ''}{end}"
    return f"  chain   {mark} {id_text(link.recording)}: {link.verdict or link.state}  {times}{_hole(link)}"


def _hole(link: Link) -> str:
    if link.hole_ms is None:
        return ""
    return f"  hole {link.hole_ms} ms" if link.hole_ms >= 0 else f"  overlap {-link.hole_ms} ms"
