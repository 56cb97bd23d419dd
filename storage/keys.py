"""Keys of objects: vendors' keys are kept exactly as listed, keys that we write follow strict rules.

Some stores drop a leading '/', some web servers fold '//' and '..', and control characters break logs and XML
listings; a key that has none of these names the same object everywhere.
"""

import re
from typing import NewType

from storage.errors import InvalidKey

ObjectKey = NewType("ObjectKey", str)
"""A key that `output_key` has accepted: the only kind that stores write."""

MAX_KEY_BYTES = 1024
"""Of the key in UTF-8, as S3 counts it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def output_key(text: str) -> ObjectKey:
    """`text` as a key that may be written.

    Raises InvalidKey for an empty key, a leading or trailing '/', an empty part, '.' or '..' as a part, control
    characters, text that is not UTF-8, and more than 1,024 bytes.
    """
    fault = _fault(text)
    if fault is not None:
        raise InvalidKey("output_key", text, fault)
    return ObjectKey(text)


def addressable_key(operation: str, text: str) -> str:
    """`text` as a key of a cloud that may be read, or InvalidKey: HTTP libraries would make another key of it.

    They fold '.' and '..' in the path of a URL; COS's drops a leading '/'.
    """
    parts = text.split("/")
    if not text or text[0] == "/" or "." in parts or ".." in parts or "\0" in text:
        raise InvalidKey(operation, text, "no URL can name it: it is empty, begins with '/', or has '.' or '..'")
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidKey(operation, text, "it is not valid Unicode text") from None
    if size_bytes > MAX_KEY_BYTES:
        raise InvalidKey(operation, text, f"it is {size_bytes} bytes long, over {MAX_KEY_BYTES}")
    return text


def _fault(text: str) -> str | None:
    parts = text.split("/")
    if "" in parts:
        return "the key is empty, has an empty part, or begins or ends with '/'"
    if "." in parts or ".." in parts:
        return "the key has '.' or '..' as a part"
    if _CONTROL.search(text):
        return "the key has a control character"
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        return "the key is not valid Unicode text"
    return f"the key is {size_bytes} bytes long, over {MAX_KEY_BYTES}" if size_bytes > MAX_KEY_BYTES else None


def parent(key: str) -> str:
    """The prefix that the key lies under: everything up to and with the last '/', or ''."""
    return key[: key.rfind("/") + 1]


def sort_key(key: str) -> bytes:
    """What listings are sorted by: the bytes of the key in UTF-8 (file names that are not UTF-8 included)."""
    return key.encode("utf-8", "surrogateescape")
