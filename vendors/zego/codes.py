"""What ZEGOCLOUD's API answers instead of what it was asked for (ZEGOCLOUD, Cloud Recording: return codes).

`Code` decides, whatever the HTTP status; the status speaks only where there is no `Code`.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from vendors.fields import label, number
from vendors.recorder import BadCallError, GoneError, RefusedCallError, VendorDownError
from vendors.replies import WAITS_S, Fault, Meaning, Reply, by_status
from vendors.zego.names import VENDOR

BAD_PARAMETER: Final = 300000004
OF_STOP: Final = frozenset({300001001})
"""Codes that answer a stop: it had ended."""
OF_RESUME: Final = frozenset({300001004})
"""Codes that answer a resume: it was not paused."""

_ONCE_S = (1.0,)
_GATEWAY_WAITS_S = WAITS_S[:2]

MEANINGS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        100000004: Meaning(
            error=RefusedCallError,
            said="the signature has expired",
            advice="Set this machine's clock: ten minutes of error are allowed.",
            waits_s=_ONCE_S,
            is_undone=True,
        ),
        100000005: Meaning(
            error=RefusedCallError,
            said="the signature is wrong",
            advice="Compare the app id and the ServerSecret of this source with the console's; it is not the "
            "callback secret.",
        ),
        300000002: Meaning(
            error=RefusedCallError,
            said="cloud recording is not enabled for this project",
            advice="Enable it in ZEGOCLOUD's console.",
        ),
        300000003: Meaning(
            error=VendorDownError,
            said="there were too many requests",
            advice="Ask less often; ZEGOCLOUD counts them for each app id.",
            waits_s=WAITS_S,
            is_undone=True,
        ),
        BAD_PARAMETER: Meaning(
            error=BadCallError,
            said="a parameter is invalid",
            advice="ZEGOCLOUD says which; a task that began more than three days ago may be meant too.",
        ),
        300000005: Meaning(
            error=VendorDownError,
            said="the gateway's check failed",
            advice="If it stays, ask ZEGOCLOUD with the RequestId and the time.",
            waits_s=_GATEWAY_WAITS_S,
            is_undone=True,
        ),
        300000006: Meaning(
            error=VendorDownError,
            said="too many recordings go on at once",
            advice="End some, or have the limit of the project raised.",
        ),
        300001000: Meaning(
            error=GoneError,
            said="the task does not exist",
            advice="It began more than three days ago, on another host, or never: look in the bucket.",
            is_elsewhere=True,
        ),
        300001001: Meaning(
            error=BadCallError, said="the task has ended", advice="Nothing can be changed any more; ask its status."
        ),
        300001004: Meaning(
            error=BadCallError, said="the task is not paused", advice="Nothing is left to be done; it goes on."
        ),
        300010000: Meaning(
            error=VendorDownError, said="the server failed", advice="Try again in a while.", waits_s=WAITS_S
        ),
    }
)
"""By `Code`."""


def code_of(reply: Reply) -> int | None:
    """`Code`, 0 where all is well; None where there is none."""
    return number(reply.document.get("Code"))


def judge(
    call: str, *, is_repeatable: bool, quoted: Callable[[object], str], passing: Collection[int] = ()
) -> Callable[[Reply], Fault | None]:
    """Reads the answers to this call; `quoted` makes its words fit to be repeated, `passing` codes are answers."""

    def read(reply: Reply) -> Fault | None:
        code = code_of(reply)
        if code is None:
            return by_status(VENDOR, call, reply, is_repeatable=is_repeatable)
        if code == 0 or code in passing:
            return None
        said, meaning = quoted(label(reply.document.get("Message"))), MEANINGS.get(code)
        if meaning is None:
            advice = "ZEGOCLOUD's documents do not list this code; ask ZEGOCLOUD what it means."
            return Fault(error=BadCallError(VENDOR, call, said or "it refused", advice, code=code))
        return meaning.fault(VENDOR, call, code, said, is_repeatable=is_repeatable)

    return read
