from contextlib import suppress

import pytest

from media.mp4.boxes import box, walk
from media.mp4.entries import Codec, EntryError, _audio_configuration, _children, _rebuilt, read_entry, sample_entry
from tests.media.mp4.made import adts, audio, video


def children(entry: bytes, header: int) -> list[bytes]:
    return [span.kind for span in walk(entry, header)]


def test_one_h264_access_unit_is_enough() -> None:
    entry = sample_entry("h264", video(width=160)[0].data)
    configuration = entry.box[entry.box.index(b"avcC") + 4 :]
    assert (entry.width, entry.height) == (160, 64)
    assert entry.box[4:8] == b"avc1"
    assert entry.codec == f"avc1.{configuration[1]:02x}{configuration[2]:02x}{configuration[3]:02x}"
    assert entry.codec.startswith("avc1.4d40")
    assert configuration[0] == 1


def test_one_hevc_access_unit_is_enough_and_is_tagged_hvc1() -> None:
    entry = sample_entry("hevc", video("libx265", width=160)[0].data)
    assert (entry.width, entry.height) == (160, 64)
    assert entry.codec == "hvc1.1.6.L30.90"
    assert b"hvcC" in children(entry.box, 86)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (16_000, 1), (8_000, 2), (48_000, 6)])
def test_adts_frames_give_rate_and_channels(frames: int, rate: int, channels: int) -> None:
    made = audio(rate=rate, channels=channels)[2 : 2 + frames]
    entry = sample_entry("aac", adts(made, rate=rate, channels=channels))
    assert (entry.codec, entry.sample_rate, entry.channels) == ("mp4a.40.2", rate, channels)
    assert (entry.width, entry.height) == (0, 0)


def test_equal_parameters_give_equal_boxes_whatever_the_packet() -> None:
    pictures = [sample for sample in video() if sample.sync]
    assert len(pictures[0].data) != len(pictures[1].data)
    assert sample_entry("h264", pictures[0].data) == sample_entry("h264", pictures[1].data)
    pictures = [sample for sample in video("libx265") if sample.sync]
    assert len(pictures[0].data) != len(pictures[1].data)
    assert sample_entry("hevc", pictures[0].data) == sample_entry("hevc", pictures[1].data)
    assert sample_entry("aac", adts(audio()[:1])) == sample_entry("aac", adts(audio()[4:9]))


def test_only_the_measured_bit_rate_is_left_out() -> None:
    header, odd, aspect = bytes(4) + b"avc1" + bytes(78), box(b"oddy", b"kept"), box(b"pasp", bytes(8))
    inner = b"".join((*odd, *box(b"btrt", bytes(12)), *aspect, *odd))
    entry = b"".join(box(b"avc1", header[8:], inner))
    rebuilt = _rebuilt(entry[:86], _children(entry, 86))
    assert rebuilt == b"".join(box(b"avc1", header[8:], *odd, *aspect, *odd))
    assert children(sample_entry("h264", video()[0].data).box, 86) == [b"avcC"]


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ("00010 0011 0010", (2, 48_000, 2)),
        ("00101 0110 0001", (5, 24_000, 1)),
        ("11111 001010 0100 0110", (42, 44_100, 6)),
        ("00010 1111 000000000011000000111001 0001", (2, 12_345, 1)),
    ],
)
def test_audio_configurations_are_read_by_the_bit(bits: str, said: tuple[int, int, int]) -> None:
    plain = bits.replace(" ", "")
    padded = plain + "0" * (-len(plain) % 8)
    assert _audio_configuration(int(padded, 2).to_bytes(len(padded) // 8)) == said


@pytest.mark.parametrize("codec", ["h264", "hevc", "aac"])
@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x01", b"<html>no</html>" * 9, bytes(500)])
def test_bytes_without_parameters_are_refused(codec: Codec, data: bytes) -> None:
    with pytest.raises(EntryError, match=f"libav makes no {codec} sample entry of {len(data)} bytes"):
        sample_entry(codec, data)


def test_a_picture_without_parameter_sets_is_refused() -> None:
    later = video()[1].data
    with pytest.raises(EntryError):
        sample_entry("h264", later)


@pytest.mark.parametrize("codec", ["aac", "h264"])
def test_a_damaged_entry_is_read_or_refused(codec: Codec) -> None:
    units = adts(audio()[2:3], rate=48_000, channels=1) if codec == "aac" else video(width=160)[0].data
    box = sample_entry(codec, units).box
    assert read_entry(box) == sample_entry(codec, units)
    for place in range(len(box)):
        for value in (0, 1, 255):
            with suppress(EntryError):
                read_entry(box[:place] + bytes([value]) + box[place + 1 :])
        with suppress(EntryError):
            read_entry(box[:place])
