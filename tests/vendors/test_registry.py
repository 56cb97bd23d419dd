import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import AGORA_SID as SID
from tests.builders import JOCLOUD_RECORD as RECORD
from tests.builders import ZEGO_TASK as TASK
from tests.builders import keys_of, listing
from vendors.base import RecordingObjects, StreamObjects
from vendors.registry import group

UTC17 = "20240102030405006"
LATER = "20240102030420006"
OTHER = SID[::-1]
USER = f"{SID}_room1__uid_s_101__uid_e"


def one(*keys: str) -> RecordingObjects:
    found = group(listing(*keys))
    assert found.unreadable == ()
    (recording,) = found.recordings
    return recording


def only(recording: RecordingObjects) -> StreamObjects:
    (stream,) = recording.streams
    return stream


def test_agora_mixed() -> None:
    mixed = f"classes/{SID}_room_1"
    keys = [f"{mixed}.m3u8", f"{mixed}_{UTC17}.ts", f"{mixed}_{LATER}.ts", f"{mixed}_0.mp4"]
    recording = one(*keys)
    assert (recording.vendor, recording.task_id, recording.room) == ("agora", SID, "room_1")
    assert (recording.mode, recording.folder) == ("mixed", "classes/")
    stream = only(recording)
    assert (stream.stream, stream.kind, stream.user) == ("mix", "mixed", None)
    assert keys_of(stream.playlists) == keys[:1]
    assert keys_of(recording.segments) == keys[1:3]
    assert keys_of(recording.side_files) == keys[3:]
    assert stream.media_files == ()


def test_agora_individual() -> None:
    keys = [
        *(f"{USER}_audio.m3u8", f"{USER}_audio_{UTC17}.ts", f"{USER}_video.m3u8", f"{USER}_video_{UTC17}.webm"),
        *(f"{USER}_av.m3u8", f"{USER}_av.mpd", f"{USER}_video_{UTC17}.jpg", f"{USER}_0.mp4", f"{SID}_room1_0.mp3"),
        *(f"{SID}_room1__uid_s_7__uid_e_audio.m3u8", f"{SID}_room1__uid_s_7__uid_e_audio_{UTC17}.ts"),
    ]
    recording = one(*keys)
    assert (recording.mode, recording.room) == ("individual", "room1")
    streams = [(stream.stream, stream.kind, stream.user, len(stream.playlists)) for stream in recording.streams]
    assert streams == [("101", "participant", "101", 2), ("7", "participant", "7", 1)]
    assert keys_of(recording.side_files) == sorted(keys[4:9])
    assert len(recording.segments) == 3


def test_agora_raw_files_are_read_by_the_known_names_and_listed_where_none_fits() -> None:
    """Nothing is known of what mode raw uploads."""
    known = [f"{USER}_audio.m3u8", f"{USER}_audio_{UTC17}.ts"]
    odd = [f"classes/{SID}_room1__uid_s_101__uid_e_raw.bin", f"classes/{SID}_room1_{UTC17}.h264"]
    found = group(listing(*known, *odd))
    assert [keys_of(only(recording).playlists) for recording in found.recordings] == [known[:1]]
    assert keys_of(found.unreadable) == sorted(odd)


def test_agora_playlists_stand_original_first_then_legs_then_transfers() -> None:
    ordered = [
        f"{USER}_audio.m3u8",
        f"{USER}_audio_900_0.m3u8",
        f"{USER}_audio_900_10.m3u8",
        f"bak0_{USER}_audio.m3u8",
        f"bak2_{USER}_audio.m3u8",
        f"bak10_{USER}_audio.m3u8",
    ]
    stream = only(one(*ordered))
    assert keys_of(stream.playlists) == ordered


@pytest.mark.parametrize(
    ("names", "room"),
    [
        ([f"{SID}_room_1_2.m3u8", f"{SID}_room_1_2_{UTC17}.ts"], "room_1_2"),
        ([f"{SID}_room_1_2.m3u8", f"{SID}_room_{UTC17}.ts"], "room"),
        ([f"{SID}_room_1_2.m3u8", f"{SID}_room.m3u8"], "room"),
        ([f"{SID}_room_1_2.m3u8", f"bak0_{SID}_room.m3u8"], "room"),
        ([f"{SID}_room_1_2.m3u8"], "room_1_2"),
        ([f"{SID}_room_1_2.m3u8", f"{SID}_room_1_2_0.mp4"], "room_1_2"),
        ([f"{SID}_room_{UTC17}_{LATER}.ts", f"{SID}_room_{UTC17}.m3u8"], f"room_{UTC17}"),
    ],
)
def test_agora_rooms_are_read_against_each_other(names: list[str], room: str) -> None:
    recording = one(*names)
    assert recording.room == room
    assert only(recording).stream == "mix"


