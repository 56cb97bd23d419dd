"""The inbox: each message has its effect once, whatever order, number and hands it comes through."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from catalog.errors import CatalogUnavailableError, UnknownDeliveryError
from catalog.events import Delivery, Kept, NamedFile, Presence, PresenceMark, RecordingEvent, Signature, Word
from catalog.inbox import KEPT, DeliveryRow, Reading
from catalog.index import Catalog
from catalog.model import RecordingId, State, Verdict
from catalog.records import Recording
from catalog.tables import deliveries
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import at_once, hear, recording_id, settle, states, stored, take

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)


def said(word: Word, number: int = 0, task_id: str | None = "t1", **changes: object) -> Delivery:
    """A delivery of the `number`th message, which says this of a recording."""
    body = json.dumps({"word": word, "number": number, "task_id": task_id, **changes}).encode()
    return Delivery(
        token=random.randbytes(16).hex(),
        vendor="agora",
        received_at=NOW,
        signature=Signature.GOOD,
        sources=("calls",),
        body=body,
        headers={"content-type": "application/json"},
        dedupe_id=f"{task_id}:{number}",
    )


def read(vendor: str, body: bytes, sources: Sequence[str]) -> Reading:
    """What `said` said."""
    document = json.loads(body)
    task_id, word = document["task_id"], Word(document["word"])
    event = RecordingEvent(
        vendor=vendor,
        dedupe_id=f"{task_id}:{document['number']}",
        name=f"event {document['number']}",
        word=word,
        recording=RecordingId(vendor=vendor, task_id=task_id) if task_id else None,
        ignored=document.get("ignored"),
        trouble=document.get("trouble"),
        sequence=document.get("sequence"),
        room="math",
        files=tuple(NamedFile(name=name, kept=Kept.STORED) for name in document.get("files", ())),
        presence=(PresenceMark(stream="7", track="audio", presence=Presence.SLICE_START, at=NOW),)
        if document.get("presence")
        else (),
        details={"odd": "\0\ud800", "number": document["number"]},
    )
    return Reading(
        event=event,
        covers_body=document.get("covered", True),
        has_source=bool(sources),
        source=sources[0] if len(sources) == 1 else None,
    )


def taken(catalog: Catalog, *given: Delivery) -> list[str | None]:
    """What is made of these deliveries, put one by one and then seen to."""
    for delivery in given:
        catalog.inbox.put([delivery])
    catalog.inbox.take_in(read, actor="loop", most=1000)
    return [stored(catalog, delivery.token).effect for delivery in given]


def known(catalog: Catalog) -> Recording:
    return catalog.get(recording_id())


def test_what_was_put_is_there_as_it_came(catalog: Catalog) -> None:
    delivery = replace(said(Word.HEARD), headers={"user-agent": "x"}, peer="127.0.0.1", seal="s")
    catalog.inbox.put([delivery])
    row = stored(catalog, delivery.token)
    assert (row.body, row.headers, row.peer, row.signature) == (delivery.body, delivery.headers, "127.0.0.1", "good")
    assert (row.received_at, row.handled_at, row.effect) == (NOW, None, None)
    assert catalog.inbox.waiting() == (1, NOW)


def test_put_twice_it_is_stored_once(catalog: Catalog) -> None:
    """As a write that is done again because the server went away before it could say that it was done."""
    delivery = said(Word.UPLOADED)
    catalog.inbox.put([delivery])
    catalog.inbox.put([delivery, said(Word.UPLOADED, 1)])
    assert len(catalog.inbox.newest(most=10)) == 2


@pytest.mark.parametrize("signature", [kind for kind in Signature if kind is not Signature.GOOD])
def test_what_is_refused_is_kept_and_has_no_effect(catalog: Catalog, signature: Signature) -> None:
    [effect] = taken(catalog, replace(said(Word.UPLOADED), signature=signature))
    assert effect is not None
    assert effect.startswith("refused: ")
    assert catalog.counts() == {}


@pytest.mark.parametrize(
    ("word", "state", "look_in"),
    [
        (Word.HEARD, State.HINTED, None),
        (Word.RECORDING, State.RECORDING, None),
        (Word.MORE, State.HINTED, 30),
        (Word.LEFT, State.STOPPED, 120),
        (Word.ENDED, State.STOPPED, 5),
        (Word.BACKED_UP, State.STOPPED, 5),
        (Word.UPLOADED, State.STOPPED, 0),
    ],
)
def test_a_word_makes_the_recording_and_says_when_to_look(
    catalog: Catalog, database: LeapingDatabase, word: Word, state: State, look_in: int | None
) -> None:
    before = database.read(database.now)
    [effect] = taken(catalog, said(word))
    recording = known(catalog)
    assert (recording.state, recording.room, recording.source) == (state, "math", "calls")
    assert effect is not None
    assert effect.startswith(f"made recording; now {state}")
    if look_in is None:
        assert recording.due_at is None
    else:
        assert recording.due_at is not None
        assert timedelta(0) <= recording.due_at - before - timedelta(seconds=look_in) < timedelta(seconds=5)


def test_the_same_message_again_is_seen_and_named(catalog: Catalog) -> None:
    first = said(Word.UPLOADED)
    again = replace(first, token="b" * 32)
    assert taken(catalog, first, again)[1] == "ignored: seen"
    assert stored(catalog, again.token).duplicate_of == stored(catalog, first.token).id
    assert states(catalog) == ["stopped"]


def test_one_that_says_nothing_further_has_no_effect(catalog: Catalog) -> None:
    assert taken(catalog, said(Word.UPLOADED, 0), said(Word.ENDED, 1), said(Word.RECORDING, 2))[1:] == [
        "nothing new",
        "nothing new",
    ]
    assert known(catalog).word is Word.UPLOADED


def test_in_all_orders_the_recording_is_the_same(catalog: Catalog) -> None:
    """Each order is a recording of its own."""
    words = (Word.RECORDING, Word.LEFT, Word.ENDED, Word.BACKED_UP, Word.UPLOADED, Word.RECORDING)
    orders = random.Random(5).sample(list(permutations(range(len(words)))), 24)  # all 720 are in `make proof-webhooks`
    for name, order in enumerate(orders):
        given = [said(words[number], number, task_id=f"o{name}", files=[f"f{number}.m3u8"]) for number in order]
        catalog.inbox.put(given)
    catalog.inbox.take_in(read, actor="loop", most=1000)
    ids = [recording_id(f"o{name}") for name in range(len(orders))]
    found = [catalog.get(each) for each in ids]
    assert {(each.state, each.word, each.room, each.source, each.queue) for each in found} == {
        (State.STOPPED, Word.UPLOADED, "math", "calls", "live")
    }
    assert {tuple(sorted(f.name for f in catalog.vouched(each).files)) for each in ids} == {("f3.m3u8", "f4.m3u8")}


def test_two_at_once_have_one_effect_each(catalog: Catalog, url: str) -> None:
    given = [said(Word.UPLOADED, number, task_id=f"t{number}") for number in range(20)]
    copies = [replace(one, token=random.randbytes(16).hex()) for one in given for _ in range(3)]
    random.Random(3).shuffle(copies)
    catalog.inbox.put(copies)
    others = [Catalog(LeapingDatabase(url)) for _ in range(3)]

    def drain(mine: Catalog) -> None:
        while mine.inbox.waiting()[0]:
            mine.inbox.take_in(read, actor="loop", most=7)

    at_once([lambda mine=mine: drain(mine) for mine in others])  # type: ignore[misc]
    for mine in others:
        mine.database.close()
    rows = [stored(catalog, copy.token) for copy in copies]
    assert sorted(row.effect or "" for row in rows) == [*["ignored: seen"] * 40, *[rows_effect(rows)] * 20]
    assert catalog.counts() == {State.STOPPED: 20}
    assert all(states(catalog, f"t{number}") == ["stopped"] for number in range(20))


def rows_effect(rows: Sequence[DeliveryRow]) -> str:
    return next(row.effect for row in rows if row.effect != "ignored: seen") or ""


def test_whoever_dies_in_the_middle_leaves_all_of_it_to_the_next(catalog: Catalog) -> None:
    class DiedError(BaseException):
        pass

    def dies(vendor: str, body: bytes, sources: Sequence[str]) -> Reading:
        if b'"number": 2' in body:
            raise DiedError
        return read(vendor, body, sources)

    given = [said(Word.UPLOADED, number, task_id=f"t{number}") for number in range(4)]
    catalog.inbox.put(given)
    with pytest.raises(DiedError):
        catalog.inbox.take_in(dies, actor="loop", most=10)
    assert catalog.counts() == {}
    assert catalog.inbox.take_in(read, actor="loop", most=10) == 4
    assert catalog.counts() == {State.STOPPED: 4}


def test_a_message_that_cannot_be_read_holds_up_no_other(catalog: Catalog) -> None:
    broken = replace(said(Word.UPLOADED, 7), body=b"{}")
    too_long = said(Word.UPLOADED, 8, task_id="x" * 2000)
    effects = taken(catalog, broken, too_long, said(Word.UPLOADED))
    assert effects[0] == "failed, a fault of Aftertake, please report it: KeyError"
    assert effects[1] == "failed, a fault of Aftertake, please report it: CatalogTextError"
    assert effects[2] == "made recording; now stopped; looked at now"
    assert catalog.counts() == {State.STOPPED: 1}


def test_one_that_failed_is_no_reason_to_ignore_the_next_delivery_of_it(catalog: Catalog) -> None:
    broken, whole = replace(said(Word.UPLOADED), body=b"{}"), said(Word.UPLOADED)
    assert taken(catalog, broken, whole)[1] == "made recording; now stopped; looked at now"


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, InternalError])
def test_a_database_that_fails_leaves_the_message_to_another_try(
    catalog: Catalog, kind: type[OperationalError | InterfaceError | InternalError]
) -> None:
    """A deadlock, or a connection that was lost, is no fault of the message."""
    catalog.inbox.put([said(Word.UPLOADED)])

    def fails(*_: object) -> Reading:
        raise kind("SELECT", {}, Exception("it is gone"))

    with pytest.raises(kind):
        catalog.inbox.take_in(fails, actor="loop", most=1)
    assert catalog.inbox.waiting()[0] == 1


def test_what_a_database_refuses_holds_up_no_other(catalog: Catalog) -> None:
    """A number too large for it breaks a transaction in PostgreSQL, unless that was divided."""
    effects = taken(catalog, said(Word.UPLOADED, 7, sequence=1 << 70), said(Word.UPLOADED, task_id="t2"))
    assert (effects[0] or "").startswith("failed, a fault of Aftertake, please report it: ")
    assert effects[1] == "made recording; now stopped; looked at now"
    assert catalog.counts() == {State.STOPPED: 1}


def test_what_has_no_name_is_no_duplicate(catalog: Catalog) -> None:
    """Of a message that the receiver could not read."""
    first, second = (replace(said(Word.UPLOADED, n, task_id=f"t{n}"), dedupe_id=None) for n in (1, 2))
    assert taken(catalog, first, second) == ["made recording; now stopped; looked at now"] * 2


def test_messages_about_no_recording_are_ignored_with_the_reason(catalog: Catalog) -> None:
    other, check = said(Word.HEARD, task_id=None), said(Word.UPLOADED, 1, ignored="a console's check")
    assert taken(catalog, other, check) == [
        "ignored: it names no recording",
        "ignored: a console's check, which would have said: uploaded",
    ]
    assert catalog.counts() == {}


def test_what_no_source_matches_is_kept_and_shown(catalog: Catalog) -> None:
    [effect] = taken(catalog, replace(said(Word.UPLOADED), sources=()))
    recording = known(catalog)
    assert effect == "made recording; now hinted; hinted: no_source"
    assert (recording.state, recording.due_at) == (State.HINTED, None)
    assert (recording.alarm or "").startswith("no_source: ")


def test_words_while_somebody_works_make_for_another_look(catalog: Catalog) -> None:
    taken(catalog, said(Word.LEFT, 0))
    claim = take(catalog)
    assert taken(catalog, said(Word.UPLOADED, 1)) == ["looked at again when the run that has it is done"]
    waiting = catalog.claims.wait(claim, cause="not whole", look_in=timedelta(hours=1))
    assert waiting.due_at is not None
    assert waiting.due_at - catalog.database.read(catalog.database.now) < timedelta(seconds=1)
    again = catalog.claims.wait(take(catalog, holder="w2"), cause="not whole", look_in=timedelta(hours=1))
    assert again.due_at is not None
    assert again.due_at - catalog.database.read(catalog.database.now) > timedelta(minutes=50)


def test_what_was_said_to_a_worker_that_died_is_no_news_to_the_next(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    taken(catalog, said(Word.LEFT, 0))
    take(catalog)
    taken(catalog, said(Word.UPLOADED, 1))
    database.pass_by(timedelta(hours=1))
    catalog.claims.take_back(actor="loop", cause="dead", look_in=lambda _: timedelta(), is_alarming=lambda _: False)
    waiting = catalog.claims.wait(take(catalog, holder="w2"), cause="not whole", look_in=timedelta(hours=1))
    assert waiting.due_at is not None
    assert waiting.due_at - catalog.database.read(catalog.database.now) > timedelta(minutes=50)


def test_further_words_end_a_wait(catalog: Catalog) -> None:
    taken(catalog, said(Word.ENDED, 0))
    catalog.claims.wait(take(catalog), cause="not whole", look_in=timedelta(hours=1))
    assert taken(catalog, said(Word.UPLOADED, 1)) == ["looked at now"]
    assert taken(catalog, said(Word.MORE, 2)) == ["looked at now"]


def test_more_that_came_after_a_verdict_is_looked_at_once(catalog: Catalog) -> None:
    taken(catalog, said(Word.UPLOADED, 0))
    settle(catalog, take(catalog), verdict=Verdict.COMPLETE)
    more = said(Word.MORE, 1)
    assert taken(catalog, more, replace(more, token="c" * 32)) == ["looked at in 30 s", "ignored: seen"]
    assert known(catalog).state is State.SETTLED


def test_one_that_comes_into_sight_late_is_a_duplicate_too(catalog: Catalog) -> None:
    """A lower number may be committed after a higher one was seen to."""
    taken(catalog, said(Word.RECORDING, 0, task_id="t9"))
    first = said(Word.MORE, 1)
    taken(catalog, first)
    settle(catalog, take(catalog), verdict=Verdict.GAPS)
    later = replace(first, token="e" * 32)
    catalog.inbox.put([later])
    lower = update(deliveries).where(deliveries.c.token == later.token).values(id=0)
    catalog.database.write(lambda connection: connection.execute(lower))
    catalog.inbox.take_in(read, actor="loop", most=10)
    assert stored(catalog, later.token).effect == "ignored: seen"


def test_weeks_later_the_same_bytes_have_no_effect(catalog: Catalog, database: LeapingDatabase) -> None:
    """Even when the delivery is long dropped: what it said is known of the recording."""
    first = said(Word.UPLOADED)
    taken(catalog, first)
    settle(catalog, take(catalog), verdict=Verdict.COMPLETE)
    for days in (1, 30):
        database.pass_by(timedelta(days=days))
        assert taken(catalog, replace(first, token=random.randbytes(16).hex())) == ["ignored: seen"]
    database.pass_by(KEPT + timedelta(days=1) + (datetime.now(UTC) - NOW))
    assert catalog.inbox.drop_old() == 3
    assert taken(catalog, replace(first, token="d" * 32)) == ["nothing new"]
    assert known(catalog).due_at is None


def test_more_is_looked_at_once_also_when_its_delivery_is_long_dropped(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    more = said(Word.MORE, 1)
    taken(catalog, said(Word.UPLOADED, 0), more)
    settle(catalog, take(catalog), verdict=Verdict.COMPLETE)
    database.pass_by(KEPT + timedelta(days=1) + (datetime.now(UTC) - NOW))
    assert catalog.inbox.drop_old() == 2
    assert taken(catalog, replace(more, token="d" * 32)) == ["nothing new"]


def test_a_seal_is_good_for_one_message_and_one_doubt(catalog: Catalog) -> None:
    """A signature that does not cover the body can be taken from a true message."""
    true = replace(said(Word.UPLOADED, 0), seal="1:2")
    other = [replace(said(Word.UPLOADED, n, task_id=task), seal="1:2") for n, task in ((1, "t1"), (2, "t2"), (3, "t3"))]
    effects = taken(catalog, true, *other)
    assert effects[0] == "made recording; now stopped; looked at now"
    assert effects[1] == "not believed: its signature came with another message before; looked at now"
    assert effects[2:] == ["ignored: its signature came with two other messages before"] * 2
    assert catalog.counts() == {State.STOPPED: 1}


def test_a_doubtful_message_is_good_for_a_look_at_one_that_goes_on(catalog: Catalog) -> None:
    """It may be the true one, and the first forged."""
    true, other = replace(said(Word.RECORDING, 0), seal="1:2"), replace(said(Word.ENDED, 1), seal="1:2")
    effects = taken(catalog, true, other)
    assert effects[1] == "not believed: its signature came with another message before; looked at now"
    assert (known(catalog).state, known(catalog).stopped_at) == (State.RECORDING, None)


def test_a_doubtful_message_makes_no_recording(catalog: Catalog) -> None:
    true, other = replace(said(Word.UPLOADED, 0), seal="1:2"), replace(said(Word.UPLOADED, 1, task_id="t2"), seal="1:2")
    effects = taken(catalog, true, other)
    assert (effects[1] or "").startswith("ignored: its signature came with another message before")
    assert catalog.counts() == {State.STOPPED: 1}


def test_only_what_was_signed_promises_files(catalog: Catalog) -> None:
    taken(
        catalog,
        said(Word.UPLOADED, 0, files=["a.m3u8", "b.m3u8"]),
        said(Word.BACKED_UP, 1, files=["b.m3u8", "c.m3u8"]),
        said(Word.UPLOADED, 2, files=["forged.m3u8"], covered=False),
        said(Word.RECORDING, 3, files=["early.m3u8"]),
    )
    assert [f.name for f in catalog.vouched(recording_id()).files] == ["a.m3u8", "b.m3u8", "c.m3u8"]


def test_a_replay_has_its_effect_once_more_and_is_audited(catalog: Catalog) -> None:
    first = said(Word.UPLOADED)
    taken(catalog, first)
    settle(catalog, take(catalog), verdict=Verdict.GAPS)
    number = stored(catalog, first.token).id
    again = catalog.inbox.replay(number, replace(first, token="e" * 32), actor="ann@desk", reason="to be sure")
    catalog.inbox.take_in(read, actor="loop", most=10)
    row = catalog.inbox.get(again)
    assert (row.effect, row.replay_of, row.duplicate_of) == ("looked at now", number, None)
    assert taken(catalog, replace(first, token="f" * 32)) == ["ignored: seen"]


def test_the_deadline_counts_from_the_end_not_from_the_first_word(catalog: Catalog, database: LeapingDatabase) -> None:
    """A recording may be heard of a day before it stops."""
    taken(catalog, said(Word.RECORDING, 0))
    database.pass_by(timedelta(hours=20))
    taken(catalog, said(Word.RECORDING, 1))
    assert known(catalog).waited_since == known(catalog).spoken_at
    database.pass_by(timedelta(hours=20))
    assert catalog.overdue(database.read(database.now) - timedelta(hours=30), most=10) == []
    taken(catalog, said(Word.LEFT, 2))
    assert known(catalog).stopped_at is None
    taken(catalog, said(Word.ENDED, 3))
    stopped_at = known(catalog).stopped_at
    database.pass_by(timedelta(hours=1))
    taken(catalog, said(Word.UPLOADED, 4))
    assert known(catalog).waited_since == stopped_at


def test_deliveries_are_listed_the_newest_first(catalog: Catalog) -> None:
    taken(catalog, said(Word.RECORDING, 0), replace(said(Word.HEARD, 1), vendor="zego"))
    newest = catalog.inbox.newest(most=10)
    assert [row.vendor for row in newest] == ["zego", "agora"]
    assert [row.body for row in newest] == [b"", b""]
    assert catalog.inbox.newest(most=10, after=newest[1].id) == newest[:1]
    assert catalog.inbox.newest(most=10, vendor="agora") == newest[1:]
    with pytest.raises(UnknownDeliveryError, match="webhook tail"):
        catalog.inbox.get(999)


def test_a_catalog_that_is_away_acknowledges_nothing(tmp_path: object) -> None:
    away = Catalog(LeapingDatabase(f"sqlite:///{tmp_path}/none/catalog.db"))
    with pytest.raises(CatalogUnavailableError):
        away.inbox.put([said(Word.UPLOADED)])


def test_what_was_submitted_by_hand_meets_its_webhooks(catalog: Catalog) -> None:
    hear(catalog)
    assert taken(catalog, said(Word.RECORDING, 0)) == ["nothing new"]
    assert known(catalog).source == "calls"
