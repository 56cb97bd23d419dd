"""What Agora's API answers instead of what it was asked for (Agora, Cloud Recording: response status codes).

The documents and real answers do not always agree; where they differ, both readings are here. Codes that nobody has
documented are kept as numbers, and judged by the HTTP status beside them.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from vendors.agora.names import VENDOR
from vendors.fields import first, label, number
from vendors.recorder import BadCallError, GoneError, RefusedCallError, VendorDownError
from vendors.replies import WAITS_S, Fault, Meaning, Reply, by_status

FAILOVER_WAITS_S: Final = (5.0, 10.0, 15.0)
"""Before a 404 is believed: a recording that moves to another server answers the same for up to 90 s."""
NO_WORKER, EXITING, NOTHING_RECORDED, PARTLY = 404, 501, 435, 206
OF_QUERY: Final = frozenset({EXITING})
"""Codes that answer a query: the recording is over."""
OF_STOP: Final = frozenset({49, 50, PARTLY, NOTHING_RECORDED, EXITING})
"""Codes that answer a stop: it was over, its upload takes longer, it is empty, or one of these with HTTP 206."""

_BACKEND_TIMED_OUT = 65
_BACKEND_WAITS_S = (3.0, 6.0)
_FINE = frozenset({None, 0, 200})
_LATER = "Try again in a while; https://status.agora.io tells of outages."
_GONE = "It is over, never began, or moves to another server: look in the bucket, and wait for its webhooks."

MEANINGS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        2: Meaning(error=BadCallError, said="a parameter is invalid", advice="Agora says which; compare the order."),
        7: Meaning(
            error=BadCallError,
            said="this resource records already",
            advice="Its sid was told to whoever began it, and webhooks tell it too; order again for another recording.",
        ),
        8: Meaning(error=BadCallError, said="an HTTP header is wrong", advice="Look what a proxy on the way changes."),
        15: Meaning(
            error=VendorDownError,
            said="no recording began, for a reason that is not documented",
            advice="Order again; if it stays, ask Agora with the resource id and the time.",
        ),
        49: Meaning(error=BadCallError, said="it is stopping or over already", advice="Nothing is left to be done."),
        50: Meaning(
            error=VendorDownError,
            said="the upload is not finished",
            advice="It goes on: wait for the webhooks, or look in the bucket.",
        ),
        53: Meaning(
            error=BadCallError,
            said="a recorder with this uid is in the room already",
            advice="Give another `recorder`, or none: then one is chosen at random.",
        ),
        62: Meaning(error=VendorDownError, said="the call timed out", advice=_LATER, waits_s=WAITS_S),
        65: Meaning(
            error=VendorDownError,
            said="the backend did not answer in time",
            advice="If that was a start, look whether it records before you order again.",
            waits_s=_BACKEND_WAITS_S,
            # Sent again under the same resource, which is good for one recording, it cannot begin a second one.
            is_undone=True,
        ),
        109: Meaning(
            error=RefusedCallError, said="the room's token has expired", advice="Give a `room_token` that lasts longer."
        ),
        110: Meaning(
            error=RefusedCallError,
            said="the room's token is wrong",
            advice="Make the `room_token` for this room and this `recorder`, or turn tokens off in the console.",
        ),
        206: Meaning(error=VendorDownError, said="it answered only in part", advice=_LATER, waits_s=_BACKEND_WAITS_S),
        401: Meaning(
            error=RefusedCallError,
            said="the key is refused",
            advice="Compare the customer id and secret of this source with the console's, under RESTful API.",
        ),
        404: Meaning(error=GoneError, said="no recorder was found", advice=_GONE),
        429: Meaning(
            error=VendorDownError,
            said="there were too many requests",
            advice="Agora allows ten a second for each app id; have that raised, or ask less often.",
            waits_s=WAITS_S,
            is_undone=True,
        ),
        432: Meaning(
            error=BadCallError,
            said="a parameter differs from the one that the resource was acquired with",
            advice="The room, the `recorder` and the mode must be those of the start.",
        ),
        433: Meaning(
            error=GoneError,
            said="the resource has expired",
            advice="Neither questions nor a stop are answered any more: look in the bucket.",
        ),
        435: Meaning(error=BadCallError, said="nothing was recorded", advice="Nobody published in the room."),
        500: Meaning(error=VendorDownError, said="the server failed", advice=_LATER, waits_s=WAITS_S),
        501: Meaning(error=VendorDownError, said="the service is exiting", advice=_LATER, waits_s=WAITS_S),
        502: Meaning(error=VendorDownError, said="no resource could be allocated", advice=_LATER, waits_s=WAITS_S),
        504: Meaning(error=VendorDownError, said="the server did not answer in time", advice=_LATER, waits_s=WAITS_S),
        1001: Meaning(
            error=BadCallError,
            said="the resource id could not be read",
            advice="The app id and the resource must belong together.",
        ),
        1003: Meaning(
            error=BadCallError,
            said="the app id or the recorder's uid is not that of the resource",
            advice="The room, the `recorder` and the app id must be those of the start.",
        ),
        1013: Meaning(
            error=BadCallError,
            said="the room's name is invalid",
            advice="Fewer than 64 bytes of letters, digits and simple signs; in mode web it is yours to choose.",
        ),
        1028: Meaning(error=BadCallError, said="the layout is invalid", advice="Agora says which field; compare it."),
    }
)
"""By `code`, or by the HTTP status where an answer has none."""

_NOT_ENABLED = Meaning(
    error=RefusedCallError,
    said="cloud recording is not enabled for this project",
    advice="Enable it in Agora's console.",
)
"""62 beside HTTP 400. With 504 it is a time-out, and the sheet of codes does not say which it means."""


def code_of(reply: Reply) -> int | None:
    """The code of an answer that is none of the good ones, or its HTTP status; else None."""
    code = number(reply.document.get("code"))
    if code not in _FINE:
        return code
    return None if reply.status in {200, 201} else reply.status


def _is_astray(reply: Reply) -> bool:
    """Whether it came from something before the API: real answers of "no worker" have a code."""
    return reply.status == NO_WORKER and number(reply.document.get("code")) is None


def meaning_of(status: int, code: int) -> Meaning | None:
    """What is known of a code."""
    return _NOT_ENABLED if (status, code) == (400, 62) else MEANINGS.get(code)


def judge(
    call: str, *, is_repeatable: bool, quoted: Callable[[object], str], passing: Collection[int] = ()
) -> Callable[[Reply], Fault | None]:
    """Reads the answers to this call; `quoted` makes Agora's words fit to be repeated, `passing` codes are answers."""

    def read(reply: Reply) -> Fault | None:
        code = code_of(reply)
        if not reply.is_json or _is_astray(reply):
            return by_status(VENDOR, call, reply, is_repeatable=is_repeatable)
        if code is None or _passes(reply.status, code, passing):
            return None
        meaning, said = meaning_of(reply.status, code), quoted(_reason(reply))
        if meaning is None:
            return _unknown(call, reply, code, said, is_repeatable=is_repeatable)
        return meaning.fault(VENDOR, call, code, said, is_repeatable=is_repeatable)

    return read


def _passes(status: int, code: int, passing: Collection[int]) -> bool:
    return code in passing or (status == PARTLY and PARTLY in passing and code != _BACKEND_TIMED_OUT)


def _reason(reply: Reply) -> str | None:
    return label(first(reply.document, "reason", "message", "msg"))


def _unknown(call: str, reply: Reply, code: int, said: str, *, is_repeatable: bool) -> Fault:
    told = said or f"it answered HTTP {reply.status}"
    if reply.status < 500:
        advice = "Agora's documents do not list this code; ask Agora what it means."
        return Fault(error=BadCallError(VENDOR, call, told, advice, code=code))
    meaning = Meaning(error=VendorDownError, said=told, advice=_LATER, waits_s=WAITS_S)
    return meaning.fault(VENDOR, call, code, "", is_repeatable=is_repeatable)