def test_agora_sid_is_compared_without_case() -> None:
    recording = one(f"{USER}_audio.m3u8", f"{USER.replace(SID, SID.upper())}_audio_{UTC17}.ts")
    assert recording.task_id in {SID, SID.upper()}
    assert len(recording.segments) == 1


def test_agora_media_files_alone_are_the_streams() -> None:
    recording = one(f"{SID}_room1_1.mp4", f"{SID}_room1_0.mp4", f"{SID}_room1_10.mp4")
    assert keys_of(only(recording).media_files) == [f"{SID}_room1_{index}.mp4" for index in (0, 1, 10)]
    assert recording.side_files == ()


def test_two_recordings_in_one_folder_stay_apart() -> None:
    found = group(listing(*(f"classes/{sid}_room1{end}" for sid in (SID, OTHER) for end in (".m3u8", f"_{UTC17}.ts"))))
    assert sorted(recording.task_id for recording in found.recordings) == sorted([SID, OTHER])
    assert all(len(recording.segments) == 1 for recording in found.recordings)


def test_one_recording_in_two_folders_is_one() -> None:
    recording = one(f"rec/ab/{SID}_room1.m3u8", f"rec/ac/{SID}_room1_{UTC17}.ts")
    assert recording.folder == "rec/"
    assert one(f"a/{SID}_room1.m3u8", f"b/{SID}_room1_{UTC17}.ts").folder == ""
    assert one(f"a/{SID}_room1.m3u8", f"a/b/{SID}_room1_{UTC17}.ts").folder == "a/"


@pytest.mark.parametrize(
    ("slices", "stream"),
    [
        ([f"{USER}_video_{UTC17}.ts"], "101"),
        ([f"{SID}_room1_{UTC17}.ts"], "mix"),
        ([f"{TASK}_room_mix_VA_{UTC17}_0.ts"], "room_mix"),
        ([f"rid_{RECORD}_room_0.ts"], "mix"),
        ([f"rid_{RECORD}_room__uid_s_7__uid_e_0.ts"], "7"),
    ],
)
def test_slices_without_a_playlist_are_found(slices: list[str], stream: str) -> None:
    recording = one(*slices)
    assert only(recording).stream == stream
    assert only(recording).playlists == ()
    assert keys_of(recording.segments) == slices


def test_zego_mixed() -> None:
    base = f"record/{TASK}_room_my_out_VA_{UTC17}"
    recording = one(f"{base}.m3u8", f"{base}_0.ts", f"record/{TASK}_17.ts", f"record/{TASK}_x", f"{base}.sw")
    assert (recording.vendor, recording.task_id, recording.room, recording.mode) == ("zego", TASK, None, "mixed")
    assert [(stream.stream, stream.kind) for stream in recording.streams] == [("room_my_out", "mixed")]
    assert keys_of(recording.segments) == [f"record/{TASK}_17.ts", f"{base}_0.ts", f"record/{TASK}_x"]
    assert keys_of(recording.side_files) == [f"{base}.sw"]


def test_zego_task_ids_are_learned_per_folder() -> None:
    found = group(listing(f"a/{TASK}_room_mix_VA_{UTC17}.m3u8", f"b/{TASK}_17.ts"))
    assert keys_of(found.unreadable) == [f"b/{TASK}_17.ts"]


def test_zego_unreadable_playlist_of_a_known_task_is_no_slice() -> None:
    recording = one(f"{TASK}_room_mix_VA_{UTC17}.m3u8", f"{TASK}_live.m3u8")
    assert keys_of(recording.side_files) == [f"{TASK}_live.m3u8"]


def test_zego_individual() -> None:
    recording = one(
        f"{TASK}_room_u1_s1_VA_{LATER}.m3u8",
        f"{TASK}_room_u1_s1_VA_{UTC17}.m3u8",
        f"{TASK}_room_u2_s2_A_{UTC17}.m3u8",
        f"{TASK}_room_u2_s2_V_{UTC17}.m3u8",
        f"{TASK}_room_whiteboard_V_{UTC17}.m3u8",
    )
    assert recording.mode == "individual"
    assert [(stream.stream, stream.kind, len(stream.playlists)) for stream in recording.streams] == [
        ("room_u1_s1", "participant", 2),
        ("room_u2_s2", "participant", 2),
        ("room_whiteboard", "whiteboard", 1),
    ]
    assert keys_of(recording.streams[0].playlists)[0].endswith(f"{UTC17}.m3u8")


