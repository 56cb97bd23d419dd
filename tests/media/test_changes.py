"""Pictures whose parameters change inside a stream, or are only said again."""

import io

import av
import pytest

from tests.media.driving import Made, assert_intact, make
from tests.media.mp4.made import inside
from tests.media.recordings import recording, resumed

SMALL, LARGE = (160, 90), (320, 180)


def entries(made: Made) -> list[int]:
    """Sample entries of the pictures of each file."""
    return [track.entries for part in made.assembly.parts for track in part.report.tracks if track.type == "video"]


def sizes(mp4: bytes) -> list[tuple[int, int]]:
    """The size of every decoded picture, in order."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        return [(frame.width, frame.height) for frame in source.decode(video=0)]


def declared(mp4: bytes) -> tuple[int, int]:
    """The size in the header of the only track."""
    (tkhd,) = (span for span in inside(mp4, b"moov", b"trak") if span.kind == b"tkhd")
    return int.from_bytes(mp4[tkhd.end - 8 : tkhd.end - 6]), int.from_bytes(mp4[tkhd.end - 4 : tkhd.end - 2])


@pytest.mark.parametrize("hevc", [False, True])
def test_parameter_sets_that_are_said_again_make_no_new_entry(*, hevc: bool) -> None:
    """Before each of 12 key frames; and once more after a pause."""
    assert entries(make(recording(12, hevc=hevc))) == [1]
    assert entries(make(resumed(recording(4, hevc=hevc), recording(4, first_second=9, hevc=hevc), 9))) == [1]


def test_every_picture_has_its_own_size_and_the_file_the_largest() -> None:
    first = resumed(recording(4, audio=False), recording(4, audio=False, first_second=4, size=LARGE), 4)
    made = make(resumed(tuple(first), recording(4, audio=False, first_second=8), 8))
    assert_intact(made)
    assert entries(made) == [2]
    assert sizes(made.mp4) == [SMALL] * 100 + [LARGE] * 100 + [SMALL] * 100
    assert declared(made.mp4) == LARGE
    assert dict(made.track("video").parameters) == {"width": 320, "height": 180}


def test_pictures_that_fall_back_to_h264_make_a_new_part() -> None:
    """A sender whose network or receivers cannot take H.265 goes on with H.264, often in another size."""
    made = make(resumed(recording(4, hevc=True, size=LARGE), recording(4, first_second=4), 4), tagged={2})
    assert_intact(made)
    assert [track.codecs[0][:4] for track in made.tracks if track.type == "video"] == ["hvc1", "avc1"]
    assert entries(made) == [1, 1]
    assert [sizes(file) for file in made.files] == [[LARGE] * 100, [SMALL] * 100]
