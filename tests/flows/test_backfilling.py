"""What is to be done is counted, done once, and never again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.events import Word
from catalog.model import RecordingId, State, Verdict
from catalog.records import Queue, Wanted
from catalog.tables import audit, changes, recordings
from flows.backfill import Backfiller, backfill
from flows.process import Inline, run_inline
from flows.settings import Source
from flows.steps.backfilling import Asked, Plan, Todo, hand_over, outcome, plan_source
from flows.steps.traffic import crosses
from storage.errors import StorageError
from storage.local import LocalStore
from tests.flows.folders import aged, manifests, slices, write
from tests.flows.site import Site, recording_id, sid
from tests.lab import agora_mixed
from vendors.recorder import Past

EVERYTHING = Asked()
MADE_AT = datetime(2026, 3, 4, 9, 30, 15, 250_000, tzinfo=UTC)


def told(number: int, *, room: str | None = None, started_at: datetime | None = None, word: Word = Word.ENDED) -> Past:
    """What a vendor's own list says of a recording."""
    return Past(recording=recording_id(number), room=room, started_at=started_at, word=word)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, deadline=timedelta(0))


def planned(site: Site, asked: Asked = EVERYTHING, history: Sequence[Past] = ()) -> Plan:
    [source] = site.settings.sources
    return plan_source(
        site.catalog,
        LocalStore(site.source),
        source,
        asked,
        output=site.settings.output,
        now=datetime.now(UTC),
        history=history,
    )


def todos(plan: Plan) -> dict[int, Todo]:
    return {int(item.recording.task_id, 16): item.todo for item in plan.items}


def done(site: Site, asked: Asked = EVERYTHING, source: str | None = None) -> dict[str, int]:
    """A backfill as it is run from anywhere; what it did, in numbers that are not zero."""
    backfiller = Backfiller(name="test", reason="a test", catalog=site.catalog, settings=site.settings)
    return {what: count for what, count in run_inline(backfill(Inline(), backfiller, asked, source)).items() if count}


def rows(site: Site) -> list[Any]:
    tables = (recordings, changes, audit)
    return site.catalog.database.read(lambda c: [c.execute(table.select()).all() for table in tables])


def lay_old(site: Site, *numbers: int) -> None:
    for number in numbers:
        site.lay(number)
    aged(site.source)


def test_what_nobody_knows_is_built_and_a_second_backfill_does_nothing(site: Site) -> None:
    lay_old(site, 1, 2, 3)
    assert done(site) == {"build": 3, "handed_over": 3}
    assert [site.recording(n).state for n in (1, 2, 3)] == [State.STOPPED] * 3
    assert site.recording(1).queue is Queue.BULK
    before = rows(site)
    assert done(site) == {"under_way": 3}
    assert rows(site) == before

    site.settle()
    assert {site.recording(n).verdict for n in (1, 2, 3)} == {Verdict.COMPLETE}
    assert len(manifests(site.output)) == 3
    before = rows(site)
    assert done(site) == {"complete": 3}
    assert rows(site) == before


def test_what_the_names_say_of_its_beginning_is_known_before_it_is_read(site: Site) -> None:
    lay_old(site, 1)
    [item] = planned(site).items
    done(site)
    assert item.began_at is not None
    assert site.recording(1).started_at == item.began_at


def test_what_a_backfill_left_undone_is_done_by_the_next(site: Site) -> None:
    """It is killed between two transactions."""
    lay_old(site, 1, 2, 3)
    plan = planned(site)
    first = replace(plan, items=plan.items[:1])
    assert hand_over(site.catalog, first, actor="test", reason="a test") == 1

    assert done(site) == {"under_way": 1, "build": 2, "handed_over": 2}


def test_a_plan_that_others_overtook_touches_nothing_of_theirs(site: Site) -> None:
    lay_old(site, 1, 2)
    plan = planned(site)
    site.submit(1)
    claim = site.catalog.claims.take(recording_id(1), holder="worker", ttl=timedelta(minutes=1), cause="due")
    assert claim is not None

    assert hand_over(site.catalog, plan, actor="test", reason="a test") == 1
    assert site.recording(1).state is State.PROCESSING
    assert site.causes(1) == ["submitted", "due"]


