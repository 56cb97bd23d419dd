"""Playlists and listings built in code; all ids are made up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

AGORA_SID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
ZEGO_TASK = "Zm0-x_E4IaBcAAAQ"
JOCLOUD_RECORD = "ab0127440000c0ffee4da34f816f842da94d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of a listing."""

    key: str
    size_bytes: int = 188
    etag: str = "e1"
    last_modified: datetime = datetime(2026, 3, 4, tzinfo=UTC)


def listing(*keys: str) -> list[Listed]:
    return [Listed(key=key) for key in keys]


def keys_of(objects: Iterable[object]) -> list[str]:
    return [str(getattr(listed, "key")) for listed in objects]  # noqa: B009


def playlist(*lines: str, end: bool = True, newline: str = "\n") -> bytes:
    """A media playlist with the ordinary header around these lines."""
    header = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-TARGETDURATION:18"]
    return "".join(f"{line}{newline}" for line in [*header, *lines, *["#EXT-X-ENDLIST"] * end]).encode()
