"""A listing as recordings, object by object, held against what all of it at once makes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.steps.finding import find_recordings
from flows.steps.stocktaking import Stock, Stocked, take_stock
from storage.listing import listed
from storage.local import LocalStore
from tests.flows.folders import aged, slices, write
from tests.lab import agora_individual, agora_mixed, jocloud_mixed, plain, zego_mixed
from vendors.registry import VENDORS

STARTED_AT = datetime(2026, 3, 4, 9, 30, 15, 250_000, tzinfo=UTC)


def stock_of(folder: Path, vendors: Sequence[str] = tuple(VENDORS), prefix: str = "") -> Stock:
    store = LocalStore(folder)
    return take_stock(store, listed(store, prefix), vendors)


def lay_all(folder: Path) -> Path:
    """One recording of each kind; the plain one has its slices in a folder below."""
    for laid in (
        agora_mixed(slices()),
        agora_individual(audio=slices(), sid="7" * 32, folder="classes/"),
        zego_mixed(slices()),
        jocloud_mixed(slices()),
        plain(slices()),
    ):
        laid.write_to(folder)
    write(folder / "nested", index_m3u8="#EXTM3U\n")
    write(folder / "nested" / "media", a_ts=b"123", b_ts=b"4567")
    return folder


def test_the_same_recordings_are_found_as_by_all_objects_at_once(tmp_path: Path) -> None:
    lay_all(tmp_path)
    store = LocalStore(tmp_path)
    wanted = {}
    for objects, metas in find_recordings(store):
        of_streams = [each for stream in objects.streams for each in (*stream.playlists, *stream.media_files)]
        keys = {each.key for each in (*of_streams, *objects.segments, *objects.side_files)}
        size_bytes = sum(metas[key].size_bytes for key in keys)
        wanted[objects.vendor, objects.task_id] = (objects.room, objects.folder, size_bytes)

    stock = stock_of(tmp_path)

    assert len(wanted) == 6
    assert {
        (each.recording.vendor, each.recording.task_id): (each.room, each.folder, each.size_bytes)
        for each in stock.recordings
    } == wanted
    assert stock.unclaimed.count == 0


def test_what_no_recording_claims_is_counted_and_named(tmp_path: Path) -> None:
    lay_all(tmp_path)
    write(tmp_path / "strange", notes_txt=b"12345", alone_ts=b"1")
    (tmp_path / "strange" / "caf\udce9.ts").write_bytes(b"12")

    unclaimed = stock_of(tmp_path, ["agora", "zego", "jocloud"]).unclaimed
    assert unclaimed.count == 3 + 5 + 3  # the plain ones, too, where no vendor makes any
    stock = stock_of(tmp_path)
    assert (stock.unclaimed.count, stock.unclaimed.size_bytes) == (3, 8)
    assert set(stock.unclaimed.shown) == {"strange/notes.txt", "strange/alone.ts", "strange/caf\udce9.ts"}


def test_a_slice_of_any_name_belongs_to_the_task_that_begins_it(tmp_path: Path) -> None:
    laid = zego_mixed(slices())
    laid.write_to(tmp_path)
    (playlist,) = laid.playlists
    beside = tmp_path / playlist
    (beside.parent / f"{beside.name[:16]}_whatever.ts").write_bytes(b"123")
    (beside.parent / f"{'x' * 16}_whatever.ts").write_bytes(b"12345")

    stock = stock_of(tmp_path, ["zego"])

    [found] = stock.recordings
    assert found.size_bytes == sum(map(len, laid.objects.values())) + 3
    assert stock.unclaimed.size_bytes == 5


def the_one(stock: Stock) -> Stocked:
    [found] = stock.recordings
    return found


def test_times_are_those_in_the_names(tmp_path: Path) -> None:
    agora_mixed(slices()).write_to(tmp_path)
    aged(tmp_path, hours=1)
    found = the_one(stock_of(tmp_path))
    assert found.began_at == STARTED_AT
    assert found.ended_at == STARTED_AT + timedelta(seconds=6)
    assert timedelta(minutes=59) < datetime.now(UTC) - found.newest < timedelta(minutes=61)


@pytest.mark.parametrize("vendor", ["plain", "jocloud"])
def test_times_are_those_of_objects_where_names_have_none(tmp_path: Path, vendor: str) -> None:
    laid = plain(slices()) if vendor == "plain" else jocloud_mixed(slices())
    laid.write_to(tmp_path)
    aged(tmp_path, hours=1)
    found = the_one(stock_of(tmp_path, [vendor]))
    assert found.began_at <= found.ended_at == found.newest
    assert timedelta(minutes=59) < datetime.now(UTC) - found.began_at < timedelta(minutes=61)