def test_what_is_not_complete_is_left_alone_until_something_comes(site: Site) -> None:
    site.lay(1, [*slices(4)[:3], None])
    aged(site.source)
    done(site)
    site.settle()
    assert site.recording(1).verdict is Verdict.GAPS
    assert todos(planned(site)) == {1: Todo.UNCHANGED}
    before = rows(site)
    assert done(site) == {"unchanged": 1}
    assert rows(site) == before

    site.lay(1)
    assert done(site) == {"again": 1, "handed_over": 1}
    assert site.recording(1).queue is Queue.BULK
    site.settle()
    assert (site.recording(1).verdict, site.recording(1).revision) == (Verdict.COMPLETE, 2)
    assert done(site) == {"complete": 1}


def test_only_those_that_a_person_names_are_looked_at_again(site: Site) -> None:
    site.has_policies(late_for=timedelta(0))
    site.lay(1, [*slices(4)[:3], None])
    lay_old(site, 2, 3)
    site.submit(1)
    site.submit(2)
    site.process(1)
    site.process(2)

    asked = Asked(only=frozenset({"gaps", "missing"}))
    assert todos(planned(site, asked)) == {1: Todo.AGAIN}
    assert done(site, asked) == {"again": 1, "handed_over": 1}
    assert done(site, asked) == {"under_way": 1}
    [entry] = site.catalog.database.read(lambda c: c.execute(audit.select()).mappings().all())
    assert (entry["action"], entry["subject"], entry["reason"]) == ("backfill", f"agora:{sid(1)}", "a test")


def test_a_recording_that_is_written_to_is_still_going_on(site: Site) -> None:
    site.lay(1)
    assert todos(planned(site)) == {1: Todo.GOING_ON}
    assert todos(planned(site, history=[told(1)])) == {1: Todo.BUILD}
    assert done(site) == {"going_on": 1}
    aged(site.source)
    going_on = told(1, word=Word.RECORDING)
    assert todos(planned(site, history=[going_on])) == {1: Todo.GOING_ON}
    site.catalog.register(recording_id(1), state=State.RECORDING, cause="webhook", actor="hooks", source="calls")
    assert done(site) == {"build": 1, "handed_over": 1}


def test_what_only_the_vendor_knows_is_in_the_plan(site: Site) -> None:
    lay_old(site, 1)
    history = [
        told(7, room="physics", started_at=MADE_AT),
        told(8, started_at=MADE_AT - timedelta(days=2)),
        told(9),
    ]
    plan = planned(site, Asked(since=MADE_AT - timedelta(hours=1)), history)
    assert todos(plan) == {1: Todo.BUILD, 7: Todo.BUILD, 9: Todo.BUILD}
    [seventh] = [item for item in plan.items if item.recording == recording_id(7)]
    assert (seventh.room, seventh.began_at, seventh.size_bytes) == ("physics", MADE_AT, 0)
    hand_over(site.catalog, plan, actor="test", reason="a test")
    assert site.recording(7).room == "physics"


def test_what_only_the_catalog_knows_is_in_the_plan(site: Site) -> None:
    """Its objects lie nowhere; a person may want it looked at all the same."""
    site.submit(5)
    site.process(5)
    site.has_policies(late_for=timedelta(0))
    assert site.recording(5).verdict is Verdict.MISSING
    assert todos(planned(site)) == {5: Todo.UNCHANGED}
    assert todos(planned(site, Asked(only=frozenset({"missing"})))) == {5: Todo.AGAIN}
    assert todos(planned(site, Asked(only=frozenset({"missing"}), until=MADE_AT))) == {}
    assert todos(planned(site, Asked(prefix="elsewhere/"))) == {}


@pytest.mark.parametrize(
    ("since", "until", "is_in"),
    [
        (None, None, True),
        (MADE_AT + timedelta(seconds=5), None, True),
        (MADE_AT + timedelta(seconds=7), None, False),
        (None, MADE_AT + timedelta(seconds=1), True),
        (None, MADE_AT, False),
        (MADE_AT - timedelta(hours=1), MADE_AT + timedelta(hours=1), True),
    ],
)
def test_the_window_takes_what_touches_it(
    site: Site, since: datetime | None, until: datetime | None, is_in: bool
) -> None:
    """Its four slices begin at 0, 2, 4 and 6 seconds; when they were uploaded does not matter."""
    lay_old(site, 1)
    assert bool(planned(site, Asked(since=since, until=until)).items) is is_in


def test_a_prefix_narrows_the_listing(site: Site) -> None:
    lay_old(site, 1)
    agora_mixed(slices(), sid=sid(2), folder="2026/").write_to(site.source)
    aged(site.source)
    plan = planned(site, Asked(prefix="2026/"))
    assert (todos(plan), plan.objects) == ({2: Todo.BUILD}, 5)
    assert todos(planned(site)) == {1: Todo.BUILD, 2: Todo.BUILD}


