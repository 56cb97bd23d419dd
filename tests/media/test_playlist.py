import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.playlist import (
    MAX_LINE_BYTES,
    MAX_PLAYLIST_BYTES,
    MAX_URIS,
    ByteRange,
    MediaPlaylist,
    MultivariantError,
    PlaylistError,
    Segment,
    parse,
    render,
)
from media.playlist_tags import attributes
from tests.builders import playlist


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def only(*lines: str) -> Segment:
    """The one segment of a playlist with these lines."""
    (segment,) = parse(playlist(*lines)).segments
    return segment


def test_header() -> None:
    found = parse(playlist())
    assert found == MediaPlaylist(version=3, target_duration=seconds(18), has_end_list=True)


def test_agora_shape() -> None:
    event = "#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=AUDIO,TIME=20240102030405006"
    found = parse(playlist(event, "#EXTINF:15.019000", "a_1.ts", "#EXTINF:9.94", "a_2.ts"))
    assert found.tags == ()
    assert found.segments == (
        Segment(uri="a_1.ts", duration=timedelta(seconds=15, microseconds=19000), tags=(event,)),
        Segment(uri="a_2.ts", duration=timedelta(seconds=9, microseconds=940000)),
    )


@pytest.mark.parametrize(
    ("line", "duration"),
    [
        ("#EXTINF:6.332000", timedelta(seconds=6, milliseconds=332)),
        ("#EXTINF:0.000011,", timedelta(microseconds=11)),
        ("#EXTINF:4.3779249999,", timedelta(seconds=4, microseconds=377925)),
        ("#EXTINF:.360,", timedelta(milliseconds=360)),
        ("#EXTINF:10.,", seconds(10)),
        ("#EXTINF:10", seconds(10)),
        ("#EXTINF: 10 ,", seconds(10)),
        ("#EXTINF:0,", seconds(0)),
        ("#EXTINF:10,a title, with commas", seconds(10)),
        ('#EXTINF:10,"quoted, title"', seconds(10)),
        ('#EXTINF:-1 timeshift="0" group-title="News, local",Channel', seconds(0)),
        ("#EXTINF:-3.5,", seconds(0)),
        ("#EXTINF:", seconds(0)),
        ("#EXTINF:86400.000001,", timedelta(days=1, microseconds=1)),
    ],
)
def test_durations_are_exact(line: str, duration: timedelta) -> None:
    assert only(line, "a.ts").duration == duration


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e5", "abc", "10s", "1" * 40, "1_0", "٣"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(PlaylistError, match="duration"):
        parse(playlist(f"#EXTINF:{text},", "a.ts"))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n", " \r\n"])
@pytest.mark.parametrize("lead", ["", "\n\n", "\ufeff"])
def test_line_ends_blanks_and_byte_order_mark(newline: str, lead: str) -> None:
    data = lead.encode() + playlist("#EXTINF:1,", "a b.ts", newline=newline)
    assert parse(data) == parse(playlist("#EXTINF:1,", "a b.ts"))


def test_a_missing_last_newline_changes_nothing() -> None:
    data = playlist("#EXTINF:1,", "a.ts")
    assert parse(data.rstrip(b"\n")) == parse(data)


def test_white_space_inside_a_uri_survives() -> None:
    assert only("#EXTINF:1,", "one\u3000two three.ts  ").uri == "one\u3000two three.ts"


