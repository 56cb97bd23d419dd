"""`aftertake webhook`: what vendors delivered and what came of it; try a webhook out; have one take effect again."""

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from catalog.events import Delivery, Signature
from catalog.inbox import DeliveryRow, Inbox
from catalog.index import Catalog
from cli import deliveries, webhook_sample
from cli.actor import own_actor
from cli.deliveries import seen_to, told
from cli.exits import Exit
from cli.meaning import NO_REASON, plain_text
from cli.report import printable, tell
from flows.opening import open_catalog
from flows.settings import Settings
from flows.webhook_keys import WebhookKeys
from vendors.hooks import Message, check, parse
from vendors.registry import HOOKS

_LISTED: Final = 20
_MOST: Final = 500
_POLL_S: Final = 0.1
_DIGITS: Final = 18
"""As many as every database has room for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which delivery."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    tail = actions.add_parser("tail", help="the last deliveries: signature, duplicate of, effect")
    tail.add_argument("--vendor", choices=sorted(HOOKS), help="of this vendor only")
    tail.add_argument("--limit", type=int, default=_LISTED, metavar="N", help=f"at most so many, up to {_MOST}")
    tail.add_argument("--follow", action="store_true", help="go on with each that comes, until Ctrl-C")
    tail.add_argument("--jsonl", action="store_true", help="print one JSON object for each delivery")
    show = actions.add_parser("show", help="all of one delivery, its body masked")
    show.add_argument("delivery", type=_number, metavar="ID")
    show.add_argument("--raw", action="store_true", help="write the body as it came, and nothing else")
    replay = actions.add_parser("replay", help="have a delivery take effect once more")
    replay.add_argument("delivery", type=_number, metavar="ID")
    replay.add_argument("--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="why, for the audit")
    test = actions.add_parser("test", help="post a signed sample to a running `aftertake serve`")
    test.add_argument("--vendor", choices=sorted(HOOKS), required=True)
    test.add_argument("--event", type=plain_text, required=True, metavar="NAME", help="such as uploaded")
    test.add_argument("--task", type=plain_text, metavar="ID", help="of a true recording; unless said, without effect")
    test.add_argument("--room", type=plain_text, metavar="R", help="the room of that recording")
    test.add_argument("--source", metavar="NAME", help="sign with the secret of this source")
    test.add_argument("--url", metavar="URL", help="of the server, unless it is where the settings say")
    for action in (tail, show, replay, test):
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object")


def _number(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS:
        return int(text)
    raise argparse.ArgumentTypeError("write the number that `aftertake webhook tail` shows")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    settings = Settings.load()
    with open_catalog(settings) as catalog:
        return _ACTIONS[options.action](settings, catalog, options)


def _tail(_settings: Settings, catalog: Catalog, options: argparse.Namespace) -> int:
    last = max((row.id for row in catalog.inbox.newest(most=1)), default=0)
    newest = catalog.inbox.newest(vendor=options.vendor, most=min(max(options.limit, 1), _MOST))[::-1]
    if options.json:
        tell({"schema": "aftertake.webhook/1", "deliveries": _documents(newest)}, (), as_json=True)
        return Exit.OK
    if not options.jsonl:
        print(deliveries.HEADS)
    _print(newest, as_jsonl=options.jsonl)
    if options.follow:
        with suppress(KeyboardInterrupt):  # the one way to end it
            for row in _following(catalog.inbox, options.vendor, last):
                _print([row], as_jsonl=options.jsonl)
    return Exit.OK


def _documents(rows: Sequence[DeliveryRow]) -> list[dict[str, object]]:
    return [deliveries.document(row) for row in rows]


def _print(rows: Sequence[DeliveryRow], *, as_jsonl: bool) -> None:
    for row in rows:
        print(json.dumps(deliveries.document(row)) if as_jsonl else printable(deliveries.line(row)))
    sys.stdout.flush()


def _following(inbox: Inbox, vendor: str | None, last: int) -> Iterator[DeliveryRow]:
    """Each delivery once somebody has seen to it, or should have."""
    while True:
        for row in inbox.newest(after=last, vendor=vendor, most=_MOST)[::-1]:
            yield seen_to(inbox, row.id)
            last = row.id
        time.sleep(_POLL_S)


def _show(_settings: Settings, catalog: Catalog, options: argparse.Namespace) -> int:
    row = catalog.inbox.get(options.delivery)
    if options.raw:
        sys.stdout.buffer.write(row.body)
        sys.stdout.flush()
        return Exit.OK
    answer = {"schema": "aftertake.webhook/1", **deliveries.whole(row)}
    tell(answer, deliveries.lines(row), as_json=options.json)
    return Exit.OK


def _replay(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> int:
    """One that was refused is checked with the secrets of today, as at the time when it came."""
    row = catalog.inbox.get(options.delivery)
    again = _again(settings, row)
    if again.signature is not Signature.GOOD:
        print(f"aftertake: delivery {row.id} is not replayed: its signature is {again.signature}", file=sys.stderr)
        return Exit.REFUSED
    number = catalog.inbox.replay(row.id, again, actor=own_actor(), reason=options.reason)
    return told(seen_to(catalog.inbox, number), as_json=options.json)


def _again(settings: Settings, row: DeliveryRow) -> Delivery:
    """What was believed and had no source may have one by now."""
    hook = HOOKS[row.vendor]
    message = Message(body=row.body, document=parse(row.body), headers=row.headers)
    signature, sources = row.signature, row.sources or tuple(each.name for each in settings.sources_for(row.vendor))
    if signature is not Signature.GOOD:
        checked = check(hook, message, WebhookKeys(settings)(row.vendor), row.received_at)
        signature, sources = checked.signature, checked.sources
    return Delivery(
        token=uuid.uuid4().hex,
        vendor=row.vendor,
        received_at=datetime.now(UTC),
        signature=signature,
        sources=sources,
        body=row.body,
        headers=row.headers,
        peer=row.peer,
        dedupe_id=hook.read(message).dedupe_id,
    )


_Action = Callable[[Settings, Catalog, argparse.Namespace], int]
_ACTIONS: Final[Mapping[str, _Action]] = MappingProxyType(
    {"tail": _tail, "show": _show, "replay": _replay, "test": webhook_sample.run}
)
