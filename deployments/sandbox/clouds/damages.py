"""What the faults that struck a request do: before it is carried out, and to its answer."""

from collections.abc import Iterable
from datetime import timedelta

from deployments.sandbox.clouds.buckets import Bucket
from deployments.sandbox.clouds.faults import Hit
from deployments.sandbox.clouds.messages import Answer, Refusal
from deployments.sandbox.clouds.wire import Damage

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
            raise Refusal(hit.fault.status, hit.fault.code, MESSAGES.get(hit.fault.code, ""))


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