def test_discontinuity_belongs_to_the_next_segment() -> None:
    found = parse(playlist("#EXTINF:1,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "b.ts", "#EXTINF:1,", "c.ts"))
    assert [segment.discontinuity for segment in found.segments] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-01-02T03:04:05.006Z", datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)),
        ("2024-01-02T03:04:05.006+08:00", datetime(2024, 1, 1, 19, 4, 5, 6000, UTC)),
        ("2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5, 0, UTC)),
        ("foo", None),
        ("", None),
        ("0001-01-01T00:00:00+10:00", None),
    ],
)
@pytest.mark.parametrize("is_before", [True, False])
def test_program_date_time(text: str, at: datetime | None, *, is_before: bool) -> None:
    tag, extinf = f"#EXT-X-PROGRAM-DATE-TIME:{text}", "#EXTINF:1,"
    segment = only(*([tag, extinf] if is_before else [extinf, tag]), "a.ts")
    assert segment.program_date_time == at
    assert at is None or str(segment.program_date_time).endswith("+00:00")


def test_program_date_time_is_not_carried_on() -> None:
    found = parse(playlist("#EXT-X-PROGRAM-DATE-TIME:2024-01-02T03:04:05Z", "#EXTINF:1,", "a.ts", "#EXTINF:1,", "b.ts"))
    assert found.segments[1].program_date_time is None


def test_byte_ranges_continue_in_the_same_resource() -> None:
    found = parse(
        playlist(
            *("#EXTINF:1,", "#EXT-X-BYTERANGE:100@20", "a.mp4"),
            *("#EXTINF:1,", "#EXT-X-BYTERANGE:7@0", "b.mp4"),
            *("#EXTINF:1,", "#EXT-X-BYTERANGE:50", "a.mp4"),
            *("#EXTINF:1,", "c.mp4"),
        )
    )
    assert [segment.byte_range for segment in found.segments] == [
        ByteRange(offset=20, length=100),
        ByteRange(offset=0, length=7),
        ByteRange(offset=120, length=50),
        None,
    ]


@pytest.mark.parametrize("text", ["50", "", "x@y", "5@", "-5@0"])
def test_byte_range_without_a_beginning(text: str) -> None:
    with pytest.raises(PlaylistError, match="byte range"):
        parse(playlist("#EXTINF:1,", f"#EXT-X-BYTERANGE:{text}", "a.mp4"))


@pytest.mark.parametrize("order", [("#EXT-X-GAP", "#EXTINF:1,"), ("#EXTINF:1,", "#EXT-X-GAP")])
def test_gap(order: tuple[str, str]) -> None:
    found = parse(playlist(*order, "a.ts", "#EXTINF:1,", "b.ts"))
    assert [segment.is_gap for segment in found.segments] == [True, False]


def test_a_key_stays_in_force_until_none() -> None:
    found = parse(
        playlist(
            *("#EXTINF:1,", "a.ts", '#EXT-X-KEY:METHOD=AES-128,URI="https://keys.example/a,METHOD=NONE"'),
            *("#EXTINF:1,", "b.ts", "#EXTINF:1,", "c.ts", "#EXT-X-KEY:METHOD=NONE", "#EXTINF:1,", "d.ts"),
        )
    )
    assert [segment.is_encrypted for segment in found.segments] == [False, True, True, False]


def test_init_section_stays_in_force() -> None:
    found = parse(
        playlist(
            *("#EXTINF:1,", "a.m4s", '#EXT-X-MAP:URI="init,1.mp4",BYTERANGE="720@0"', "#EXTINF:1,", "b.m4s"),
            *("#EXTINF:1,", "c.m4s", '#EXT-X-MAP:URI="init 2.mp4"', "#EXTINF:1,", "d.m4s"),
        )
    )
    assert [segment.init_section for segment in found.segments] == [None, "init,1.mp4", "init,1.mp4", "init 2.mp4"]


def test_init_section_without_uri_is_refused() -> None:
    with pytest.raises(PlaylistError, match="EXT-X-MAP"):
        parse(playlist("#EXT-X-MAP:", "#EXTINF:1,", "a.m4s"))


def test_unknown_tags_are_kept_in_order_and_comments_are_not() -> None:
    found = parse(
        b"#EXTM3U\n#EXT-X-OURS:1\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n# comment\n#EXT-X-B\n"
        b"#EXTINF:1,\n#EXT-X-A: 2\na.ts\n#EXT-X-C\n#EXTINF:1,\nb.ts\n#EXT-X-LAST\n"
    )
    assert found.tags == ("#EXT-X-OURS:1",)
    assert [segment.tags for segment in found.segments] == [("#EXT-X-B", "#EXT-X-A: 2"), ("#EXT-X-C",)]
    assert found.trailing_tags == ("#EXT-X-LAST",)


@pytest.mark.parametrize(
    "tag",
    [
        "#EXT-X-ALLOW-CACHE:YES",
        "#EXT-X-BITRATE:800",
        "#EXT-X-DATERANGE:ID=1,START-DATE=never",
        "#EXT-X-DISCONTINUITY-SEQUENCE:A",
        "#EXT-X-I-FRAMES-ONLY",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-START:TIME-OFFSET=A",
    ],
)
def test_standard_tags_that_change_nothing(tag: str) -> None:
    assert parse(playlist(tag, "#EXTINF:1,", "a.ts")) == parse(playlist("#EXTINF:1,", "a.ts"))


def test_a_tag_is_known_by_its_whole_name() -> None:
    segment = only("#EXT-X-GAPS", "#EXT-X-DISCONTINUTY", "#EXTINF:1,", "a.ts")
    assert segment == Segment(uri="a.ts", duration=seconds(1), tags=("#EXT-X-GAPS", "#EXT-X-DISCONTINUTY"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#EXT-X-MEDIA-SEQUENCE:-2680", MediaPlaylist(media_sequence=-2680)),
        ("#EXT-X-MEDIA-SEQUENCE:x", MediaPlaylist()),
        ("#EXT-X-VERSION:", MediaPlaylist()),
        ("#EXT-X-VERSION:7", MediaPlaylist(version=7)),
        ("#EXT-X-TARGETDURATION:2.5", MediaPlaylist(target_duration=seconds(2.5))),
        ("#EXT-X-TARGETDURATION:soon", MediaPlaylist()),
    ],
)
def test_odd_headers(line: str, expected: MediaPlaylist) -> None:
    assert parse(f"#EXTM3U\n{line}\n".encode()) == expected


def test_a_cut_playlist_shows_its_dangling_entry() -> None:
    found = parse(playlist("#EXTINF:5,", "a.ts", "#EXT-X-OURS", "#EXTINF:6.5", end=False))
    assert (len(found.segments), found.dangling_duration, found.has_end_list) == (1, seconds(6.5), False)
    assert found.trailing_tags == ("#EXT-X-OURS",)


@pytest.mark.parametrize("length", range(1, 58))
def test_a_playlist_cut_anywhere_keeps_what_came_before(length: int) -> None:
    whole = playlist("#EXTINF:5.000000,", "a_20240102030405006.ts", "#EXTINF:6.500000,", "b_20240102030410006.ts")
    found = parse(whole[:-length])
    assert found.segments[0] == Segment(uri="a_20240102030405006.ts", duration=seconds(5))


def test_uris_without_extinf_are_set_aside() -> None:
    found = parse(playlist("first.ts", "#EXTINF:1,", "a.ts", "JUNK", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "b.ts"))
    assert [segment.uri for segment in found.segments] == ["a.ts", "b.ts"]
    assert found.stray_lines == ("first.ts", "JUNK")


def test_multivariant_playlists_name_their_playlists() -> None:
    data = playlist(
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="audio.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=800000",
        "video.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=8000,URI="frames.m3u8"',
    )
    with pytest.raises(MultivariantError, match=r"video\.m3u8") as raised:
        parse(data)
    assert set(raised.value.uris) == {"video.m3u8", "audio.m3u8", "frames.m3u8"}


def test_a_broken_multivariant_playlist_is_refused() -> None:
    with pytest.raises(PlaylistError, match="multivariant"):
        parse(playlist("#EXT-X-STREAM-INF:BANDWIDTH=", "video.m3u8"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "#EXTM3U"),
        (b"\n\n", "#EXTM3U"),
        (b"#EXTINF:1,\na.ts\n", "#EXTM3U"),
        (b"#EXTM3U8\n", "#EXTM3U"),
        (b"<html>not found</html>", "#EXTM3U"),
        (b"#EXTM3U\n\xff\xfe", "UTF-8"),
        (b"#EXTM3U\n#EXTINF:1,\na\x00b.ts\n", "control"),
        (b"#EXTM3U\n#EXTINF:1,\na\x0bb.ts\n", "control"),
        ("#EXTM3U\n#EXTINF:1,\na\u2028b.ts\n".encode(), "control"),
        (b"#EXTM3U\n#" + b"x" * MAX_LINE_BYTES, "longer"),
        (b"#EXTM3U\n" + b"\n" * MAX_PLAYLIST_BYTES, "bytes"),
        (b"#EXTM3U\n" + b"a\n" * (MAX_URIS + 1), "URIs"),
    ],
)
def test_what_is_no_playlist(data: bytes, reason: str) -> None:
    with pytest.raises(PlaylistError, match=reason):
        parse(data)


