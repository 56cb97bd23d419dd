"""What Jocloud's API answers. No table of codes is readable: 0 is success, anything else a failure in its own words."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vendors.fields import label, number
from vendors.jocloud.names import VENDOR
from vendors.recorder import BadCallError, RefusedCallError, VendorDownError
from vendors.replies import WAITS_S, Fault, Meaning, Reply, by_status

_LIKE_HTTP: Mapping[int | None, Meaning] = MappingProxyType(
    {
        **dict.fromkeys(
            (401, 403),
            Meaning(
                error=RefusedCallError,
                said="the key is refused",
                advice="Compare the key of this source with the console's, and try the other `scheme`.",
            ),
        ),
        429: Meaning(
            error=VendorDownError,
            said="there were too many requests",
            advice="Ask less often.",
            waits_s=WAITS_S,
            is_undone=True,
        ),
    }
)
"""What these numbers mean everywhere, as HTTP status or as `code`: a guess, so that a refused key ends no recording."""
_FAILED = Meaning(error=VendorDownError, said="the server failed", advice="Try again in a while.", waits_s=WAITS_S)


def judge(call: str, *, is_repeatable: bool, quoted: Callable[[object], str]) -> Callable[[Reply], Fault | None]:
    """Reads the answers to this call. One without a code is good where its HTTP status is: documents show it so."""

    def read(reply: Reply) -> Fault | None:
        document = reply.document
        code = document.get("code")
        if code is None or not reply.is_json:
            is_good = reply.is_json and 200 <= reply.status < 300
            return None if is_good else by_status(VENDOR, call, reply, is_repeatable=is_repeatable)
        if number(code) == 0:
            return None
        known, said = number(code), quoted(label(document.get("message")))
        shown = label(code) if known is None else known
        if reply.status >= 500:
            return _FAILED.fault(VENDOR, call, shown, said, is_repeatable=is_repeatable)
        if meaning := _LIKE_HTTP.get(reply.status) or _LIKE_HTTP.get(known):
            return meaning.fault(VENDOR, call, shown, said, is_repeatable=is_repeatable)
        advice = "Jocloud's codes are not documented: go by its words, or ask its support."
        return Fault(error=BadCallError(VENDOR, call, said or "it refused", advice, code=shown))

    return read
