"""A catalog and an output with manifests of made-up recordings, to choose from."""

# ruff: noqa: ANN401 - the changes are whatever fields a stream has

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from catalog.database import Database
from catalog.export_request import ExportMode
from catalog.index import Catalog
from catalog.model import Manifest, StreamKind, StreamRecord
from catalog.publishing import manifest_document
from flows.moments import read_range
from flows.steps.selecting import Selection, Wanted, select
from storage.base import ObjectStore
from storage.keys import output_key
from storage.memory import MemoryStore
from tests.catalog.builders import at, output, output_track
from tests.catalog.steps import recording_id, told_by
from tests.catalog.test_timeline import NO_CLOCK, person
from tests.migrated import lay_catalog

_KEYS = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is published, and where that is known."""

    catalog: Catalog
    output: ObjectStore

    def publish(self, *manifests: Manifest) -> None:
        """Store them and tell the catalog."""
        publish(self.catalog, self.output, *manifests)

    def select(self, begin: str, end: str, *users: str, task: str | None = None, **changes: Any) -> Selection:
        """What is chosen; the mode follows from how many are named unless it is said."""
        since, until = read_range(begin, end)
        mode = changes.pop("mode", ExportMode.SEPARATE if len(users) > 1 else ExportMode.FAST)
        room = changes.pop("room", None if task else "R")
        wanted = Wanted(task=task, room=room, users=users, begin=since, end=until, mode=mode, **changes)
        return select(self.catalog, self.output, wanted, lambda _: None)


@contextmanager
def archive(folder: Path) -> Iterator[Archive]:
    """An empty one, in SQLite and in memory."""
    lay_catalog(folder / "catalog.db")
    database = Database(f"sqlite:///{folder}/catalog.db")
    try:
        yield Archive(catalog=Catalog(database), output=MemoryStore())
    finally:
        database.close()


def publish(catalog: Catalog, target: ObjectStore, *manifests: Manifest) -> None:
    """As publishing does it: the manifest in the output, then the catalog."""
    for manifest in manifests:
        document = manifest_document(manifest)
        target.put(output_key(document.key), document.body)
        catalog.reindex([(manifest, document.key)])


def one(user: str | None = "7", wall_s: float = 0.0, lasts: float = 60.0, **changes: Any) -> StreamRecord:
    """A stream whose audio and video are one MP4 each, from its first sample to its last."""
    return person(user, wall_s, lasts, **{"outputs": (mp4(0.0, lasts),), **changes})


def mp4(begin: float, end: float, *, kinds: tuple[str, ...] = ("audio", "video")) -> Any:
    """An output with these tracks."""
    tracks = tuple(output_track(type=kind, starts_at_s=begin, ends_at_s=end) for kind in kinds)
    return output(key=f"media/agora/t/{next(_KEYS)}.mp4", tracks=tracks)


def held(task_id: str, *streams: StreamRecord, wall_s: float = 0.0, lasts: float = 60.0, **changes: Any) -> Manifest:
    """A recording of room R, from `wall_s` after the start on."""
    base = {"streams": streams, "room": "R", "started_at": at(wall_s), "ended_at": at(wall_s + lasts)}
    return told_by(recording_id(task_id), **{**base, **changes})


MIX: dict[str, Any] = {"name": "mix", "kind": StreamKind.MIXED}
UNTIMED: dict[str, Any] = {"clock": NO_CLOCK, "started_at": None, "ended_at": None}