def test_bytes_and_strange_names_are_counted(site: Site) -> None:
    lay_old(site, 1)
    size_bytes = sum(path.stat().st_size for path in site.source.iterdir())
    write(site.source, readme_txt=b"1234567")
    plan = planned(site)
    assert (plan.size_bytes, plan.crosses) == (size_bytes, False)
    assert (plan.unclaimed.count, plan.unclaimed.size_bytes, plan.unclaimed.shown) == (1, 7, ("readme.txt",))


def test_one_name_that_no_catalog_can_keep_does_not_hold_up_the_others(site: Site) -> None:
    lay_old(site, 1)
    plan = planned(site)
    odd = replace(plan.items[0], recording=RecordingId(vendor="plain", task_id="x" * 2000))
    assert hand_over(site.catalog, replace(plan, items=(odd, *plan.items)), actor="test", reason="a test") == 1
    assert site.recording(1).state is State.STOPPED


def test_each_source_is_planned_by_itself(site: Site, tmp_path: Path) -> None:
    lay_old(site, 1)
    other = tmp_path / "other"
    agora_mixed(slices(), sid=sid(2), folder="").write_to(other)
    aged(other)
    second = Source(name="more", vendor="agora", store=other.as_uri())
    site.settings = replace(site.settings, sources=(*site.settings.sources, second))
    assert done(site, source="more") == {"build": 1, "handed_over": 1}
    assert done(site) == {"build": 1, "under_way": 1, "handed_over": 1}
    assert [site.recording(n).source for n in (1, 2)] == ["calls", "more"]


@pytest.mark.parametrize(("app", "source_of_third"), [("project", None), ("another", "calls")])
def test_what_a_vendor_lists_of_two_sources_is_done_where_it_lies(
    site: Site, tmp_path: Path, app: str, source_of_third: str | None
) -> None:
    """One project may record into both, so that its list has all, whichever source it is asked for."""
    lay_old(site, 1)
    other = tmp_path / "other"
    agora_mixed(slices(), sid=sid(2), folder="").write_to(other)
    aged(other)
    [calls] = site.settings.sources
    more = Source(name="more", vendor="agora", store=other.as_uri(), app=app)
    site.settings = replace(site.settings, sources=(replace(calls, vendor="agora", app="project"), more))
    backfiller = Backfiller(
        name="test",
        reason="a test",
        catalog=site.catalog,
        settings=site.settings,
        history=lambda *_: [told(1), told(2), told(3)],
    )
    counts = run_inline(backfill(Inline(), backfiller, EVERYTHING))
    assert (counts["build"], counts["handed_over"]) == (3, 3)
    assert [site.recording(n).source for n in (1, 2, 3)] == ["calls", "more", source_of_third]
    assert run_inline(backfill(Inline(), backfiller, EVERYTHING))["under_way"] == 3
    site.settle()
    assert [site.recording(n).verdict for n in (1, 2, 3)] == [Verdict.COMPLETE, Verdict.COMPLETE, Verdict.MISSING]


