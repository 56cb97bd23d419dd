"""`aftertake exports`: what was exported, and what to do with one of them."""

import argparse
import sys
from datetime import UTC, datetime
from typing import Any, Final

from catalog.exports import Export, ExportState
from catalog.index import Catalog
from catalog.wire import utc_text
from cli.actor import own_actor
from cli.exits import Exit
from cli.export_words import document, exit_of_export, lines, listed
from cli.ls import limit
from cli.meaning import NO_REASON, long_span, plain_text
from cli.report import printable, tell
from flows.opening import open_catalog
from flows.settings import Settings
from flows.steps.linking import Link, link
from storage.opening import open_store

_DOES: Final = {
    "show": "how far it is, where it begins and ends, and who asked for it",
    "cancel": "you want it no more; if nobody else does, it ends, and its file goes",
    "stop": "end it for all who want it",
    "retry": "ask once more for what failed, was cancelled or has expired",
    "link": "a link to the file, for 15 minutes at most; it is noted who got it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them; without an action, all."""
    parser.add_argument("--mine", action="store_true", help="what you asked for")
    words = ", ".join(ExportState)
    parser.add_argument("--state", choices=list(ExportState), action="append", default=[], help=f"some of {words}")
    parser.add_argument("--limit", type=limit, default=50, metavar="N", help="at most so many")
    actions = parser.add_subparsers(metavar="ACTION", dest="action")
    for name, text in _DOES.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("export", type=plain_text, metavar="ID", help="or at least the first 6 digits of it")
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object")
        if name != "show":
            action.add_argument("--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="for the audit")
        if name == "retry":
            action.add_argument("--expires", type=long_span, metavar="7d", help="keep the file for so long")


def run(options: argparse.Namespace) -> int:
    """List them, or do it."""
    settings = Settings.load()
    with open_catalog(settings) as catalog:
        if options.action is None:
            return _list(catalog, options)
        export = catalog.exports.named(options.export)
        if options.action == "link":
            made = link(
                catalog,
                open_store(settings.output),
                export.id,
                by=own_actor(),
                reason=options.reason,
                now=datetime.now(UTC),
            )
            tell_link(made, as_json=options.json)
            return Exit.OK
        export = _done(catalog, settings, export, options)
    tell({"schema": "aftertake.export/1", **document(export)}, lines(export), as_json=options.json)
    return exit_of_export(export) if options.action == "show" else Exit.OK


def _done(catalog: Catalog, settings: Settings, export: Export, options: argparse.Namespace) -> Export:
    who = {"by": own_actor(), "reason": getattr(options, "reason", NO_REASON)}
    match options.action:
        case "cancel":
            return catalog.exports.cancel(export.id, **who)
        case "stop":
            return catalog.exports.stop(export.id, **who)
        case "retry":
            keep = options.expires or settings.export_keep
            return catalog.exports.retry(export.id, **who, keep=keep, most=settings.exports_per_person)[0]
        case _:
            return export


def _list(catalog: Catalog, options: argparse.Namespace) -> Exit:
    by = own_actor() if options.mine else None
    found = catalog.exports.newest(by=by, states=[ExportState(each) for each in options.state], limit=options.limit)
    answer = {"schema": "aftertake.exports/1", "exports": [document(export) for export in found]}
    if not found:
        print(f"aftertake: no such export in the catalog {printable(catalog.database.place)}", file=sys.stderr)
    if options.json or found:
        tell(answer, listed(found), as_json=options.json)
    return Exit.OK if found else Exit.NOT_FOUND


def tell_link(made: Link, *, as_json: bool) -> None:
    """The URL alone on stdout: whoever has it has the file."""
    print(printable(f"{made.name}, until {utc_text(made.expires_at)}; it is noted who got it"), file=sys.stderr)
    tell(link_document(made), [made.url], as_json=as_json)


def link_document(made: Link) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    return {
        "schema": "aftertake.link/1",
        "url": made.url,
        "name": made.name,
        "expires_at": utc_text(made.expires_at),
    }
