"""What the faults that struck a request do: before it is carried out, and to its answer."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from deployments.sandbox.clouds.buckets import Bucket
from deployments.sandbox.clouds.faults import Hit
from deployments.sandbox.clouds.messages import Answer, Refusal, Request
from deployments.sandbox.clouds.wire import Damage

CONDITIONS = frozenset({"if-match", "if-none-match"})
MESSAGES = {"SlowDown": "Please reduce your request rate.", "InternalError": "We encountered an internal error."}


def skew(hits: Iterable[Hit]) -> timedelta:
    """How far the server's clock is off."""
    return timedelta(seconds=sum(hit.fault.seconds for hit in hits if hit.fault.kind == "skew"))


def delay(hits: Iterable[Hit]) -> float:
    """Seconds before the answer."""
    return sum(hit.fault.seconds for hit in hits if hit.fault.kind == "slow")


def hidden(hits: Iterable[Hit], bucket: Bucket) -> frozenset[str]:
    """The keys that a listing must not show."""
    count = max((hit.fault.newest for hit in hits if hit.fault.kind == "stale_list"), default=0)
    return bucket.newest(count) if count else frozenset()


def refuse(hits: Iterable[Hit]) -> None:
    """Raise the refusal that stands in the plan."""
    for hit in hits:
        if hit.fault.kind == "status":
            message = MESSAGES.get(hit.fault.code, "").ljust(hit.fault.error_bytes, ".")
            raise Refusal(hit.fault.status, hit.fault.code, message)


def heard(hits: Iterable[Hit], request: Request) -> Request:
    """What of a request is carried out: without its conditions where they are not looked at."""
    if not any(hit.fault.kind == "ignores_condition" for hit in hits):
        return request
    kept = {name: value for name, value in request.headers.items() if name not in CONDITIONS}
    return replace(request, headers=kept)


def repeats(hits: Iterable[Hit]) -> bool:
    """Whether a listing shows its first page, whatever page was asked for."""
    return any(hit.fault.kind == "repeats_page" for hit in hits)


def foreign(hits: Iterable[Hit]) -> tuple[tuple[str, int], ...]:
    """Keys and sizes that a listing shows though they are not there."""
    return tuple((hit.fault.shows, hit.fault.shows_bytes) for hit in hits if hit.fault.kind == "foreign_key")


def shift(hits: Iterable[Hit], answer: Answer, whole: memoryview) -> None:
    """Make the answer to a range one to another range of `whole`."""
    faults = [hit.fault for hit in hits if hit.fault.kind == "shifts_range"]
    asked = answer.headers.get("Content-Range", "")
    for fault in faults if answer.status == 206 else []:
        begin, _, end = asked.removeprefix("bytes ").partition("/")[0].partition("-")
        first, length = int(begin), int(end) - int(begin) + 1
        first = first - fault.shift_bytes if first >= fault.shift_bytes else first + fault.shift_bytes
        first = min(first, len(whole) - length)
        answer.body = whole[first : first + length]
        if fault.truthful:
            answer.headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{len(whole)}"


def lost(hits: Iterable[Hit]) -> bool:
    """Whether nothing is answered."""
    return any(hit.fault.kind == "lost_answer" for hit in hits)


def spoil(hits: Iterable[Hit], answer: Answer) -> Damage:
    """Change the answer's bytes and length, and say where it ends."""
    damage = Damage()
    for hit in hits:
        fault, size = hit.fault, len(answer.body)
        if fault.kind == "flip" and size:
            answer.body = _flipped(answer.body, min(hit.place(fault.at_byte, size), size - 1))
        elif fault.kind == "clipped" and size:
            answer.body = memoryview(answer.body)[: max(0, size - fault.missing_bytes)]
        elif fault.kind == "cut":
            damage = Damage(send_bytes=hit.place(fault.after_bytes, size), reset=fault.reset)
        elif fault.kind == "short" and size:
            damage = Damage(send_bytes=max(0, size - fault.missing_bytes))
    return damage


def _flipped(body: bytes | memoryview, place: int) -> bytes:
    changed = bytearray(body)
    changed[place] ^= 1
    return bytes(changed)


def replaced(hits: Iterable[Hit], body: bytes) -> bytes | None:
    """What the object holds from now on; None where it stays as it is."""
    for hit in hits:
        if hit.fault.kind == "replace":
            return hit.fault.body if hit.fault.body is not None else bytes(byte ^ 0xFF for byte in body)
    return None