def test_limits_are_reached_exactly() -> None:
    assert parse(b"#EXTM3U\n#EXT" + b"x" * (MAX_LINE_BYTES - 4)).trailing_tags
    assert len(parse(b"#EXTM3U\n" + b"a\n" * MAX_URIS).stray_lines) == MAX_URIS


@pytest.mark.parametrize("entry", [b"#EXTINF:1,\na.ts\n", b"a\n"])
def test_a_million_entries_are_refused_at_once(entry: bytes) -> None:
    data = b"#EXTM3U\n" + entry * 1_000_000
    begun = time.process_time()
    with pytest.raises(PlaylistError):
        parse(data)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "line",
    [
        b"#EXT-X-KEY:METHOD=A%d",
        b"#EXT-X-KEY:" + b"\"'," * 300 + b"%d",
        b"#EXT-X-KEY:" + b"=," * 500 + b"%d",
        b"#EXT-X-MEDIA:" + b"'\"" * 500 + b"%d",
        b"#EXTINF:" + b"1" * 8 + b" %d",
    ],
)
def test_hostile_lines_take_linear_time(line: bytes) -> None:
    lines = b"".join(line % number + b"\n" for number in range(500_000 // len(line)))
    begun = time.process_time()
    with suppress(PlaylistError):
        parse(b"#EXTM3U\n" + lines)
    assert time.process_time() - begun < 3


def test_attributes() -> None:
    assert attributes('A=1, B="x,y=z" ,C=,=4,D,E="open') == {"A": "1", "B": "x,y=z", "C": "", "E": "open"}


def test_short_durations_are_not_printed_in_scientific_notation() -> None:
    text = render(MediaPlaylist(segments=(Segment(uri="a.ts", duration=timedelta(microseconds=11)),))).decode()
    assert "#EXTINF:0.000011,\n" in text


def test_render_refuses_what_hls_cannot_say() -> None:
    first = Segment(uri="a.m4s", duration=seconds(1), init_section="i.mp4")
    with pytest.raises(ValueError, match="init section"):
        render(MediaPlaylist(segments=(first, Segment(uri="b.ts", duration=seconds(1)))))


_TEXT = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters='"'), min_size=1, max_size=12)
_DURATIONS = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=400))
_TAGS = st.lists(_TEXT.map(lambda text: f"#EXT-X-OURS-{text}"), max_size=3).map(tuple)
_URIS = st.builds(lambda a, b: f"s{a} {b}", _TEXT, _TEXT)
_SEGMENTS = st.builds(
    Segment,
    uri=_URIS,
    duration=_DURATIONS,
    discontinuity=st.booleans(),
    program_date_time=st.none() | st.datetimes(timezones=st.just(UTC)),
    byte_range=st.none() | st.builds(ByteRange, offset=st.integers(0, 10**12), length=st.integers(0, 10**9)),
    is_gap=st.booleans(),
    is_encrypted=st.booleans(),
    init_section=st.just("init.mp4"),
    tags=_TAGS,
)
_PLAYLISTS = st.builds(
    MediaPlaylist,
    segments=st.lists(_SEGMENTS, max_size=5).map(tuple),
    version=st.integers(1, 12),
    target_duration=st.none() | _DURATIONS,
    media_sequence=st.integers(-(10**9), 10**9),
    has_end_list=st.booleans(),
    tags=_TAGS,
    trailing_tags=_TAGS,
    dangling_duration=st.none() | _DURATIONS,
    stray_lines=st.lists(_URIS, max_size=2).map(tuple),
)


