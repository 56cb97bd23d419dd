"""Discover: recordings in a source that nobody has told of, because webhooks get lost. One LIST of the whole source."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.model import RecordingId, State
from flows.settings import Source
from storage.base import ObjectMeta, ObjectStore
from storage.listing import listed
from vendors.base import ObjectKind, ObjectName, basename, folder
from vendors.registry import HOOKS, VENDORS, group

LATELY: Final = timedelta(days=3)
"""What nobody has written to for longer is history, which `aftertake submit` takes in."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """A recording that objects were written to lately, the newest at `newest`, and how far it seems to be."""

    recording: RecordingId
    room: str | None
    folder: str
    state: State
    newest: datetime


def discover(store: ObjectStore, source: Source, *, now: datetime) -> list[Discovered]:
    """The recordings of vendors with webhooks; memory goes with their number, not with that of the objects."""
    seen: dict[tuple[str, str], _Seen] = {}
    for meta, name in _named(listed(store, ""), source):
        if now - meta.last_modified < LATELY:
            seen.setdefault((name.vendor, name.task_id.lower()), _Seen(newest=meta.last_modified)).add(meta, name)
    return [found for each in seen.values() for found in each.recordings(quiet_before=now - source.settle_time)]


def _named(metas: Iterable[ObjectMeta], source: Source) -> Iterator[tuple[ObjectMeta, ObjectName]]:
    parsers = [vendor.parse_name for name, vendor in VENDORS.items() if name in HOOKS and source.vendor in {name, None}]
    for meta in metas:
        name = next((read for parse_name in parsers if (read := parse_name(basename(meta.key)))), None)
        if name:
            yield meta, name


class _Seen:
    """Objects of one recording: some of each folder say who it is, and when the newest of all came."""

    def __init__(self, newest: datetime) -> None:
        self._newest = newest
        self._shown: dict[str, list[ObjectMeta]] = {}

    def add(self, meta: ObjectMeta, name: ObjectName) -> None:
        self._newest = max(self._newest, meta.last_modified)
        shown = self._shown.setdefault(folder(meta.key), [])
        if name.kind is ObjectKind.PLAYLIST or len(shown) < _SHOWN:
            shown.append(meta)

    def recordings(self, *, quiet_before: datetime) -> Iterator[Discovered]:
        state = State.STOPPED if self._newest <= quiet_before else State.RECORDING
        for found in group(meta for metas in self._shown.values() for meta in metas).recordings:
            yield Discovered(
                recording=RecordingId(vendor=found.vendor, task_id=found.task_id),
                room=found.room,
                folder=found.folder,
                state=state,
                newest=self._newest,
            )
