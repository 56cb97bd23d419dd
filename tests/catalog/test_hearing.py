"""What is vouched for of who sent what."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from catalog import hearing
from catalog.events import Presence, PresenceMark, RecordingEvent, Word
from catalog.hearing import Said, hear
from catalog.index import Catalog
from tests.catalog.steps import recording_id

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)


def told(
    catalog: Catalog,
    number: int,
    *marks: PresenceMark,
    covered: bool = True,
    word: Word = Word.HEARD,
    room: str | None = None,
) -> None:
    """The `number`th message of the vendor."""
    event = RecordingEvent(
        vendor="agora",
        dedupe_id=f"d{number}",
        name="state",
        word=word,
        recording=recording_id(),
        presence=marks,
        room=room,
        details={"odd": "\0"},
    )
    said = Said(event=event, delivery=number, is_covered=covered, has_source=True, source=None)

    def work(connection: Connection) -> str:
        return hear(connection, said, recording_id(), actor="test", now=NOW)

    catalog.database.write(work)


def mark(seconds: float, stream: str = "7", presence: Presence = Presence.RECEIVING) -> PresenceMark:
    return PresenceMark(stream=stream, track="audio", presence=presence, at=NOW + timedelta(seconds=seconds))


def test_what_was_signed_tells_who_sent_what_in_the_order_of_time_and_once(catalog: Catalog) -> None:
    late = mark(5, presence=Presence.NOT_RECEIVING)
    since = NOW - timedelta(seconds=3)
    early = PresenceMark(stream="8", track=None, presence=Presence.SLICE_START, at=NOW, since=since)

    told(catalog, 1, late)
    told(catalog, 2, early, late)
    told(catalog, 3, mark(1, "9"), covered=False)

    assert catalog.vouched(recording_id()).presence == (early, late)


def test_there_is_a_most_of_it(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "MOST_MARKS", 3)
    told(catalog, 1, *(mark(second) for second in (4, 3, 2, 1)))

    assert catalog.vouched(recording_id()).presence == (mark(1), mark(2), mark(3))


def test_the_room_is_that_of_the_last_word_that_may_be_relied_on(catalog: Catalog) -> None:
    told(catalog, 1, word=Word.UPLOADED)
    assert catalog.vouched(recording_id()).room is None
    told(catalog, 2, word=Word.UPLOADED, room="math")
    told(catalog, 3, word=Word.UPLOADED, room="elsewhere", covered=False)
    told(catalog, 4, mark(4))
    assert catalog.vouched(recording_id()).room == "math"
