"""Forged messages are refused, and what rides on a true ZEGOCLOUD signature does nothing but have us look once."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final
from urllib.parse import quote

from catalog.events import Signature
from deployments.sandbox.webhook_requests import Posted
from deployments.sandbox.webhooks import SAMPLES
from tests.flows.folders import slices
from tests.proofs.table import Table
from tests.proofs.webhook_client import burst
from tests.proofs.webhook_serving import Served
from tests.proofs.webhook_site import HOOKED, SECRETS, HookedSite, message_of, recording_of, told
from tests.vendors.forging import forgeries
from vendors.hooks import Hook, Key, Message, check
from vendors.registry import HOOKS

MUTATIONS: Final = 100_000
POSTED: Final = 2_000
BODIES: Final = 1_000
TRIPLES: Final = 10
_FROM_ONE: Final = 50
_FIRST_TRUE: Final = 1_000_000
_CONNECTIONS: Final = 20
_SIGNED: Final = ("nonce", "timestamp", "signature")
_UNSENDABLE: Final = frozenset("\r\n\0")


def prove(table: Table, root: Path, mutations: int, bodies: int, seed: int) -> None:
    """What the receiver calls, without HTTP; and other bodies under true signatures of ZEGOCLOUD's."""
    table.heading(f"{mutations} forged messages")
    began = time.monotonic()
    for vendor in HOOKED:
        tried, accepted, same = judged(vendor, ceil(mutations / len(HOOKED)), seed)
        table.line(f"{vendor}: tried, accepted", [tried.total(), accepted.total()], right=not accepted)
        if same:
            table.line("  the same seal and second, cut elsewhere", [same])
        for what, count in accepted.items():
            table.line(f"  {what}", [count], right=False)
    table.line("s", [f"{time.monotonic() - began:.0f}"])
    site = HookedSite(root / "triple")
    effects, made = ridden(site, bodies, random.Random(seed))
    looks = sum(count for effect, count in effects.items() if "looked at" in effect)
    site.catalog.database.close()
    table.heading(f"{bodies} other bodies under {TRIPLES} true signatures of ZEGOCLOUD's")
    table.line("looks that they caused", [looks], right=looks <= TRIPLES)
    table.line("recordings that they made", [made], right=made == 0)
    for effect, count in effects.items():
        table.line(f"  {effect[:60]}", [count])


def prove_posted(table: Table, served: Served, posts: int, seed: int) -> None:
    """Over HTTP, at a receiver that runs."""
    requests = list(itertools.islice(forged_requests(random.Random(seed)), posts))
    told_by = asyncio.run(burst(served.address, requests, _CONNECTIONS))
    accepted = sum(count for status, count in told_by.statuses.items() if 200 <= status < 300)
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(told_by.statuses.items()))
    table.heading(f"{posts} forged messages over HTTP")
    table.line("answered 2xx", [accepted], right=accepted == 0)
    table.line("answers", [shown], right=set(told_by.statuses) <= {400, 401, 404})


def judged(vendor: str, count: int, seed: int) -> tuple[Counter[str], Counter[str], int]:
    """What was done to messages of a vendor, what of that was accepted, and how many say the same after all."""
    tried, accepted, same, now = Counter[str](), Counter[str](), 0, datetime.now(UTC)
    keys = [Key(secret=SECRETS[vendor], source=f"{vendor}-calls")]
    for what, true, forged in itertools.islice(_forged(vendor, random.Random(seed)), count):
        tried[what] += 1
        if check(HOOKS[vendor], forged, keys, now).signature is not Signature.GOOD:
            continue
        if _is_same(HOOKS[vendor], true, forged):
            same += 1
        else:
            accepted[what] += 1
    return tried, accepted, same


def _is_same(hook: Hook, true: Message, forged: Message) -> bool:
    """A time in seconds with some digits of its nonce is that time in milliseconds: one signed text, one seal."""
    before, after, seal = hook.signed_at(true), hook.signed_at(forged), hook.seal(true)
    is_one_second = before is not None and after is not None and timedelta(0) <= after - before < timedelta(seconds=1)
    return is_one_second and seal is not None and hook.seal(forged) == seal


def ridden(site: HookedSite, bodies: int, chance: random.Random) -> tuple[Counter[str], int]:
    """After each true message others under its nonce, time and signature: what came of them, and new recordings."""
    known, effects = recording_of("zego", 1), Counter[str]()
    site.lay_one(known, slices(1))
    site.hear(told(known, "uploaded"))
    site.settle()
    for triple in range(TRIPLES):
        true = told(known, "no_stream", _FIRST_TRUE + triple)
        site.hear(true)
        for number in range(bodies // TRIPLES):
            forged = _ridden(true, triple * bodies + number, chance)
            assert site.checked(forged).signature is Signature.GOOD, "a signature that covers no body"
            effects.update(effect or "none" for effect in site.hear(forged))
            site.overseer().dispatch()
    return effects, sum(site.catalog.counts().values()) - 1


def forged_requests(chance: random.Random) -> Iterator[bytes]:
    """Of all vendors in turn, as they go over the wire; a header keeps no line ends, and no blanks at its ends."""
    for forged in zip(*(_forged(vendor, chance) for vendor in HOOKED), strict=True):
        for vendor, (_, true, message) in zip(HOOKED, forged, strict=True):
            is_sendable = all(text == text.strip() and not _UNSENDABLE & {*text} for text in message.headers.values())
            if is_sendable and not _is_same(HOOKS[vendor], true, message):
                yield _over_the_wire(vendor, message)


def _forged(vendor: str, chance: random.Random) -> Iterator[tuple[str, Message, Message]]:
    """Made of each common message of the vendor in turn, without end: what was done, to what, and what came out."""
    for number, event in enumerate(itertools.cycle(SAMPLES[vendor])):
        true = message_of(told(recording_of(vendor, 1), event, number))
        for what, forged in itertools.islice(forgeries(chance, true.body, true.headers, SECRETS[vendor]), _FROM_ONE):
            yield what, true, forged


def _ridden(true: Posted, number: int, chance: random.Random) -> Posted:
    """A message of somebody who saw a true one: about it, about another recording, of any kind."""
    about = recording_of("zego", chance.choice([1, 1, chance.randrange(2, 100)]))
    document = json.loads(told(about, chance.choice(list(SAMPLES["zego"])), number).body)
    seen = json.loads(true.body)
    return replace(true, body=json.dumps({**document, **{name: seen[name] for name in _SIGNED}}).encode())


def _over_the_wire(vendor: str, message: Message) -> bytes:
    secret = "" if message.url_secret is None else f"/{quote(message.url_secret, safe='', errors='surrogatepass')}"
    lines = [f"{name}: {value}" for name, value in message.headers.items()]
    head = [f"POST /hooks/{vendor}{secret} HTTP/1.1", "Host: proof", *lines, f"Content-Length: {len(message.body)}"]
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogatepass") + message.body
