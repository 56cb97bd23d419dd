"""Forged callbacks of ZEGOCLOUD's, whose signature says nothing of the body: nothing may come of what never was."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.errors import UnknownRecordingError
from catalog.model import RecordingId, Verdict
from deployments.sandbox.webhook_requests import Posted
from deployments.sandbox.webhooks import sample
from tests.proofs.table import Table
from tests.proofs.vendor_serving import SECRETS, VendorServing


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """A recording that never was, and how it was spoken of."""

    name: str
    recording: RecordingId
    is_unheard: bool


def forge(serving: VendorServing, true: RecordingId) -> Sequence[Forged]:
    """Tell of two recordings that never were: with a signature that came before us, and with one that never did."""
    repeated, fresh = (RecordingId(vendor="zego", task_id=secrets.token_urlsafe(12)) for _ in range(2))
    seen = _message(true, "no_stream")
    _post(serving, seen)
    _post(serving, _signed_as(seen, repeated))
    _post(serving, _signed_as(_message(true, "no_stream"), fresh))
    return (
        Forged(name="forged, signature seen before", recording=repeated, is_unheard=True),
        Forged(name="forged, signature of an unseen message", recording=fresh, is_unheard=False),
    )


def judge_forgeries(table: Table, serving: VendorServing, forged: Sequence[Forged]) -> None:
    """One is not even known; the other is looked for, and said to be missing or, once its vendor may know it, empty."""
    for one in forged:
        try:
            found = serving.catalog.get(one.recording)
        except UnknownRecordingError:
            table.line(f"zego: {one.name}", [0, "-", "   not known"], right=one.is_unheard)
            continue
        is_right = not one.is_unheard and found.verdict in {None, Verdict.EMPTY, Verdict.MISSING}
        told = f"   {found.state} {found.verdict or ''}".rstrip()
        table.line(f"zego: {one.name}", [found.revision, "-", told], right=is_right)


def _message(recording: RecordingId, event: str) -> Posted:
    now, secret = datetime.now(UTC), SECRETS["zego"]
    return sample("zego", event, task_id=recording.task_id, room="forged", secret=secret, sent_at=now)


def _signed_as(posted: Posted, recording: RecordingId) -> Posted:
    """A forgery that says that all of a recording is uploaded, under the signature of a true message."""
    true, forged = json.loads(posted.body), json.loads(_message(recording, "uploaded").body)
    signature = {name: true[name] for name in ("timestamp", "nonce", "signature")}
    return Posted(vendor="zego", headers=posted.headers, body=json.dumps(forged | signature).encode())


def _post(serving: VendorServing, posted: Posted) -> None:
    serving.deliver(posted.path, posted.body, posted.headers)
