"""Names are codecs: every table runs both ways."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import AGORA_SID as SID
from tests.builders import JOCLOUD_RECORD as RECORD
from tests.builders import ZEGO_TASK as TASK
from vendors.agora import names as agora
from vendors.base import ObjectKind, ObjectName, encode_utc, parse_utc
from vendors.jocloud import names as jocloud
from vendors.plain import names as plain
from vendors.registry import VENDORS, detect
from vendors.zego import names as zego

AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)
UTC17 = "20240102030405006"


def agora_name(kind: ObjectKind, extension: str, **fields: object) -> ObjectName:
    plain_name = ObjectName(vendor="agora", task_id=SID, kind=kind, extension=extension, room="room1")
    return replace(plain_name, **fields)  # type: ignore[arg-type]


INDIVIDUAL = f"{SID}_room1__uid_s_101__uid_e_"
AUDIO = {"user": "101", "track": "audio"}
VIDEO = {"user": "101", "track": "video"}
BOTH = {"user": "101", "track": "both"}
MIXED = {"track": "both"}

AGORA = {
    f"{INDIVIDUAL}audio.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", **AUDIO),
    f"{INDIVIDUAL}video.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", **VIDEO),
    f"{INDIVIDUAL}av.m3u8": agora_name(ObjectKind.MERGED_PLAYLIST, "m3u8", **BOTH),
    f"{INDIVIDUAL}av.mpd": agora_name(ObjectKind.DASH, "mpd", **BOTH),
    f"{INDIVIDUAL}audio_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", started_at=AT, **AUDIO),
    f"{INDIVIDUAL}video_{UTC17}.webm": agora_name(ObjectKind.SEGMENT, "webm", started_at=AT, **VIDEO),
    f"{INDIVIDUAL}av_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", started_at=AT, **BOTH),
    f"{INDIVIDUAL}video_{UTC17}.jpg": agora_name(ObjectKind.SNAPSHOT, "jpg", started_at=AT, **VIDEO),
    f"{INDIVIDUAL}0.mp4": agora_name(ObjectKind.MEDIA_FILE, "mp4", user="101", index=0),
    f"{INDIVIDUAL}video_22194679897_3.m3u8": agora_name(
        ObjectKind.PLAYLIST, "m3u8", transfer=(22194679897, 3), **VIDEO
    ),
    f"bak0_{INDIVIDUAL}audio.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", leg=0, **AUDIO),
    f"bak12_{INDIVIDUAL}audio_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", leg=12, started_at=AT, **AUDIO),
    f"{SID}_room1.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", **MIXED),
    f"{SID}_room1_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", started_at=AT, **MIXED),
    f"{SID}_room1_0.mp4": agora_name(ObjectKind.MEDIA_FILE, "mp4", index=0, **MIXED),
    f"{SID}_room1_11.m4a": agora_name(ObjectKind.MEDIA_FILE, "m4a", index=11, **MIXED),
    f"bak1_{SID}_room1.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", leg=1, **MIXED),
    f"bak1_{SID}_room1_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", leg=1, started_at=AT, **MIXED),
    f"bak0_{SID}_room1_0.mp4": agora_name(ObjectKind.MEDIA_FILE, "mp4", leg=0, index=0, **MIXED),
    f"{SID.upper()}_room1__uid_s_101__uid_e_video_{UTC17}.jpg": agora_name(
        ObjectKind.SNAPSHOT, "jpg", task_id=SID.upper(), started_at=AT, **VIDEO
    ),
    # channel names as seen: digits only, with `_`, a letter and 17 digits, punctuation, the fixed words
    f"{SID}_654321.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", room="654321", **MIXED),
    f"{SID}_c13566704081920217.m3u8": agora_name(ObjectKind.PLAYLIST, "m3u8", room="c13566704081920217", **MIXED),
    f"{SID}_{UTC17}_{UTC17}.ts": agora_name(ObjectKind.SEGMENT, "ts", room=UTC17, started_at=AT, **MIXED),
    f"{SID}_ride_30426__uid_s_3216704981__uid_e_video.m3u8": agora_name(
        ObjectKind.PLAYLIST, "m3u8", room="ride_30426", user="3216704981", track="video"
    ),
    f"{SID}_a__uid_s_5__uid_e_audio__uid_s_101__uid_e_video.m3u8": agora_name(
        ObjectKind.PLAYLIST, "m3u8", room="a__uid_s_5__uid_e_audio", **VIDEO
    ),
    f"{SID}_a b!#$%&()+-:;<=.>?@[]^_{{}}|~,_{UTC17}.ts": agora_name(
        ObjectKind.SEGMENT, "ts", room="a b!#$%&()+-:;<=.>?@[]^_{}|~,", started_at=AT, **MIXED
    ),
    f"sid713476478245_cnameagora__uid_s_123__uid_e_video_{UTC17}.ts": agora_name(
        ObjectKind.SEGMENT, "ts", task_id="sid713476478245", room="cnameagora", user="123", track="video", started_at=AT
    ),
}


def zego_name(kind: ObjectKind, extension: str, **fields: object) -> ObjectName:
    plain_name = ObjectName(
        vendor="zego", task_id=TASK, kind=kind, extension=extension, track="both", started_at=AT, middle="6677_8_8"
    )
    return replace(plain_name, **fields)  # type: ignore[arg-type]


ZEGO = {
    f"{TASK}_6677_8_8_VA_{UTC17}.mp4": zego_name(ObjectKind.MEDIA_FILE, "mp4"),
    f"{TASK}_6677_8_8_VA_{UTC17}.m3u8": zego_name(ObjectKind.PLAYLIST, "m3u8"),
    f"{TASK}_6677_8_8_VA_{UTC17}_0.ts": zego_name(ObjectKind.SEGMENT, "ts", tail="_0"),
    f"{TASK}_6677_8_8_VA_{UTC17}-12.v.ts": zego_name(ObjectKind.SEGMENT, "ts", tail="-12.v"),
    f"{TASK}_6677_8_8_A_{UTC17}.aac": zego_name(ObjectKind.MEDIA_FILE, "aac", track="audio"),
    f"{TASK}_6677_8_8_V_{UTC17}.flv": zego_name(ObjectKind.MEDIA_FILE, "flv", track="video"),
    f"{TASK}_6677_8_8_A_{UTC17}.ogg": zego_name(ObjectKind.MEDIA_FILE, "ogg", track="audio"),
    f"{TASK}_6677_8_8_VA_{UTC17}.jpg": zego_name(ObjectKind.SNAPSHOT, "jpg"),
    f"{TASK}_6677_8_8_VA_{UTC17}.sw": zego_name(ObjectKind.SIDECAR, "sw"),
    f"{TASK}_6677_whiteboard_V_{UTC17}.m3u8": zego_name(
        ObjectKind.PLAYLIST, "m3u8", middle="6677_whiteboard", track="video"
    ),
    f"YRHu6-E4_yvEA_AD_r_VA_{UTC17}_m_V_{UTC17}.mp4": zego_name(
        ObjectKind.MEDIA_FILE, "mp4", task_id="YRHu6-E4_yvEA_AD", middle=f"r_VA_{UTC17}_m", track="video"
    ),
}


def jocloud_name(kind: ObjectKind, extension: str, **fields: object) -> ObjectName:
    plain_name = ObjectName(vendor="jocloud", task_id=RECORD, kind=kind, extension=extension, track="both")
    return replace(plain_name, **fields)  # type: ignore[arg-type]


JOCLOUD = {
    f"rid_{RECORD}_abcabc.m3u8": jocloud_name(ObjectKind.PLAYLIST, "m3u8", room="abcabc"),
    f"rid_{RECORD}_abcabc__uid_s_10266666__uid_e.m3u8": jocloud_name(
        ObjectKind.PLAYLIST, "m3u8", room="abcabc", user="10266666"
    ),
    f"rid_{RECORD}_a_b__uid_s_x__uid_e__uid_s_u_1__uid_e.m3u8": jocloud_name(
        ObjectKind.PLAYLIST, "m3u8", room="a_b__uid_s_x__uid_e", user="u_1"
    ),
    f"rid_{RECORD}_abcabc__uid_s_7__uid_e_0001.ts": jocloud_name(
        ObjectKind.SEGMENT, "ts", room="abcabc", user="7", tail="_0001"
    ),
    f"rid_{RECORD}_abcabc_0001.ts": jocloud_name(ObjectKind.SEGMENT, "ts", middle="abcabc_0001"),
    f"rid_{RECORD}_whatever": jocloud_name(ObjectKind.SEGMENT, "", middle="whatever"),
    f"rid_{RECORD}_odd.": jocloud_name(ObjectKind.SEGMENT, "", middle="odd."),
}

PLAIN = {
    "index.m3u8": ObjectName(vendor="plain", task_id="index", kind=ObjectKind.PLAYLIST, extension="m3u8", track="both"),
    "a.b.m3u": ObjectName(vendor="plain", task_id="a.b", kind=ObjectKind.PLAYLIST, extension="m3u", track="both"),
}

EVERY = [("agora", *pair) for pair in AGORA.items()]
EVERY += [("zego", *pair) for pair in ZEGO.items()]
EVERY += [("jocloud", *pair) for pair in JOCLOUD.items()]
EVERY += [("plain", *pair) for pair in PLAIN.items()]


@pytest.mark.parametrize(("vendor", "text", "name"), EVERY)
def test_both_ways(vendor: str, text: str, name: ObjectName) -> None:
    assert VENDORS[vendor].parse_name(text) == name
    assert VENDORS[vendor].encode_name(name) == text
    assert detect(text) == vendor


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        ("index_1.m3u8", "plain"),
        ("my_room__uid_s_x__uid_e_audio.m3u8", "plain"),
        ("31847205_2749160358__UserId_s_QQ.__UserId_e_main_video.m3u8", "plain"),
        ("index_1.ts", None),
        ("notes.txt", None),
        ("", None),
        (".m3u8", None),
        (f"{SID}_room1_20241302030405006.jpg", None),
        (f"{SID}_room1__uid_s_1__uid_e_audio_20241302030405006.ts", None),
        (f"{SID}_room1__uid_s_\u0663__uid_e_audio_{UTC17}.ts", "agora"),
        (f"{SID}_room1.mp4", None),
        (f"{SID[:-1]}_room1_{UTC17}.ts", None),
        (f"{TASK}_room_VA_{UTC17}.exe", None),
        (f"{TASK}_room_VA_20240230030405006.mp4", None),
        (f"rid_{RECORD}", None),
    ],
)
def test_names_of_others(text: str, vendor: str | None) -> None:
    assert detect(text) == vendor


def test_a_transfer_needs_the_channels_name() -> None:
    text = f"{SID}_room_1_2.m3u8"
    assert agora.parse_name(text) == agora_name(ObjectKind.PLAYLIST, "m3u8", room="room_1_2", **MIXED)
    moved = agora_name(ObjectKind.PLAYLIST, "m3u8", room="room", transfer=(1, 2), **MIXED)
    assert agora.parse_name(text, room="room") == moved
    assert agora.encode_name(moved) == text
    assert agora.parse_name(text, room="else") is None


def test_a_jocloud_room_that_is_known_is_taken_literally() -> None:
    text = f"rid_{RECORD}_a__uid_s_b__uid_s_c__uid_e.m3u8"
    assert (found := jocloud.parse_name(text))
    assert (found.room, found.user) == ("a__uid_s_b", "c")
    assert (found := jocloud.parse_name(text, room="a"))
    assert (found.room, found.user) == ("a", "b__uid_s_c")
    assert jocloud.encode_name(found) == text


@pytest.mark.parametrize(
    ("vendor", "name"),
    [
        ("agora", agora_name(ObjectKind.PLAYLIST, "m3u8", task_id="not a sid", **MIXED)),
        ("agora", agora_name(ObjectKind.PLAYLIST, "m3u8", user="anna", track="audio")),
        ("agora", agora_name(ObjectKind.SNAPSHOT, "jpg", started_at=AT, **MIXED)),
        ("zego", zego_name(ObjectKind.PLAYLIST, "m3u8", task_id="short")),
        ("zego", zego_name(ObjectKind.PLAYLIST, "m3u8", track=None)),
        ("zego", zego_name(ObjectKind.SEGMENT, "m3u8")),
        ("jocloud", jocloud_name(ObjectKind.PLAYLIST, "m3u8", task_id="with_underscore", room="r")),
        ("plain", replace(PLAIN["index.m3u8"], extension="mp4")),
    ],
)
def test_what_no_name_can_say(vendor: str, name: ObjectName) -> None:
    with pytest.raises(ValueError, match="name"):
        VENDORS[vendor].encode_name(name)


@pytest.mark.parametrize("digits", ["20240230000000000", "20240101240000000", "2024010100000000", "0" * 17, "x" * 17])
def test_what_is_no_time(digits: str) -> None:
    assert parse_utc(digits) is None


_TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
_WORDS = st.sampled_from(
    ["_", "__uid_s_", "__uid_e_", "__uid_e", "room", "_1_2", "_0", "é😀", "x" * 300, ".", "_VA_", UTC17]
)
_ROOMS = st.lists(_WORDS | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), min_size=1)
_ROOM = _ROOMS.map("".join).filter(bool)
_NUMBERS = st.integers(0, 10**11)
_LEGS = st.none() | st.integers(0, 99)
_SIDS = st.integers(0, 16**32 - 1).map(lambda number: f"{number:032x}")
_UIDS = st.integers(0, 2**32 - 1).map(str)


@given(_TIMES)
def test_times_both_ways(at: datetime) -> None:
    assert parse_utc(encode_utc(at)) == at
    assert encode_utc(at + timedelta(microseconds=999)) == encode_utc(at)


_IDS = st.fixed_dictionaries({"task_id": _SIDS, "room": _ROOM, "leg": _LEGS})


@given(_IDS, _UIDS, st.sampled_from(["audio", "video"]), _TIMES, st.tuples(_NUMBERS, _NUMBERS))
def test_agora_round_trip(
    ids: dict[str, object], user: str, track: str, at: datetime, transfer: tuple[int, int]
) -> None:
    room = str(ids["room"])
    individual = {**ids, "user": user, "track": track}
    for name in (
        agora_name(ObjectKind.PLAYLIST, "m3u8", **individual),
        agora_name(ObjectKind.PLAYLIST, "m3u8", transfer=transfer, **individual),
        agora_name(ObjectKind.SEGMENT, "ts", started_at=at, **individual),
        agora_name(ObjectKind.MEDIA_FILE, "mp4", index=transfer[0], user=user, **ids),
    ):
        assert agora.parse_name(agora.encode_name(name)) == name
        assert agora.parse_name(agora.encode_name(name), room=room) == name
    for name in (
        agora_name(ObjectKind.PLAYLIST, "m3u8", **MIXED, **ids),
        agora_name(ObjectKind.PLAYLIST, "m3u8", transfer=transfer, **MIXED, **ids),
        agora_name(ObjectKind.SEGMENT, "ts", started_at=at, **MIXED, **ids),
        agora_name(ObjectKind.MEDIA_FILE, "mp4", index=transfer[0], **MIXED, **ids),
    ):
        assert agora.parse_name(agora.encode_name(name), room=room) == name


@given(st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True), _ROOM, st.sampled_from(["audio", "video", "both"]), _TIMES)
def test_zego_round_trip(task_id: str, middle: str, track: str, at: datetime) -> None:
    name = zego_name(ObjectKind.PLAYLIST, "m3u8", task_id=task_id, middle=middle, track=track, started_at=at)
    assert zego.parse_name(zego.encode_name(name)) == name


@given(st.from_regex(r"[0-9a-f]{35,37}", fullmatch=True), _ROOM, _ROOM.filter(lambda user: "__uid_e" not in user))
def test_jocloud_round_trip(record: str, room: str, user: str) -> None:
    for name in (
        jocloud_name(ObjectKind.PLAYLIST, "m3u8", task_id=record, room=room, user=user),
        jocloud_name(ObjectKind.PLAYLIST, "m3u8", task_id=record, room=room),
    ):
        assert jocloud.parse_name(jocloud.encode_name(name), room=room) == name


_NAME_PIECES = st.sampled_from(
    [
        SID,
        TASK,
        "rid_",
        RECORD,
        "bak0_",
        "room",
        "__uid_s_",
        "1",
        "__uid_e_",
        "audio",
        "_",
        UTC17,
        "VA",
        ".",
        "ts",
        "m3u8",
    ]
)


@given(
    st.lists(_NAME_PIECES | st.sampled_from([".ts", f"_{UTC17}.ts", "_20261301000000000.jpg"]), max_size=12).map(
        "".join
    )
)
@example(f"bak0_{INDIVIDUAL}audio_{UTC17}.ts")
@example(f"{SID}_room1_{UTC17}.ts")
@example(f"{SID}_room1_1{UTC17}.ts")
@example(f"{INDIVIDUAL}video_20240102240405006.ts")
def test_agora_names_that_differ_in_their_time_alone_are_alike(text: str) -> None:
    name = agora.parse_name(text)
    assert agora.started_at(text) == (name and name.started_at)
    head, at, extension = agora.around_time(text)
    if at is not None:
        alike = agora.parse_name(agora.at_any_time(head, extension))
        assert (alike and replace(alike, started_at=at)) == name


@given(st.text(max_size=40) | st.lists(_NAME_PIECES, max_size=12).map("".join))
def test_any_text_is_read_or_not_and_written_back(text: str) -> None:
    for vendor in VENDORS.values():
        if name := vendor.parse_name(text):
            assert vendor.encode_name(name) == text
    assert plain.parse_name(text) is None or text.endswith((".m3u8", ".m3u"))
