from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.errors import LayoutError
from catalog.layout import (
    BackupKey,
    IndexAxis,
    IndexKey,
    LatestKey,
    LayoutKey,
    ManifestKey,
    MediaKey,
    MediaName,
    SegmentsKey,
    decode_key,
    index_prefix,
    manifests_prefix,
    served,
)

PLAN = "0123456789abcdef"
LONG = "学" * 400

TABLE: list[tuple[LayoutKey, str]] = [
    (
        MediaKey(vendor="agora", task_id="5f0c1e", stream="mix", name=MediaName(plan16=PLAN, extension="mp4")),
        f"media/agora/5f0c1e/mix/{PLAN}.mp4",
    ),
    (
        MediaKey(
            vendor="zego",
            task_id="Ab_1",
            stream="room/7~x",
            name=MediaName(plan16=PLAN, extension="webm", attempt=2, content="video", part=3),
        ),
        f"media/zego/Ab_1/room%2F7%7Ex/{PLAN}-2.video.p03.webm",
    ),
    (
        MediaKey(
            vendor="plain",
            task_id="..",
            stream="é",
            name=MediaName(plan16=PLAN, extension="m4a", content="audio", part=100),
        ),
        f"media/plain/%2E%2E/%C3%A9/{PLAN}.audio.p100.m4a",
    ),
    (
        SegmentsKey(vendor="jocloud", task_id="rid.1", stream="u 1", sha16="fedcba9876543210"),
        "segments/jocloud/rid.1/u%201/fedcba9876543210.jsonl.gz",
    ),
    (
        ManifestKey(vendor="agora", task_id="5f0c1e", revision=7, digest12="0123456789ab"),
        "manifests/agora/5f0c1e/000007-0123456789ab.json",
    ),
    (
        ManifestKey(vendor="agora", task_id="5f0c1e", revision=1_000_000, digest12="0123456789ab"),
        "manifests/agora/5f0c1e/1000000-0123456789ab.json",
    ),
    (LatestKey(vendor="agora", task_id="latest.json"), "manifests/agora/latest.json/latest.json"),
    (
        IndexKey(
            axis=IndexAxis.USER,
            id="anna@example",
            first_published_at=datetime(2026, 5, 3, 15, 2, 3, 45_000, tzinfo=UTC),
            vendor="v-2",
            task_id="a_b_c.json",
        ),
        "index/user/anna%40example/20260503T150203045Z_v-2_a_b_c.json.json",
    ),
    (BackupKey(vendor="zego", task_id="Ab_1", name="a/ü~.m3u8"), "backup/zego/Ab_1/a%2F%C3%BC%7E.m3u8"),
]