def test_jocloud_mixed() -> None:
    base = f"live/rid_{RECORD}_abcabc"
    recording = one(f"{base}.m3u8", f"{base}_0.ts", f"live/rid_{RECORD}_anything")
    assert (recording.vendor, recording.task_id, recording.room) == ("jocloud", RECORD, "abcabc")
    assert (recording.mode, only(recording).stream, len(recording.segments)) == ("mixed", "mix", 2)


def test_jocloud_source() -> None:
    base = f"rid_{RECORD}_abcabc"
    recording = one(f"{base}__uid_s_u_1__uid_e.m3u8", f"{base}__uid_s_u_2__uid_e.m3u8", f"{base}_0.ts")
    assert recording.mode == "individual"
    assert [(stream.stream, stream.user) for stream in recording.streams] == [("u_1", "u_1"), ("u_2", "u_2")]
    assert len(recording.segments) == 1


def test_plain_folder_with_one_playlist_holds_its_media() -> None:
    recording = one("vod/lecture.m3u8", "vod/a.ts", "vod/parts/b.m4s", "vod/lecture.mp4", "vod/poster.jpg")
    assert (recording.vendor, recording.task_id, recording.mode) == ("plain", "vod/lecture", "mixed")
    assert keys_of(recording.segments) == ["vod/a.ts", "vod/parts/b.m4s"]
    assert keys_of(recording.side_files) == ["vod/lecture.mp4", "vod/poster.jpg"]
    assert keys_of(only(recording).playlists) == ["vod/lecture.m3u8"]


def test_plain_playlists_of_one_name_in_two_folders_are_two_recordings() -> None:
    found = group(listing("a/index.m3u8", "a/0.ts", "b/index.m3u8", "b/0.ts", "index.m3u8", "0.ts", "c/0.ts"))
    assert [(recording.task_id, keys_of(recording.segments)) for recording in found.recordings] == [
        ("a/index", ["a/0.ts"]),
        ("b/index", ["b/0.ts"]),
        ("index", ["0.ts", "c/0.ts"]),
    ]


def test_plain_folder_with_several_playlists_goes_by_the_longest_stem() -> None:
    found = group(listing("v1.m3u8", "v1_0.ts", "v10.m3u8", "v10_0.ts", "x.ts"))
    assert {recording.task_id: keys_of(recording.segments) for recording in found.recordings} == {
        "v1": ["v1_0.ts"],
        "v10": ["v10_0.ts"],
    }
    assert keys_of(found.unreadable) == ["x.ts"]


def test_what_no_rule_reads_is_listed() -> None:
    found = group(listing("notes.txt", "a/x.ts", f"{SID}_room1.mp4", f"{SID}_room1.m3u8"))
    assert keys_of(found.unreadable) == [f"{SID}_room1.mp4", "a/x.ts", "notes.txt"]


def test_nothing() -> None:
    assert group([]).recordings == ()


_KEYS = [
    f"{folder}{name}"
    for folder in ("", "a/", "a/b/")
    for name in (
        *(f"{SID}_room_1_2.m3u8", f"{SID}_room_{UTC17}.ts", f"{SID.upper()}_room_0.mp4", f"bak0_{USER}_audio.m3u8"),
        *(f"{USER}_audio_{UTC17}.ts", f"{USER}_video_{UTC17}.jpg", f"{TASK}_r_s_VA_{UTC17}.m3u8", f"{TASK}_1.ts"),
        *(f"{TASK}_r_whiteboard_V_{UTC17}.mp4", f"rid_{RECORD}_r.m3u8", f"rid_{RECORD}_r_1.ts", "v1.m3u8", "v1_0.ts"),
        *("v10.m3u8", "v10_0.ts", "0.ts", "notes.txt"),
    )
]


@given(st.sets(st.sampled_from(_KEYS)), st.integers(0, 10**6))
@settings(deadline=None)
def test_every_object_is_in_one_place_whatever_the_order(keys: set[str], seed: int) -> None:
    objects = listing(*sorted(keys))
    shuffled = random.Random(seed).sample(objects, len(objects))
    found = group(shuffled)
    assert found == group(objects)
    placed = keys_of(found.unreadable)
    for recording in found.recordings:
        held = [listed for stream in recording.streams for listed in (*stream.playlists, *stream.media_files)]
        names = keys_of([*held, *recording.segments, *recording.side_files])
        assert all(key.startswith(recording.folder) for key in names)
        assert len({stream.stream for stream in recording.streams}) == len(recording.streams)
        placed += names
    assert sorted(placed) == sorted(keys)
