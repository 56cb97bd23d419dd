"""`aftertake show`: what the catalog knows of a task; with `--output`, its newest manifests alone."""

import argparse
from collections.abc import Iterator

from catalog.components import Component, encode_component
from catalog.errors import LayoutError
from catalog.layout import ManifestKey, decode_key
from catalog.timeline import timeline
from cli import timeline as timelines
from cli.exits import Exit
from cli.meaning import task
from cli.report import document, lines, tell
from flows.steps.finding import NothingFoundError
from flows.steps.publishing import Published, read_manifest
from storage.base import ObjectMeta, ObjectStore
from storage.errors import NotFound
from storage.listing import listed
from storage.opening import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recording, and where to look."""
    parser.add_argument("task", type=task, metavar="TASK", help="task id, or VENDOR:TASK_ID")
    parser.add_argument("--output", metavar="URL", help="read the manifests that lie there, and ask no catalog")
    parser.add_argument("--timeline", action="store_true", help="who was recorded when, and what is missing and why")


def run(options: argparse.Namespace) -> int:
    """Show every recording with this task id."""
    if options.output is None:
        from cli.story import show_stories, show_timelines  # noqa: PLC0415 - SQL is for those who ask the catalog

        return (show_timelines if options.timeline else show_stories)(options.task.text, as_json=options.json)
    published = show(open_store(options.output), options.task.text)
    if options.timeline:
        timelines.tell([timeline(each.stands) for each in published], as_json=options.json)
        return Exit.OK
    tell(document("show", published), lines(published), as_json=options.json)
    return Exit.OK


def show(store: ObjectStore, task: str) -> list[Published]:
    """The newest revision of every recording with this task id, or `vendor:task_id`."""
    metas = _manifests(store)
    found = []
    for recording in dict.fromkeys((k.vendor, k.task_id) for k in metas):
        if _is_meant(task, *recording):
            of_it = (key for key in metas if (key.vendor, key.task_id) == recording)
            newest = max(of_it, key=lambda key: (key.revision, key.digest12))
            found.append(Published(manifest=read_manifest(store, metas[newest]), key=newest.key))
    if not found:
        message = (
            f"no manifest of {task} in {store.url}. Check the task id, and that --output is where it was published."
        )
        raise NothingFoundError(message)
    return found


def _is_meant(task: str, vendor: str, task_id: Component) -> bool:
    """Keys abbreviate long ids, so ids are compared as keys spell them."""
    return encode_component(task_id) in {
        encode_component(task),
        encode_component(task.removeprefix(f"{vendor}:") or task),
    }


def _manifests(store: ObjectStore) -> dict[ManifestKey, ObjectMeta]:
    return dict(_decoded(store))


def _decoded(store: ObjectStore) -> Iterator[tuple[ManifestKey, ObjectMeta]]:
    try:
        for meta in listed(store, "manifests/"):
            try:
                key = decode_key(meta.key)
            except LayoutError:
                continue
            if isinstance(key, ManifestKey):
                yield key, meta
    except NotFound:
        return