ids = st.text(min_size=1, max_size=9)
vendors = st.sampled_from(["agora", "zego", "jocloud", "plain"])
hex16 = st.text("0123456789abcdef", min_size=16, max_size=16)
times = st.datetimes(timezones=st.just(UTC), max_value=datetime(9998, 1, 1)).map(  # noqa: DTZ001 - bounds are naive
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
names = st.builds(
    MediaName,
    plan16=hex16,
    extension=st.sampled_from(["mp4", "m4a", "webm", "mp3", "aac", "flv"]),
    attempt=st.integers(1, 99),
    content=st.sampled_from(["audio", "video", None]),
    part=st.none() | st.integers(1, 120),
)
keys = st.one_of(
    st.builds(MediaKey, vendor=vendors, task_id=ids, stream=ids, name=names),
    st.builds(SegmentsKey, vendor=vendors, task_id=ids, stream=ids, sha16=hex16),
    st.builds(
        ManifestKey,
        vendor=vendors,
        task_id=ids,
        revision=st.integers(1, 10_000_000),
        digest12=hex16.map(lambda text: text[:12]),
    ),
    st.builds(LatestKey, vendor=vendors, task_id=ids),
    st.builds(BackupKey, vendor=vendors, task_id=ids, name=ids),
    st.builds(
        IndexKey,
        axis=st.sampled_from(IndexAxis),
        id=ids,
        first_published_at=times,
        vendor=vendors,
        task_id=ids,
    ),
)


@pytest.mark.parametrize(("value", "key"), TABLE)
def test_keys_go_both_ways(value: LayoutKey, key: str) -> None:
    assert value.key == key
    assert decode_key(key) == value


@given(keys)
def test_every_key_decodes_to_what_it_was_made_of(value: LayoutKey) -> None:
    assert decode_key(value.key) == value


@given(keys)
def test_keys_keep_the_rules_of_object_keys(value: LayoutKey) -> None:
    parts = value.key.split("/")

    assert value.key.isascii()
    assert value.key.isprintable()
    assert all(part not in {"", ".", ".."} and len(part) <= 255 for part in parts)
    assert len(value.key) <= 1024


@given(st.text(min_size=1), st.text(min_size=1))
@example(LONG, LONG)
@example("x" * 4096, "y" * 4096)
def test_long_ids_keep_keys_short_and_decode_to_the_same_key(task_id: str, other: str) -> None:
    for key in (
        SegmentsKey(vendor="agora", task_id=task_id, stream=other, sha16=PLAN).key,
        IndexKey(
            axis=IndexAxis.ROOM,
            id=other,
            first_published_at=datetime(2026, 5, 3, tzinfo=UTC),
            vendor="agora",
            task_id=task_id,
        ).key,
    ):
        assert decode_key(key).key == key
        assert max(map(len, key.split("/"))) <= 120 + 40


@given(keys, keys)
def test_different_things_have_different_keys(one: LayoutKey, other: LayoutKey) -> None:
    assert (one.key == other.key) == (one == other)


def test_index_keys_sort_by_time() -> None:
    first = datetime(2026, 9, 30, 23, 59, 59, 999_000, tzinfo=UTC)
    listed = [
        IndexKey(
            axis=IndexAxis.ROOM,
            id="r",
            first_published_at=first + timedelta(milliseconds=n),
            vendor="zego",
            task_id="t",
        ).key
        for n in range(3)
    ]

    assert listed == sorted(listed)
    assert all(key.startswith(index_prefix(IndexAxis.ROOM, "r")) for key in listed)


def test_a_prefix_holds_one_recording_only() -> None:
    other = ManifestKey(vendor="agora", task_id="sid10", revision=1, digest12="0123456789ab").key

    assert manifests_prefix("agora", "sid1") == "manifests/agora/sid1/"
    assert not other.startswith(manifests_prefix("agora", "sid1"))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "media",
        f"/media/agora/a/mix/{PLAN}.mp4",
        f"media/agora/a/mix/{PLAN}.mp4/",
        f"media/agora/a/mix/x{PLAN}.mp4",
        f"media/agora/a/mix/x.{PLAN}.mp4",
        f"media/agora/a/mix/{PLAN}.exe",
        f"media/agora/a/mix/{PLAN}.json",
        f"media/agora/a/mix/{PLAN}-1.mp4",
        f"media/agora/a/mix/{PLAN}-02.mp4",
        f"media/agora/a/mix/{PLAN}-0.mp4",
        f"media/agora/a/mix/{PLAN}.p00.mp4",
        f"media/agora/a/mix/{PLAN}.p1.mp4",
        f"media/agora/a/mix/{PLAN}.p001.mp4",
        f"media/agora/a/mix/{PLAN}.p\u0660\u0661.mp4",
        f"media/agora/a/mix/{PLAN}.mp4\n",
        f"media/agora/a/mix/{PLAN.upper()}.mp4",
        f"media/Agora/a/mix/{PLAN}.mp4",
        f"media/agora/a/../{PLAN}.mp4",
        f"media/agora//mix/{PLAN}.mp4",
        f"media/agora/a b/mix/{PLAN}.mp4",
        f"segments/agora/a/mix/{PLAN}.jsonl",
        f"segments/agora/a/mix/{PLAN}",
        "manifests/agora/a/7-0123456789ab.json",
        "manifests/agora/a/000000-0123456789ab.json",
        "manifests/agora/a/0000007-0123456789ab.json",
        "manifests/agora/a/000007-0123456789AB.json",
        "manifests/agora/a/latest.json.bak",
        "index/person/a/20260503T150203045Z_agora_a.json",
        "index/room/a/20261303T150203045Z_agora_a.json",
        "index/room/a/20260503T150203Z_agora_a.json",
        "index/room/a/20260503T150203045Z_a_gora.jso",
        "exports/e1/cut.mp4",
    ],
)
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(LayoutError, match="is no key of ours"):
        decode_key(key)


@given(st.text(alphabet="mediasgntfx/%~._-0123456789abcdef", max_size=80) | st.text())
def test_any_text_is_refused_or_is_the_key_of_what_it_decodes_to(text: str) -> None:
    try:
        decoded = decode_key(text)
    except LayoutError:
        return
    assert decoded.key == text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"plan16": "xyz"}, "plan16"),
        ({"extension": "exe"}, "extension"),
        ({"extension": "json"}, "extension"),
        ({"attempt": 0}, "attempt"),
        ({"part": 0}, "part"),
    ],
)
def test_a_wrong_media_name_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(LayoutError, match=field):
        MediaName(**{"plan16": PLAN, "extension": "mp4", **changes})  # type: ignore[arg-type]


@given(names)
def test_the_media_name_is_found_at_the_end_of_any_media_key(name: MediaName) -> None:
    assert MediaName.from_end_of(f"media/math-7/20260503_5f0c1e_mix.{name}") == name
    assert MediaName.from_end_of(str(name)) == name
    assert MediaName.from_end_of(f"x{name}") is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"media/a/b/c/{PLAN}.mp4", "video/mp4"),
        (f"media/a/b/c/{PLAN}.audio.m4a", "audio/mp4"),
        (f"media/a/b/c/{PLAN}.webm", "video/webm"),
        (f"media/a/b/c/{PLAN}.mp3", "audio/mpeg"),
        (f"media/a/b/c/{PLAN}.aac", "audio/aac"),
        (f"media/a/b/c/{PLAN}.flv", "video/x-flv"),
        (f"segments/a/b/c/{PLAN}.jsonl.gz", "application/gzip"),
        ("manifests/a/b/latest.json", "application/json"),
    ],
)
def test_content_types(key: str, expected: str) -> None:
    assert served(key).content_type == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"media/a/b/c/{PLAN}.mp4", "private, max-age=31536000, immutable"),
        (f"segments/a/b/c/{PLAN}.jsonl.gz", "private, max-age=31536000, immutable"),
        ("manifests/a/b/000001-0123456789ab.json", "private, max-age=31536000, immutable"),
        ("manifests/a/b/latest.json", "private, no-cache"),
        ("index/room/r/20260101T000000000Z_agora_t.json", "private, no-cache"),
    ],
)
def test_only_what_never_changes_is_kept_by_browsers(key: str, expected: str) -> None:
    assert served(key).cache_control == expected


def test_an_object_that_is_not_ours_is_not_served() -> None:
    with pytest.raises(LayoutError, match="extension"):
        served("media/a/b/c/x.exe")
