"""Take stock: which recordings a listing holds, since when, and how large. Objects stream by; recordings are kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from catalog.model import RecordingId
from flows.steps.finding import named_apart
from storage.base import ObjectMeta, ObjectStore
from vendors.base import ObjectKind, ObjectName, RecordingObjects, basename, folder, kind_of
from vendors.plain.names import VENDOR as PLAIN
from vendors.registry import VENDORS, group
from vendors.zego.names import TASK_ID_LENGTH
from vendors.zego.names import VENDOR as ZEGO

MOST_SHOWN: Final = 100
"""Names of objects that no recording claims, as examples; there may be very many."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """A recording, and what the names and times of its objects say of it.

    `began_at` and `ended_at` are those in the names, where vendors write any, and otherwise those of the objects.
    `newest` is when an object of it was last written.
    """

    recording: RecordingId
    room: str | None
    folder: str
    began_at: datetime
    ended_at: datetime
    newest: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclaimed:
    """Objects that no recording claims by name; `shown` are some of their keys."""

    count: int = 0
    size_bytes: int = 0
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """All of a listing. `objects` counts what was listed."""

    recordings: tuple[Stocked, ...]
    unclaimed: Unclaimed
    objects: int


def take_stock(store: ObjectStore, metas: Iterable[ObjectMeta], vendors: Iterable[str]) -> Stock:
    """What these objects of the store are, read by the rules of these vendors.

    Memory goes with the number of recordings, and of folders with anything else; not with that of objects.
    """
    taking = _Taking([vendor for vendor in VENDORS if vendor in set(vendors)])
    for meta in metas:
        taking.add(meta)
    return taking.done(store)


class _Pile:
    """Some objects: how many, how large, from when to when; and a few of each folder, which say whose they are."""

    __slots__ = ("count", "named_from", "named_to", "newest", "oldest", "shown", "size_bytes")

    def __init__(self) -> None:
        self.count = self.size_bytes = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None
        self.named_from: datetime | None = None
        self.named_to: datetime | None = None
        self.shown: dict[str, list[ObjectMeta]] = {}

    def add(self, meta: ObjectMeta, name: ObjectName | None) -> None:
        self.count += 1
        self.size_bytes += meta.size_bytes
        self._span(meta.last_modified, meta.last_modified)
        if name and name.started_at:
            self.named_from = _least(self.named_from, name.started_at)
            if name.kind is ObjectKind.SEGMENT:
                self.named_to = _most(self.named_to, name.started_at)
        shown = self.shown.setdefault(folder(meta.key), [])
        if len(shown) < _SHOWN or (name and name.kind is ObjectKind.PLAYLIST):
            shown.append(meta)

    def join(self, other: "_Pile") -> None:
        """The others belong here, too; they say nothing of whose these are."""
        self.count += other.count
        self.size_bytes += other.size_bytes
        if other.oldest and other.newest:
            self._span(other.oldest, other.newest)

    def _span(self, oldest: datetime, newest: datetime) -> None:
        self.oldest, self.newest = _least(self.oldest, oldest), _most(self.newest, newest)

    def stocked(self, store: ObjectStore, vendor: str) -> Iterator[Stocked]:
        """The recordings of these objects: mostly one."""
        if self.oldest is None or self.newest is None:
            return
        began_at = self.named_from or self.oldest
        for found in self._recordings():
            if found.vendor == vendor:
                named = named_apart(store, found)
                yield Stocked(
                    recording=RecordingId(vendor=named.vendor, task_id=named.task_id),
                    room=named.room,
                    folder=named.folder,
                    began_at=began_at,
                    ended_at=max(self.named_to or self.newest, began_at),
                    newest=self.newest,
                    size_bytes=self.size_bytes,
                )

    def _recordings(self) -> tuple[RecordingObjects, ...]:
        return group(meta for metas in self.shown.values() for meta in metas).recordings


class _Taking:
    """What was seen of a listing so far."""

    def __init__(self, vendors: list[str]) -> None:
        self._parsers = [VENDORS[vendor].parse_name for vendor in vendors]
        self._has_zego = ZEGO in vendors
        self._known: dict[tuple[str, str], _Pile] = {}
        self._plain: dict[str, _Pile] = {}
        self._loose: dict[tuple[str, str, bool], _Pile] = {}
        self._odd = _Pile()
        self._objects = 0

    def add(self, meta: ObjectMeta) -> None:
        self._objects += 1
        base = basename(meta.key)
        if not _is_unicode(meta.key):
            self._odd.add(meta, None)
            return
        name = next((read for parse_name in self._parsers if (read := parse_name(base))), None)
        if name is None:
            key = (folder(meta.key), self._task_in(base), kind_of(base.rpartition(".")[2]) is not None)
            self._loose.setdefault(key, _Pile()).add(meta, None)
            return
        task = folder(meta.key) + name.task_id if name.vendor == PLAIN else name.task_id.lower()
        pile = self._known.setdefault((name.vendor, task), _Pile())
        pile.add(meta, name)
        if name.vendor == PLAIN:
            self._plain.setdefault(folder(meta.key), pile)

    def _task_in(self, base: str) -> str:
        """What may be a task id of ZEGOCLOUD's, after which anything may follow."""
        is_one = self._has_zego and base[TASK_ID_LENGTH : TASK_ID_LENGTH + 1] == "_"
        return base[:TASK_ID_LENGTH].lower() if is_one else ""

    def done(self, store: ObjectStore) -> Stock:
        unclaimed = [self._odd]
        unclaimed += [pile for key, pile in self._loose.items() if not self._is_claimed(*key, pile)]
        recordings = [each for (vendor, _), pile in self._known.items() for each in pile.stocked(store, vendor)]
        keys = sorted(meta.key for pile in unclaimed for metas in pile.shown.values() for meta in metas)
        return Stock(
            recordings=tuple(recordings),
            unclaimed=Unclaimed(
                count=sum(pile.count for pile in unclaimed),
                size_bytes=sum(pile.size_bytes for pile in unclaimed),
                shown=tuple(keys[:MOST_SHOWN]),
            ),
            objects=self._objects,
        )

    def _is_claimed(self, place: str, task: str, is_media: bool, pile: _Pile) -> bool:
        """Put a pile to the recording that it belongs to, as `vendors.registry.group` would object by object."""
        owner = self._known.get((ZEGO, task)) if task else None
        if owner is None or place not in owner.shown:
            owner = self._owner(place) if is_media else None
        if owner:
            owner.join(pile)
        return owner is not None

    def _owner(self, place: str) -> _Pile | None:
        """The first plain recording of the nearest folder above that has any."""
        while place not in self._plain:
            if not place:
                return None
            place = folder(place[:-1])
        return self._plain[place]


def _is_unicode(key: str) -> bool:
    """Folders may hold names that are not; no playlist can name them, and no catalog keep them."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _least(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _most(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
