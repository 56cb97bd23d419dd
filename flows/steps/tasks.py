"""What a story is told of one recording before it begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from catalog.events import NOTHING_SAID, Vouched
from flows.steps.assembling import Progress
from flows.steps.publishing import Licence, Unasked
from flows.steps.waiting import Patience
from media.plan import Pictures
from storage.base import ObjectMeta, ObjectStore
from vendors.base import RecordingObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One recording to work on: where it lies, what the listing said of it, and the time by which it is judged.

    `vouched` is what its vendor has said, so that it may be relied on. `elsewhere`: URLs of the stores in which slices
    that are missing are looked for. `rescued` came from the vendor's own store. `known_basis` is that of the verdict it
    has, if it has one (`Patience.basis`). `pictures` is what becomes of those that change.
    """

    source: ObjectStore
    objects: RecordingObjects
    metas: Mapping[str, ObjectMeta]
    now: datetime
    progress: Progress | None = None
    vouched: Vouched = NOTHING_SAID
    elsewhere: tuple[str, ...] = ()
    patience: Patience = Patience()  # noqa: RUF009 - it is frozen
    licence: Licence = Unasked()  # noqa: RUF009 - it holds nothing
    known_basis: str | None = None
    pictures: Pictures = Pictures.AS_RECORDED
    rescued: Mapping[str, ObjectMeta] = field(default_factory=dict)
