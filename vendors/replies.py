"""What a host answered to a call, and what it means where it is not what was asked for. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from vendors.recorder import BadCallError, CallError, RefusedCallError, VendorDownError

WAITS_S: Final = (1.0, 3.0, 6.0)
"""Between four tries (Agora, best practices; no other vendor says anything)."""

_TIMED_OUT, _TOO_MANY = 408, 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a host answered; `document` is empty and `is_json` false where it is no JSON object."""

    host: str
    status: int
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_json: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a call failed, and the waits before the next tries, none if another try would end alike.

    `is_elsewhere`: the next host may know better, so it is asked at once.
    """

    error: CallError
    waits_s: tuple[float, ...] = ()
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A line of a vendor's table of codes: what it says, what to do, and the waits before further tries.

    `is_undone`: nothing was done, so that even a call that must not be done twice may be sent again.
    """

    error: type[CallError]
    said: str
    advice: str
    waits_s: tuple[float, ...] = ()
    is_undone: bool = False
    is_elsewhere: bool = False

    def fault(self, vendor: str, call: str, code: int | str | None, said: str, *, is_repeatable: bool) -> Fault:
        """The fault; `said` are the vendor's own words."""
        told = f"{self.said} ({said})" if said else self.said
        waits_s = self.waits_s if is_repeatable or self.is_undone else ()
        error = self.error(vendor, call, told, self.advice, code=code)
        return Fault(error=error, waits_s=waits_s, is_elsewhere=self.is_elsewhere)


def read_reply(host: str, status: int, body: bytes) -> Reply:
    """An answer, read tolerantly: line breaks within texts are seen in real ones."""
    try:
        document = json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return Reply(host=host, status=status, document=document)
    return Reply(host=host, status=status, is_json=False)


def by_status(vendor: str, call: str, reply: Reply, *, is_repeatable: bool) -> Fault:
    """What an answer means that holds no words of the vendor's, by its HTTP status."""
    status = reply.status
    said = f"{urlsplit(reply.host).hostname} answered HTTP {status}" + ("" if reply.is_json else " without JSON")
    if status in {401, 403}:
        return Fault(error=RefusedCallError(vendor, call, said, "Check the key and the secret of this project."))
    if status == _TOO_MANY:
        error = VendorDownError(vendor, call, said, "Ask less often, or have the limit of the project raised.")
        return Fault(error=error, waits_s=WAITS_S)
    if 300 <= status < 400 or status in {404, 405}:
        advice = "Check the app id and the base URL: they lead to something that is not this API."
        return Fault(error=RefusedCallError(vendor, call, said, advice))
    if 400 <= status < 500 and status != _TIMED_OUT:
        return Fault(error=BadCallError(vendor, call, said, "Compare the request with the vendor's documents."))
    advice = (
        "Try again in a while." if is_repeatable else "It may have been done all the same: look before you repeat it."
    )
    return Fault(error=VendorDownError(vendor, call, said, advice), waits_s=WAITS_S if is_repeatable else ())
