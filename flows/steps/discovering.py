"""Discover: recordings in a source that nobody has told of, because webhooks get lost. One LIST of the whole source."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.model import RecordingId, State
from flows.settings import Source
from flows.steps.stocktaking import take_stock
from storage.base import ObjectStore
from storage.listing import listed
from vendors.registry import HOOKS

LATELY: Final = timedelta(days=3)
"""What nobody has written to for longer is history, which `aftertake backfill` takes in."""


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
    lately = (meta for meta in listed(store, "") if now - meta.last_modified < LATELY)
    quiet_before = now - source.settle_time
    return [
        Discovered(
            recording=each.recording,
            room=each.room,
            folder=each.folder,
            state=State.STOPPED if each.newest <= quiet_before else State.RECORDING,
            newest=each.newest,
        )
        for each in take_stock(store, lately, [name for name in HOOKS if source.vendor in {name, None}]).recordings
    ]
