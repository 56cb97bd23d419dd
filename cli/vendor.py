"""`aftertake vendor`: recordings at their vendors, in one vocabulary: start, status, layout, stop, history."""

import argparse
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

from catalog.index import Catalog
from catalog.model import RecordingId
from catalog.records import id_text
from cli.actor import own_actor
from cli.exits import Exit
from cli.meaning import Task, moment, plain_text, task
from cli.recordings import named, queued, what_next
from cli.report import tell
from cli.sources import the_one
from cli.story import known
from flows.fields import key_variables
from flows.opening import open_catalog
from flows.recorders import Recorders
from flows.settings import Settings, SettingsError, Source
from flows.vendor_recordings import VendorRecordings, folder_below, lately, past_document, status_document
from flows.webhook_keys import WebhookKeys
from vendors.recorder import Order, OrderMode, Past, Status
from vendors.registry import RECORDED

_ROOM_TOKEN: Final = "AFTERTAKE_ROOM_TOKEN"  # noqa: S105 - the name of a variable
_SCHEMA: Final = "aftertake.vendor/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which recording."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    start = actions.add_parser("start", help="begin to record a room into a configured source")
    _add_source(start)
    start.add_argument("--room", type=plain_text, required=True, metavar="R", help="the room or channel")
    start.add_argument("--mode", choices=get_args(OrderMode), default="mixed", help="mixed unless said otherwise")
    start.add_argument("--tracks", choices=("both", "audio", "video"), default="both")
    start.add_argument("--user", type=plain_text, action="append", default=[], metavar="U", help="only these users")
    start.add_argument("--recorder", type=plain_text, metavar="ID", help="under which id the recorder comes")
    start.add_argument("--page", type=plain_text, metavar="URL", help="what is recorded in mode web")
    start.add_argument("--idle", type=_seconds, metavar="S", help="how long the room may be empty, in seconds")
    start.add_argument("--folder", type=_folder, metavar="F/", help="below the source's own")
    start.add_argument("--client-id", type=plain_text, metavar="ID", help="asked twice with one id, it begins once")
    start.add_argument(
        "--fields", type=_fields, default={}, metavar="JSON|@FILE", help="the vendor's own, put over ours"
    )
    for name, text in (("status", "what the vendor says of a recording"), ("stop", "end a recording; it is processed")):
        actions.add_parser(name, help=text).add_argument("task", type=task, metavar="TASK")
    layout = actions.add_parser("layout", help="arrange the pictures of a mixed recording anew")
    layout.add_argument("task", type=task, metavar="TASK")
    layout.add_argument("--fields", type=_fields, required=True, metavar="JSON|@FILE", help="in the vendor's own words")
    history = actions.add_parser("history", help="what the vendor has in its own list (ZEGOCLOUD: of three days)")
    _add_source(history)
    history.add_argument(
        "--from", dest="since", type=moment, metavar="TIME", help="three days ago unless said otherwise"
    )
    history.add_argument("--to", dest="until", type=moment, metavar="TIME", help="now unless said otherwise")
    history.add_argument("--room", type=plain_text, metavar="R", help="of this room only")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="NAME", help="the configured source, where several have a vendor's keys")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    settings = Settings.load()
    with closing(Recorders(settings)) as recorders, open_catalog(settings) as catalog:
        vendors = VendorRecordings(settings, catalog, recorders, WebhookKeys(settings), actor=own_actor())
        return _ACTIONS[options.action](_Desk(settings, catalog, recorders, vendors), options)


class _Desk:
    """What the actions work with."""

    def __init__(self, settings: Settings, catalog: Catalog, recorders: Recorders, vendors: VendorRecordings) -> None:
        self.settings, self.catalog, self.recorders, self.vendors = settings, catalog, recorders, vendors

    def source(self, name: str | None) -> Source:
        """The source of that name, else the only one whose vendor can be asked."""
        if name is not None:
            return self.settings.source(name)
        able = [source for vendor in RECORDED for source in self.recorders.able(vendor)]
        recorded = [source for source in self.settings.sources if source.vendor in RECORDED]
        meant = able or recorded
        if len(meant) == 1:
            return meant[0]  # without a key, whoever asks for its recorder is told which
        names = ", ".join(source.name for source in meant)
        if able:
            raise SettingsError(f"say with --source NAME which source is meant: there are {names}")
        if recorded:
            key_id, secret = key_variables(recorded[0].name, "API")
            raise SettingsError(f"no source has app and a key of its vendor's API: set {key_id} and {secret} ({names})")
        raise SettingsError(f"no source has vendor = one of {', '.join(RECORDED)}: write it into [[sources]]")

    def recording(self, wanted: Task) -> RecordingId:
        """The recording of the catalog that is meant."""
        return the_one(known(self.catalog, wanted.text)).id