@given(_PLAYLISTS)
@settings(deadline=None)
def test_parse_gives_back_what_was_rendered(found: MediaPlaylist) -> None:
    assert parse(render(found)) == found


_LINES = st.sampled_from(
    [
        *(
            "#EXTM3U",
            "#EXTINF:1.5",
            "#EXTINF:",
            "#EXTINF:x",
            "a.ts",
            "../b",
            "#",
            "#EXT",
            "#EXT-X-GAP",
            "#EXT-X-ENDLIST",
        ),
        *("#EXT-X-BYTERANGE:1", "#EXT-X-BYTERANGE:5@5", "#EXT-X-MAP:URI=a", "#EXT-X-MAP:", "#EXT-X-KEY:METHOD=X"),
        *("#EXT-X-KEY:", "#EXT-X-STREAM-INF:", "#EXT-X-STREAM-INF:=", "#EXT-X-MEDIA:", "#EXT-X-MEDIA:URI=", "\u3000"),
        *("#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-PROGRAM-DATE-TIME:2024-01-01", "#EXT-X-VERSION:9", "#EXT-X-OURS"),
        *("#EXT-X-STREAM-INF", "#EXT-X-MEDIA", "#EXT-X-PART:", "#EXT-X-SKIP:", "#EXT-X-DISCONTINUITY:x", "#EXTM3U:x"),
    ]
)


@given(st.binary(max_size=200) | st.lists(_LINES | st.text(max_size=20), max_size=25).map("\n".join).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_a_value_or_a_playlist_error(data: bytes) -> None:
    for tried in (data, b"#EXTM3U\n" + data):
        with suppress(PlaylistError):
            found = parse(tried)
            assert parse(render(found)) == found


_PAIRS = st.lists(st.sampled_from(["#EXTINF:15.019000\na.ts", "#EXTINF:9.94,\nb.ts"]), max_size=4).map("\n".join)


@given(st.lists(_LINES | _PAIRS, max_size=25).map("\n".join))
@settings(deadline=None, max_examples=500)
def test_segments_that_the_package_is_not_shown_are_what_it_would_have_said(text: str) -> None:
    data = f"#EXTM3U\n{text}".encode()
    found = outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("media.playlist.plain_duration", lambda _line: None)
        assert outcome(data) == found


def outcome(data: bytes) -> MediaPlaylist | tuple[type[PlaylistError], str]:
    try:
        return parse(data)
    except PlaylistError as error:
        return type(error), str(error)
