"""Ask: how far recordings are, of those vendors that can be asked; the check behind every hint.

A webhook may be lost, doubled or forged; what the vendor answers is none of that. It answers for some time only, so a
person is told while there is some left.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from catalog.errors import CatalogError
from catalog.events import UNKNOWN, Kept, Word
from catalog.records import Heed, Inquiry, Recording, id_text
from flows.recorders import Recorders
from flows.saying import Once
from flows.settings import Settings, SettingsError, Source
from storage.errors import StorageError
from vendors.recorder import CallError, Manner, Recorder, RefusedCallError, Status, as_event, read_handle, written
from vendors.registry import MANNERS

if TYPE_CHECKING:  # whoever opens a catalog imports SQLAlchemy; the bare commands never do
    from catalog.index import Catalog

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 8
"""Questions under way; a recorder keeps its vendor's limits by itself."""
_MOST: Final = 64
"""Questions in one pass."""
_SOONEST: Final = timedelta(seconds=5)
_SELDOMEST: Final = timedelta(minutes=5)
_WHILE_GONE: Final = timedelta(seconds=30)
_FILES_COME_IN: Final = timedelta(seconds=30)
_AFTER_FAILURE: Final = timedelta(seconds=15)
_LONGEST_AFTER_FAILURE: Final = timedelta(minutes=10)
_REFUSED: Final = timedelta(hours=1)
_PATIENT_FAILURES: Final = 5
_MOST_ALARMS: Final = 3
"""At two points on the way, and at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and with what; `actor` is who the catalog says it was."""

    catalog: "Catalog"
    settings: Settings
    recorders: Recorders
    actor: str
    said: Once = field(default_factory=partial(Once, _log))

    def ask_due(self) -> int:
        """Ask for what is due, of vendors whose keys are there; how many answered."""
        for vendor in MANNERS:
            for found in self._strangers(vendor):
                self._take_on_safely(found)
        due = self.catalog.inquiries.due(most=_MOST)
        if not due:
            return 0
        with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="ask") as pool:
            return sum(pool.map(self._ask_safely, due))

    def ask_before_look(self, recording: Recording) -> None:
        """Ask for one that is about to be looked at, if something was said of it since it was asked for."""
        inquiry = self.catalog.inquiries.of(recording.id)
        if inquiry is None and not is_too_old(recording, MANNERS[recording.id.vendor], datetime.now(UTC)):
            inquiry = self._take_on_safely(recording)
        if inquiry and inquiry.is_open and not inquiry.is_answered_for(recording):
            self.ask(inquiry, is_looked_at=True)

    def taken_on(self, recording: Recording) -> Inquiry | None:
        """Ask from now on for a recording that somebody else began; None where its id is not enough for that."""
        able = {source.name: source for source in self.recorders.able(recording.id.vendor)}
        source = able.get(recording.source) if recording.source else of_one_project(able.values())
        if source is None:
            return None
        handle = self.recorders.of(source).handle_of(recording.id, recording.room)
        if handle is not None:
            self.catalog.inquiries.adopt(recording.id, source=source.name, handle=written(handle))
        return self.catalog.inquiries.of(recording.id)

    def ask(self, inquiry: Inquiry, *, is_looked_at: bool = False) -> bool:
        """Ask for one recording, and note what came of it; whether there was an answer."""
        now, manner = datetime.now(UTC), MANNERS[inquiry.recording.vendor]
        if over := past_asking(inquiry, manner, now):
            self.catalog.inquiries.failed(inquiry, over, trouble="the vendor answers no more", actor=self.actor)
            return False
        try:
            recorder = self.recorders.of(self.settings.source(inquiry.source))
            status = answer(recorder, inquiry)
        except (CallError, SettingsError, StorageError) as error:
            _log.warning("%s: %s", id_text(inquiry.recording), error)
            self.catalog.inquiries.failed(inquiry, after_failure(inquiry, error), trouble=str(error), actor=self.actor)
            return False
        self.hear("status", inquiry, status, is_looked_at=is_looked_at)
        return True

    def hear(self, name: str, inquiry: Inquiry, status: Status, *, is_looked_at: bool = False) -> None:
        """The vendor answered so to the call of this name: the catalog hears it, and when to ask again."""
        now, manner = datetime.now(UTC), MANNERS.get(inquiry.recording.vendor)
        gone_since = (inquiry.gone_since or now) if status.is_gone else None
        told = told_by(status, gone_since, manner, now) if manner else status
        if manner and is_unknown(inquiry, told, manner, now):
            told = replace(told, trouble=UNKNOWN)
        self.catalog.inquiries.answered(
            inquiry,
            as_event(name, inquiry.recording, told),
            heed(inquiry, told, manner, now) if manner else Heed(ask_in=None),
            began_at=status.began_at,
            gone_since=gone_since,
            actor=self.actor,
            is_looked_at=is_looked_at,
        )

    def _take_on_safely(self, recording: Recording) -> Inquiry | None:
        """A source whose settings are wrong stops the asking of no other, and is told once."""
        source = recording.source or recording.id.vendor
        whose = f"source {source}" if recording.source else f"{source} whose source is not known"
        try:
            taken = self.taken_on(recording)
        except (CallError, SettingsError, StorageError) as error:
            self.said.error(whose, f"recordings of {whose} cannot be asked for: {error}")
            return None
        self.said.is_well(whose)
        return taken

    def _ask_safely(self, inquiry: Inquiry) -> bool:
        """One that fails by a fault of ours holds up none of the others."""
        try:
            return self.ask(inquiry)
        except CatalogError:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on
            _log.exception("%s: a fault of Aftertake", id_text(inquiry.recording))
            trouble = f"a fault of Aftertake, please report it: {type(error).__name__}"
            self.catalog.inquiries.failed(inquiry, after_failure(inquiry, error), trouble=trouble, actor=self.actor)
            return False

    def _strangers(self, vendor: str) -> Sequence[Recording]:
        answers_for = MANNERS[vendor].answers_for
        able = list(self.recorders.able(vendor)) if answers_for else []
        if not able or answers_for is None:
            return ()
        sources = [source.name for source in able] + ([None] if of_one_project(able) else [])
        return self.catalog.inquiries.strangers(vendor, sources=sources, younger_than=answers_for)