def _start(desk: _Desk, options: argparse.Namespace) -> int:
    ordered = partial(
        Order,
        room=options.room,
        mode=options.mode,
        tracks=options.tracks,
        users=tuple(options.user),
        recorder=options.recorder,
        room_token=os.environ.get(_ROOM_TOKEN) or None,
        page=options.page,
        most_idle=options.idle,
        client_id=options.client_id or uuid.uuid4().hex,
        more=options.fields,
    )
    recording = desk.vendors.start(desk.source(options.source), ordered, folder=options.folder or "")
    document = {"schema": _SCHEMA, "recordings": [{**queued(recording), "next": what_next(recording)}]}
    name = id_text(recording.id)
    lines = [
        f"{named(recording)}; room {recording.room}, source {recording.source}",
        f"`aftertake vendor stop {name}` ends it.",
    ]
    tell(document, lines, as_json=options.json)
    return Exit.OK


def _status(desk: _Desk, options: argparse.Namespace) -> int:
    recording = desk.recording(options.task)
    return _told(recording, desk.vendors.status(recording), options)


def _stop(desk: _Desk, options: argparse.Namespace) -> int:
    recording = desk.recording(options.task)
    return _told(recording, desk.vendors.stop(recording), options)


def _told(recording: RecordingId, status: Status, options: argparse.Namespace) -> int:
    document = {"schema": _SCHEMA, "recordings": [status_document(recording, status)]}
    tell(document, _lines(recording, status), as_json=options.json)
    return Exit.OK


def _lines(recording: RecordingId, status: Status) -> Iterator[str]:
    gone = "; it knows no such recording now" if status.is_gone else ""
    yield f"{id_text(recording)}: its vendor says {status.word}{gone}"
    if status.trouble:
        yield f"  ! {status.trouble}"
    for file in status.files:
        yield f"  {file.kept:<8} {file.name}"
    yield f"`aftertake show {id_text(recording)}` tells what comes of it."


def _layout(desk: _Desk, options: argparse.Namespace) -> int:
    recording = desk.recording(options.task)
    desk.vendors.layout(recording, options.fields)
    document = {"schema": _SCHEMA, "recordings": [{"vendor": recording.vendor, "task_id": recording.task_id}]}
    tell(document, [f"{id_text(recording)}: its pictures are arranged anew"], as_json=options.json)
    return Exit.OK


def _history(desk: _Desk, options: argparse.Namespace) -> int:
    window = lately(options.since, options.until)
    found = list(desk.vendors.history(desk.source(options.source), *window, room=options.room))
    document = {"schema": _SCHEMA, "recordings": [past_document(past) for past in found]}
    tell(document, [*map(_past_line, found), f"{len(found)} recordings"], as_json=options.json)
    return Exit.OK


def _past_line(past: Past) -> str:
    began = past.started_at.isoformat(sep=" ", timespec="seconds") if past.started_at else "-"
    return f"{began:<25}  {past.word:<10}  {id_text(past.recording)}  {past.room or '-'}"


_ACTIONS: Final[Mapping[str, Callable[[_Desk, argparse.Namespace], int]]] = MappingProxyType(
    {"start": _start, "status": _status, "layout": _layout, "stop": _stop, "history": _history}
)


def _folder(text: str) -> str:
    try:
        return folder_below(plain_text(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> timedelta:
    if not (text.isascii() and text.isdecimal() and len(text) <= 7):
        raise argparse.ArgumentTypeError("write seconds as a whole number")
    return timedelta(seconds=int(text))


def _fields(text: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"write a JSON object, or @FILE that holds one: {error}") from None
    if not isinstance(document, dict):
        raise argparse.ArgumentTypeError("write a JSON object")
    return document
