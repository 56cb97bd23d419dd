"""Who was recorded when: the answers are those of a plain reading of the manifests' timelines, to the moment."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from catalog.attendance import MOST_OF_A_STREAM, Attendance, attendance_of
from catalog.index import Catalog
from catalog.model import Cause, Evidence, Manifest, State, StreamKind, Verdict
from catalog.searching import Query
from tests.catalog.builders import absence, at, gap
from tests.catalog.steps import hear, key_of, recording_id, told_by
from tests.catalog.test_timeline import NO_CLOCK, person, room, track

INSTANT = timedelta(milliseconds=1)


def put(catalog: Catalog, *manifests: Manifest) -> None:
    catalog.reindex([(one, key_of(one)) for one in manifests])


def held(task_id: str, *streams: Any, lasts: float = 60, **changes: Any) -> Manifest:  # noqa: ANN401
    base = {"streams": streams, "room": "R", "started_at": at(0), "ended_at": at(lasts)}
    return told_by(recording_id(task_id), **{**base, **changes})


def users(catalog: Catalog, since: float, until: float | None = None, where: str = "R") -> list[str | None]:
    found = catalog.attendances.who(where, at(since), None if until is None else at(until))
    return [each.user for each in found.attendances]


def times(found: Sequence[Attendance]) -> list[tuple[datetime, datetime]]:
    return [(each.from_utc, each.to_utc) for each in found]


def test_exact_to_absences_and_gaps(catalog: Catalog) -> None:
    out = absence(20, 30, track="both", evidence=Evidence.VENDOR_EVENT)
    put(catalog, held("t1", person("7", absences=(out,), gaps=(gap(40, 45),)), person("8", wall_s=50, lasts=10)))

    assert [users(catalog, second) for second in (0, 19.999, 20, 29.999, 30, 40, 45)] == [
        *(["7"], ["7"], [], [], ["7"], [], ["7"]),
    ]
    assert [users(catalog, second) for second in (49.999, 50, 59.999, 60)] == [["7"], ["7", "8"], ["7", "8"], []]
    assert users(catalog, 20, 30) == []
    assert users(catalog, 19, 31) == ["7", "7"]
    assert users(catalog, 10, where="another") == []


def test_camera_off_is_still_there(catalog: Catalog) -> None:
    off = absence(10, 50, track="video")
    put(catalog, held("t1", person("7", absences=(off,)), person("8", outputs=(track("audio", 0, 60),))))

    (seven, eight) = catalog.attendances.who("R", at(30)).attendances
    assert times([seven, eight]) == [(at(0), at(60))] * 2
    assert (seven.track, eight.track, seven.stream, seven.kind) == ("both", "audio", "7", StreamKind.PARTICIPANT)
    assert (seven.recording, seven.room, seven.is_exact) == (recording_id("t1"), "R", True)


def test_without_a_clock_it_was_some_time_in_the_recording(catalog: Catalog) -> None:
    put(catalog, held("t1", person("7"), person("8", clock=NO_CLOCK, started_at=None, ended_at=None, lasts=5)))

    (_, eight) = catalog.attendances.who("R", at(30)).attendances
    assert (eight.user, eight.is_exact, times([eight])) == ("8", False, [(at(0), at(60))])


def test_what_was_lost_altogether_is_nobody(catalog: Catalog) -> None:
    put(catalog, held("t1", person("7"), person("8", outputs=(), clock=NO_CLOCK, gaps=(gap(0, 60),), lasts=0)))

    assert users(catalog, 30) == ["7"]


def test_a_newer_revision_replaces_the_older(catalog: Catalog) -> None:
    put(catalog, held("t1", person("7", gaps=(gap(10, 20),)), verdict=Verdict.GAPS))
    put(catalog, held("t1", person("7"), person("8"), revision=2))

    assert users(catalog, 15) == ["7", "8"]


def test_a_reindex_fills_a_catalog_of_before(catalog: Catalog) -> None:
    made = held("t1", person("7"))
    put(catalog, made)
    catalog.database.migrate("0006")
    catalog.database.migrate()
    assert users(catalog, 15) == []

    assert catalog.reindex([(made, key_of(made))]) == 0
    assert users(catalog, 15) == ["7"]
    assert catalog.reindex([(replace(made, revision=2, streams=()), "newer")]) == 1
    assert catalog.reindex([(made, key_of(made))]) == 0
    assert users(catalog, 15) == []


def test_recordings_that_are_not_published_are_said_to_be_unknown(catalog: Catalog) -> None:
    put(catalog, held("t1", person("7")))
    waiting = hear(catalog, "t2", state=State.RECORDING, room="R")
    now = waiting.heard_at

    assert [each.id for each in catalog.attendances.who("R", now + INSTANT).unknown] == [waiting.id]
    assert catalog.attendances.who("R", now - timedelta(hours=1)).unknown == ()
    hear(catalog, "t2", state=State.STOPPED, room="R")
    stopped = catalog.get(waiting.id).stopped_at
    assert stopped is not None
    assert catalog.attendances.who("R", stopped + INSTANT).unknown == ()


def test_rooms_of_a_user_exact_to_absences(catalog: Catalog) -> None:
    late = person("7", wall_s=100, lasts=60, absences=(absence(20, 40, track="both"),))
    put(catalog, held("t1", person("7")), held("t2", late, person("8", lasts=200), room="S", lasts=200))

    def rooms(since: float, until: float) -> list[str | None]:
        query = Query(user="7", since=at(since), until=at(until))
        return [each.room for each in catalog.attendances.rooms(query).page.recordings]

    assert rooms(0, 200) == ["S", "R"]
    assert rooms(60, 100) == rooms(120, 140) == []
    assert rooms(59.999, 60) == ["R"]
    assert rooms(139.999, 140.001) == ["S"]
    visits = catalog.attendances.rooms(Query(user="7", since=at(110)))
    assert {each.task_id: times(found) for each, found in visits.attendances.items()} == {
        "t2": [(at(100), at(120)), (at(140), at(160))]
    }


def test_rooms_come_in_pages(catalog: Catalog) -> None:
    put(catalog, *(held(f"t{n}", person("7")) for n in range(5)))

    first = catalog.attendances.rooms(Query(user="7", limit=3)).page
    second = catalog.attendances.rooms(Query(user="7", limit=3, cursor=first.cursor)).page
    assert [len(first.recordings), len(second.recordings), second.cursor] == [3, 2, None]
    with pytest.raises(ValueError, match="names no user"):
        catalog.attendances.rooms(Query(room="R"))


def test_who_comes_and_goes_very_often_is_told_in_a_bounded_number_of_rows() -> None:
    often = tuple(
        gap(n * 10 + 5, n * 10 + (6 if n % 2 else 8), cause=Cause.MISSING) for n in range(2 * MOST_OF_A_STREAM)
    )
    told = list(attendance_of(room(person("7", lasts=4010, gaps=often), lasts=4010)))

    assert len(told) == MOST_OF_A_STREAM
    assert (told[0]["from_at"], told[-1]["to_at"]) == (at(0), at(4010))


def some_manifests(chance: random.Random, count: int) -> Iterator[Manifest]:
    for number in range(count):
        begin = chance.randrange(0, 600)

        def somebody(begin: int = begin) -> Any:  # noqa: ANN401
            spans = [(a, a + chance.randrange(1, 20)) for a in chance.sample(range(90), 4)]
            lost = tuple(gap(*span, track=chance.choice(["audio", "both"])) for span in spans[:2])
            away = tuple(absence(*span, track=chance.choice(["video", "both"])) for span in spans[2:])
            user = chance.choice(["ann", "bob", "eve"])
            late = begin + chance.randrange(20)
            return person(user, wall_s=late, lasts=100, gaps=lost, absences=away, name=f"{chance.random()}")

        streams = tuple(somebody() for _ in range(chance.randrange(1, 4)))
        where, end = chance.choice(["R", "S"]), at(begin + 120)
        yield held(f"t{number}", *streams, room=where, started_at=at(begin), ended_at=end)


def test_every_answer_is_that_of_a_plain_reading(catalog: Catalog) -> None:
    chance = random.Random(3)
    made = list(some_manifests(chance, 40))
    put(catalog, *made)
    lines = [(one, line) for one in made for line in attendance_of(one)]
    for _ in range(60):
        since = at(chance.randrange(0, 800) + chance.choice([0, 0.5]))
        until = since + timedelta(seconds=chance.choice([0.001, 1, 30, 300]))
        met = [(one, line) for one, line in lines if line["from_at"] < until and line["to_at"] > since]
        found = catalog.attendances.who("R", since, until).attendances
        assert sorted((each.stream, each.from_utc) for each in found) == sorted(
            (line["stream"], line["from_at"]) for one, line in met if one.room == "R"
        )
        visits = catalog.attendances.rooms(Query(user="ann", since=since, until=until, limit=100))
        assert {each.task_id for each in visits.attendances} == {
            one.task_id for one, line in met if line["user_id"] == "ann"
        }
        assert all(visits.attendances.values())


def test_a_room_that_was_named_by_a_message_alone_is_found(catalog: Catalog) -> None:
    hear(catalog, "t1", room="R")
    put(catalog, replace(held("t1", person("7")), room=None))

    assert users(catalog, 30) == ["7"]
