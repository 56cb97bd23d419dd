"""Who publishes in a room, and which script its next recording follows."""

import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from deployments.sandbox.vendors.scripts import ALL_WELL, Script

DEFAULT_USERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"agora": ("101",), "zego": ("u1",), "jocloud": ("101",)}
)
"""Who publishes in a room that nobody was told of. Agora's users are numbers."""
MOST_USERS: Final = 17


class Rooms:
    """The rooms of all vendors. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._publishing: dict[tuple[str, str], list[tuple[float, tuple[str, ...]]]] = {}
        self._scripts: dict[tuple[str, str], Script] = {}

    def publish(self, vendor: str, room: str, users: Iterable[str]) -> None:
        """From now on these publish there."""
        names = _known(vendor, tuple(users))
        with self._lock:
            self._publishing.setdefault((vendor, room), []).append((time.monotonic(), names))

    def follow(self, vendor: str, room: str, script: Script) -> None:
        """The next recording of the room follows this. ValueError for odd names in its cast."""
        _known(vendor, script.cast.users if script.cast else ())
        with self._lock:
            self._scripts[vendor, room] = script

    def next_script(self, vendor: str, room: str) -> Script:
        """The script of a recording that begins now."""
        with self._lock:
            return self._scripts.pop((vendor, room), ALL_WELL)

    def users_at(self, vendor: str, room: str, moment: float) -> tuple[str, ...]:
        """Who published at this moment of the monotonic clock."""
        with self._lock:
            history = self._publishing.get((vendor, room), [])
            place = bisect_right(history, moment, key=lambda change: change[0])
            return history[place - 1][1] if place else DEFAULT_USERS[vendor]


def _known(vendor: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that the vendor and the sandbox can do with; ValueError for others."""
    if len(names) > MOST_USERS:
        raise ValueError(f"{len(names)} users are too many for the sandbox: at most {MOST_USERS}")
    if len(set(names)) < len(names):
        raise ValueError(f"everybody is named once, and has several stays; not {names}")
    if vendor == "agora" and not all(name.isascii() and name.isdecimal() for name in names):
        raise ValueError(f"the users of an Agora channel are numbers, such as '101', not {names}")
    return names
