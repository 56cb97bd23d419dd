"""What objects' names do not tell: the room, and whose a stream is."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.events import NOTHING_SAID, NamedFile, Vouched
from catalog.model import Mode, StreamKind
from deployments.sandbox.layouts import STARTED_AT, Laid, agora_individual, zego_mixed
from deployments.sandbox.vendors import SCRIPTS
from flows.steps.finding import find_recordings
from flows.steps.planning import RecordingPlan, plan_recording
from storage.local import LocalStore
from tests.flows.vendor_site import PACE, VendorSite, vendor_site
from tests.media.recordings import recording


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorSite]:
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        yield site


def planned(laid: Laid, folder: Path, vouched: Vouched = NOTHING_SAID) -> RecordingPlan:
    """The plan of what lies in the folder, where it is written first if nothing does."""
    store = LocalStore(folder if folder.exists() else laid.write_to(folder))
    ((objects, metas),) = find_recordings(store)
    return plan_recording(store, objects, metas, vouched)


def indexes(laid: Laid) -> list[str]:
    return [key.rpartition("/")[2] for key in laid.objects if key.endswith(".m3u8")]


def users(plan: RecordingPlan) -> list[tuple[str, str | None]]:
    return [(stream.objects.kind, stream.objects.user) for stream in plan.streams]


def test_users_and_the_room_are_those_that_the_vendor_said(tmp_path: Path) -> None:
    ann = zego_mixed(recording(4), stream="a_b_s1")
    bob = zego_mixed(recording(4), stream="c_s2", started_at=STARTED_AT + timedelta(seconds=3))
    (of_ann,), (of_bob,) = indexes(ann), indexes(bob)
    files = (NamedFile(name=of_ann, stream="b_s1", user="a"), NamedFile(name=f"record/{of_bob}", stream="s2", user="c"))
    nothing = planned(ann | bob, tmp_path / "room")
    plan = planned(ann | bob, tmp_path / "room", Vouched(files=files, room="math"))
    assert users(nothing) == [("participant", None), ("participant", None)]
    assert users(plan) == [("participant", "a"), ("participant", "c")]
    assert (plan.objects.room, plan.objects.mode, nothing.objects.room) == ("math", "individual", None)
    assert plan.digest == nothing.digest
    assert [stream.objects.stream for stream in plan.streams] == [stream.objects.stream for stream in nothing.streams]


@pytest.mark.parametrize(("user", "is_apart"), [("ann", True), ("mix_out", False)])
def test_one_stream_is_somebody_s_where_user_and_stream_differ(tmp_path: Path, user: str, *, is_apart: bool) -> None:
    laid = zego_mixed(recording(4))
    (index,) = indexes(laid)
    plan = planned(laid, tmp_path / "room", Vouched(files=(NamedFile(name=index, stream="mix_out", user=user),)))
    assert plan.objects.mode == ("individual" if is_apart else "mixed")
    assert users(plan) == [("participant", user) if is_apart else ("mixed", None)]


def test_two_users_of_one_stream_are_none(tmp_path: Path) -> None:
    laid = zego_mixed(recording(2)) | zego_mixed(recording(2), started_at=STARTED_AT + timedelta(seconds=9))
    files = tuple(NamedFile(name=name, stream="s", user=f"u{at}") for at, name in enumerate(indexes(laid)))
    assert users(planned(laid, tmp_path / "room", Vouched(files=files))) == [("mixed", None)]


def test_what_names_tell_stays(tmp_path: Path) -> None:
    laid = agora_individual(audio=recording(2, video=False))
    files = tuple(NamedFile(name=name, user="somebody") for name in indexes(laid))
    plan = planned(laid, tmp_path / "room", Vouched(files=files, room="nowhere"))
    assert users(plan) == [("participant", "2400311709")]
    assert plan.objects.room != "nowhere"


def test_of_zego_a_screen_is_its_user_s_and_a_whiteboard_nobody_s(site: VendorSite) -> None:
    asked = {"RecordInputParams": {"HasWhiteboard": True}}
    recording = site.start("zego", "board_7", SCRIPTS["screen share"], "individual", more=asked)
    time.sleep(8.6 / PACE)
    site.recordings.stop(recording)
    site.vendors.wait_idle(60)
    site.settled(recording)
    manifest = site.manifest(recording)
    assert (manifest.room, manifest.mode) == ("board_7", Mode.INDIVIDUAL)
    streams = {stream.stream: (stream.kind, stream.user) for stream in manifest.streams}
    assert streams == {
        "board_7_123_123_main": (StreamKind.PARTICIPANT, "123"),
        "board_7_123_123_screen": (StreamKind.PARTICIPANT, "123"),
        "board_7_whiteboard": (StreamKind.WHITEBOARD, None),
    }
    assert site.catalog.vouched(recording).room == "board_7"
    begin = manifest.started_at
    assert begin
    (main,) = site.catalog.attendances.who("board_7", begin + timedelta(seconds=0.5)).attendances
    assert (main.user, main.stream) == ("123", "board_7_123_123_main")