def of_one_project(able: Iterable[Source]) -> Source | None:
    """With whose key to ask for a recording of which nobody knows where it lies: any, if all are of one project."""
    found = list(able)
    return found[0] if len({source.app for source in found}) == 1 else None


def answer(recorder: Recorder, inquiry: Inquiry) -> Status:
    """What its vendor says of it now; a stop that nobody heard is told again, to whoever has taken over."""
    ask = recorder.stop if inquiry.word is Word.LEFT else recorder.status
    return ask(read_handle(inquiry.recording, inquiry.handle))


def told_by(status: Status, gone_since: datetime | None, manner: Manner, now: datetime) -> Status:
    """What an answer means: one that stays gone for longer than a recorder takes to be replaced is over.

    One that has just ended may name its files in a moment, and is not empty yet.
    """
    is_just_over = status.ended_at is not None and now - status.ended_at < _FILES_COME_IN
    if status.word is Word.EMPTY and is_just_over:
        return replace(status, word=Word.ENDED)
    if gone_since is None or now - gone_since < manner.moves_in:
        return status
    return replace(status, word=Word.ENDED)


def is_unknown(inquiry: Inquiry, told: Status, manner: Manner, now: datetime) -> bool:
    """Whether a recording was never begun: its vendor would know it still, and nobody vouches for whoever named it.

    It was first heard of at its end, perhaps.
    """
    would_know = manner.answers_for is not None and now - inquiry.began_at < manner.answers_for - manner.longest
    return inquiry.is_hearsay and told.is_gone and told.word.is_end and would_know


def heed(inquiry: Inquiry, status: Status, manner: Manner, now: datetime) -> Heed:
    """When to ask again after an answer."""
    if is_final(status):
        return Heed(ask_in=None)
    if status.is_gone:
        return Heed(ask_in=_WHILE_GONE)
    ask_in = manner.pace
    if status.word.is_end:
        asks = inquiry.asks + 1 if status.word == inquiry.word else 0
        ask_in = min(_SOONEST * (1 << min(asks, 10)), _SELDOMEST)
    return Heed(ask_in=ask_in, alarm=_alarm(inquiry, status, manner, now))


def is_final(status: Status) -> bool:
    """Whether the vendor will not say more: nothing of the recording is under way any more."""
    if status.is_gone:
        return status.word.is_end and status.word is not Word.LEFT
    if status.word in {Word.UPLOADED, Word.EMPTY}:
        return True
    return status.word.is_end and bool(status.files) and all(file.kept is not Kept.COMING for file in status.files)


def is_too_old(recording: Recording, manner: Manner, now: datetime) -> bool:
    """Whether it began so long ago that its vendor cannot answer for it; of one that may be younger, it is asked."""
    began_at = recording.started_at or recording.heard_at
    return manner.answers_for is not None and now - began_at >= manner.answers_for


def past_asking(inquiry: Inquiry, manner: Manner, now: datetime) -> Heed | None:
    """What to do where the vendor answers for a recording no more; None as long as it does."""
    if manner.answers_for is None or now - inquiry.began_at < manner.answers_for:
        return None
    since = f"{manner.answers_for // timedelta(hours=1)} hours"
    alarm = f"its vendor answers for {since} only, which are over, and it never said that all was uploaded"
    is_known = inquiry.word in {Word.UPLOADED, Word.EMPTY} or inquiry.alarms >= _MOST_ALARMS
    return Heed(ask_in=None, alarm=None if is_known else alarm)


def _alarm(inquiry: Inquiry, status: Status, manner: Manner, now: datetime) -> str | None:
    """After a third and five sixths of the time in which the vendor answers; a long call may go on for the first."""
    if manner.answers_for is None:
        return None
    age = now - inquiry.began_at
    passed = [manner.answers_for / 3 <= age and status.word.is_end, manner.answers_for * 5 / 6 <= age]
    if sum(passed) <= inquiry.alarms:
        return None
    left = (manner.answers_for - age) // timedelta(hours=1)
    return f"its vendor says {status.word!r} still, and answers for {left} hours more; what it keeps is lost then"


def after_failure(inquiry: Inquiry, error: Exception) -> Heed:
    """When to ask again after no answer."""
    if isinstance(error, RefusedCallError | SettingsError | StorageError):
        return Heed(ask_in=_REFUSED, alarm=None if inquiry.failures else f"its vendor cannot be asked: {error}")
    ask_in = min(_AFTER_FAILURE * (1 << min(inquiry.failures, 10)), _LONGEST_AFTER_FAILURE)
    is_alarming = inquiry.failures + 1 == _PATIENT_FAILURES
    return Heed(ask_in=ask_in, alarm=f"its vendor does not answer: {error}" if is_alarming else None)
