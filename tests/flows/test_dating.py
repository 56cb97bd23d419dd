"""When a stream began, where neither playlists nor names of slices tell it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.events import NamedFile, Presence, PresenceMark, Vouched
from deployments.sandbox.layouts import STARTED_AT, MixedLayout, agora_mixed, jocloud_mixed, plain, zego_mixed
from flows.process import Inline, check, run_inline
from flows.steps.finding import find_recordings
from flows.steps.planning import RecordingPlan
from flows.steps.tasks import Task
from media.clock import ClockSource, WallClock
from storage.local import LocalStore
from tests.flows.test_naming import indexes, planned
from tests.media.recordings import recording

SAID = STARTED_AT + timedelta(milliseconds=55)


def walls(plan: RecordingPlan) -> list[WallClock | None]:
    return [segment.wall for stream in plan.streams for segment in stream.assembly.segments]


def started(at: datetime) -> PresenceMark:
    return PresenceMark(stream="mix", track=None, presence=Presence.SLICE_START, at=at)


def test_what_the_vendor_said_of_a_file_counts_more_than_its_name(tmp_path: Path) -> None:
    laid = zego_mixed(recording(4))
    (index,) = indexes(laid)
    vouched = Vouched(files=(NamedFile(name=index.replace(".m3u8", ".mp4"), started_at=SAID),))
    by_name, by_event = planned(laid, tmp_path / "room"), planned(laid, tmp_path / "room", vouched)
    assert walls(by_name) == [WallClock(at=STARTED_AT, source=ClockSource.FILE_NAME), None]
    assert walls(by_event) == [WallClock(at=SAID, source=ClockSource.VENDOR_EVENT), None]
    assert by_name.digest != by_event.digest


def test_names_of_slices_count_more(tmp_path: Path) -> None:
    laid = agora_mixed(recording(4))
    (index,) = indexes(laid)
    vouched = Vouched(files=(NamedFile(name=index, started_at=SAID),), presence=(started(SAID),))
    plan = planned(laid, tmp_path / "room", vouched)
    assert {wall.source for wall in walls(plan) if wall} == {ClockSource.SLICE_NAME}
    assert plan.digest == planned(laid, tmp_path / "room").digest


@pytest.mark.parametrize(("starts", "is_clear"), [(0, False), (1, True), (2, False)])
def test_a_message_that_names_no_file_is_believed_where_there_is_one(
    tmp_path: Path, starts: int, *, is_clear: bool
) -> None:
    marks = tuple(started(SAID + timedelta(seconds=second)) for second in range(starts))
    first, *others = walls(planned(jocloud_mixed(recording(4)), tmp_path / "room", Vouched(presence=marks)))
    assert first is not None
    assert first.source is (ClockSource.VENDOR_EVENT if is_clear else ClockSource.OBJECT_TIME)
    assert (first.at == SAID) is is_clear
    assert others == [None]


@pytest.mark.parametrize("layout", [jocloud_mixed, plain])
def test_the_time_of_an_object_tells_of_a_stream_of_which_nothing_else_does(
    tmp_path: Path, layout: MixedLayout
) -> None:
    plan = planned(layout(recording(4)), tmp_path / "room")
    assembly = plan.streams[0].assembly
    first, *others = assembly.segments
    written = plan.metas[first.key].last_modified
    assert first.wall == WallClock(at=written - timedelta(seconds=2), source=ClockSource.OBJECT_TIME)
    assert not first.wall.is_exact
    assert [segment.wall for segment in others] == [None]
    undated = replace(assembly, segments=(replace(first, wall=None), *others))
    assert assembly.digest == undated.digest


def test_the_time_of_an_object_is_no_time_of_a_manifest(tmp_path: Path) -> None:
    store = LocalStore(jocloud_mixed(recording(4)).write_to(tmp_path))
    ((objects, metas),) = find_recordings(store)
    task = Task(source=store, objects=objects, metas=metas, now=datetime.now(UTC) + timedelta(days=1))
    manifest = run_inline(check(Inline(), task)).manifest
    (stream,) = manifest.streams
    assert stream.clock.source is ClockSource.OBJECT_TIME
    assert (stream.started_at, stream.ended_at, manifest.started_at) == (None, None, None)