@pytest.mark.parametrize(("listed_by", "source"), [(None, None), ("more", "more")])
def test_what_lies_nowhere_is_put_into_no_source_but_the_one_whose_project_lists_it(
    site: Site, tmp_path: Path, listed_by: str | None, source: str | None
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    [calls] = site.settings.sources
    more = Source(name="more", vendor="agora", store=other.as_uri(), app="another")
    site.settings = replace(site.settings, sources=(replace(calls, vendor="agora", app="project"), more))
    site.catalog.take_up([Wanted(recording=recording_id(3), source=None)], actor="test", reason="a test")
    site.settle()
    assert (site.recording(3).verdict, site.recording(3).source) == (Verdict.MISSING, None)
    backfiller = Backfiller(
        name="test",
        reason="a test",
        catalog=site.catalog,
        settings=site.settings,
        history=lambda where, *_: [told(3)] if where.name == listed_by else [],
    )
    assert run_inline(backfill(Inline(), backfiller, Asked(only=frozenset({Verdict.MISSING}))))["again"] == 1
    assert site.recording(3).source == source


def test_what_lies_in_two_sources_is_counted_once(site: Site, tmp_path: Path) -> None:
    lay_old(site, 1)
    other = tmp_path / "other"
    site.lay(1).write_to(other)
    aged(other)
    aged(site.source)
    site.settings = replace(
        site.settings, sources=(*site.settings.sources, Source(name="more", vendor="agora", store=other.as_uri()))
    )
    assert done(site) == {"build": 1, "handed_over": 1}


def test_a_source_that_cannot_be_listed_holds_up_no_other(site: Site, tmp_path: Path) -> None:
    lay_old(site, 1)
    gone = Source(name="gone", vendor="agora", store=(tmp_path / "gone").as_uri())
    site.settings = replace(site.settings, sources=(gone, *site.settings.sources))
    with pytest.raises(StorageError):
        done(site)
    assert site.recording(1).state is State.STOPPED


def test_below_a_prefix_is_only_what_lies_there(site: Site) -> None:
    """A vendor's own list does not say where anything lies."""
    lay_old(site, 1)
    agora_mixed(slices(), sid=sid(2), folder="2026/").write_to(site.source)
    aged(site.source)
    history = [told(number, room="physics") for number in (1, 2, 7)]
    assert todos(planned(site, Asked(prefix="2026/"), history)) == {2: Todo.BUILD}


def test_what_no_catalog_can_keep_is_not_waited_for(site: Site) -> None:
    lay_old(site, 1)
    plan = planned(site, history=[told(7, room="a\0b")])
    since = site.catalog.database.read(site.catalog.database.now)
    assert hand_over(site.catalog, plan, actor="test", reason="a test") == 1
    site.process(1)
    found = outcome(site.catalog, [plan], since=since)
    assert (len(found.done), found.total) == (1, 1)


def test_a_catalog_made_anew_looks_again_at_what_is_not_complete(site: Site) -> None:
    """It does not know when anybody looked; what is complete stays so."""
    site.lay(1, [*slices(4)[:3], None])
    lay_old(site, 2)
    site.has_policies(late_for=timedelta(0))
    for number in (1, 2):
        site.submit(number)
        site.process(number)
    forget = recordings.update().values(looked_at=None)
    site.catalog.database.write(lambda connection: connection.execute(forget))
    assert todos(planned(site)) == {1: Todo.AGAIN, 2: Todo.COMPLETE}


def test_it_is_seen_when_all_was_looked_at(site: Site) -> None:
    lay_old(site, 1, 2)
    since = site.catalog.database.read(site.catalog.database.now)
    plan = planned(site)
    hand_over(site.catalog, plan, actor="test", reason="a test")
    assert len(outcome(site.catalog, [plan], since=since).done) == 0
    site.process(1)
    found = outcome(site.catalog, [plan], since=since)
    assert ([each.id for each in found.done], found.total) == ([recording_id(1)], 2)


def test_memory_goes_with_the_number_of_recordings(tmp_path: Path) -> None:
    import tracemalloc  # noqa: PLC0415

    from flows.steps.stocktaking import take_stock  # noqa: PLC0415
    from storage.listing import listed  # noqa: PLC0415

    laid = agora_mixed(slices(), folder="")
    laid.write_to(tmp_path)
    store = LocalStore(tmp_path)
    metas = list(listed(store))

    def peak_bytes(laps: int) -> int:
        tracemalloc.start()
        take_stock(store, (meta for _ in range(laps) for meta in metas if meta.key.endswith(".ts")), ["agora"])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    assert peak_bytes(2000) < peak_bytes(20) + 20_000


@pytest.mark.parametrize(
    ("source", "target", "answer"),
    [
        ("file:///a", "file:///b", False),
        ("s3://a/", "file:///b", True),
        ("s3://a/", "s3://b/?region=us-east-1", False),
        ("s3://a/?region=eu-west-1", "s3://b/", True),
        ("oss://a/?region=cn-hangzhou", "oss://b/?region=cn-hangzhou", False),
        ("oss://a/?region=cn-hangzhou", "oss://b/?region=cn-beijing", True),
        ("oss://a/?region=cn-hangzhou", "cos://b/?region=cn-hangzhou", True),
        (
            "oss://a/?region=cn-hangzhou",
            "s3://b/?region=oss-cn-hangzhou&endpoint=https://oss-cn-hangzhou.aliyuncs.com",
            False,
        ),
        ("s3://a/?endpoint=http://127.0.0.1:9000", "s3://b/?endpoint=http://127.0.0.1:9000&region=x", False),
        ("s3://a/?endpoint=http://127.0.0.1:9000", "s3://b/?endpoint=http://127.0.0.1:9001", True),
    ],
)
def test_bytes_that_leave_a_cloud_or_a_region_are_known(source: str, target: str, answer: bool) -> None:
    assert crosses(source, target) is answer
    assert crosses(target, source) is answer
