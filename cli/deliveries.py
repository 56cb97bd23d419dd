"""What the inbox says of deliveries, for people and as JSON; bodies only with what is nobody's business left out."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from catalog.inbox import DeliveryRow, Inbox
from catalog.wire import utc_text
from cli.exits import Exit
from cli.recordings import time_text
from cli.report import tell
from vendors.hooks import MessageError, parse

HEADS: Final = f"{'id':>6}  {'received (UTC)':<23}  {'vendor':<8}{'signature':<14}{'event':<24}effect"
_MASKED: Final = "***"
_PRIVATE: Final = frozenset({"signature", "nonce", "token", "user_name", "username", "accesskey", "secretkey"})
"""Fields with names of people, or that are good for more than reading."""
_POLL_S: Final = 0.1
_PATIENCE_S: Final = 5.0
"""The loops see to deliveries every second."""


def line(row: DeliveryRow) -> str:
    """One delivery, for people."""
    received = utc_text(row.received_at)[:-1].replace("T", " ")
    cells = f"{row.id:>6}  {received}  {row.vendor:<8}{row.signature:<14}{row.event or '-':<24}"
    return f"{cells}{f'{row.recording}: ' if row.recording else ''}{effect_of(row)}"


def effect_of(row: DeliveryRow) -> str:
    """What was made of it."""
    seen = f" as {row.duplicate_of}" if row.duplicate_of else ""
    again = f" (again, of {row.replay_of})" if row.replay_of else ""
    return f"{row.effect or 'not seen to yet'}{seen}{again}"


def document(row: DeliveryRow) -> dict[str, Any]:
    """One delivery in JSON, without its body."""
    return {
        "id": row.id,
        "received_at": utc_text(row.received_at),
        "vendor": row.vendor,
        "event": row.event,
        "recording": row.recording,
        "signature": row.signature.value,
        "sources": list(row.sources),
        "duplicate_of": row.duplicate_of,
        "replay_of": row.replay_of,
        "handled_at": time_text(row.handled_at),
        "effect": row.effect,
    }


def whole(row: DeliveryRow) -> dict[str, Any]:
    """The same with headers, and the body as far as people should see it."""
    known = {"size_bytes": len(row.body), "sha256": hashlib.sha256(row.body).hexdigest()}
    return {**document(row), "peer": row.peer, "headers": dict(row.headers), **known, "body": _masked_body(row.body)}


def lines(row: DeliveryRow) -> Iterator[str]:
    """All of one delivery, for people."""
    said = whole(row)
    yield f"delivery {row.id} of {row.vendor}: {effect_of(row)}"
    for name in ("received_at", "handled_at", "signature", "event", "recording", "peer", "size_bytes", "sha256"):
        yield f"  {name:<12} {said[name] if said[name] is not None else '-'}"
    yield f"  {'sources':<12} {', '.join(row.sources) or '-'}"
    for name, value in row.headers.items():
        yield f"  {name}: {value}"
    yield "  body, masked:"
    body = said["body"]
    text = body if isinstance(body, str) else json.dumps(body, indent=2)
    yield from (f"    {part}" for part in text.split("\n"))


def seen_to(inbox: Inbox, number: int) -> DeliveryRow:
    """The delivery with its effect, or without, if nobody sees to it for long."""
    deadline = time.monotonic() + _PATIENCE_S
    while (row := inbox.get(number)).effect is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return row


def told(row: DeliveryRow, *, as_json: bool) -> int:
    """Print a delivery and its effect, and answer with the exit code."""
    answer = {"schema": "aftertake.webhook/1", **document(row)}
    tell(answer, [HEADS, line(row)], as_json=as_json)
    if row.effect is None:
        print(
            "aftertake: it is stored, and nobody has seen to it yet. Do the loops run? `aftertake serve`",
            file=sys.stderr,
        )
        return Exit.TRY_AGAIN
    return Exit.OK


def _masked_body(body: bytes) -> Any:  # noqa: ANN401 - any JSON, or the beginning of what is none
    try:
        return _masked(parse(body))
    except MessageError as error:
        return f"{error}; `--raw` writes it as it came"


def _masked(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _MASKED if name.lower() in _PRIVATE else _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, str) and "://" in value and "?" in value:
        return f"{value.partition('?')[0]}?{_MASKED}"
    return value
