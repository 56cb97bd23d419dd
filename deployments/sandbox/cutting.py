"""Continuous clips cut into slices as HLS muxers cut them: libav's own muxers do it, into a temporary folder."""

import io
import itertools
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.audio.stream import AudioStream

from deployments.sandbox.clips import AAC_FRAME, MUXER_DELAY
from deployments.sandbox.packets import TrackType, first_pts, programme, restamp

HZ = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One MPEG-TS slice, how long its recorder says it is, and where it begins in the recording; both in seconds.

    Zero is the clip's first full second. The first slice of a clip without video begins a little earlier, because an
    AAC encoder writes one frame before the sound begins.
    """

    data: bytes
    duration_s: float
    start_s: float

    def moved(self, seconds: float) -> "Slice":
        """The same slice later in the recording, its stamps too."""
        return replace(self, data=restamp(self.data, round(seconds * HZ)), start_s=self.start_s + seconds)

    def shows(self, data: bytes) -> "Slice":
        """Other bytes in this slice's place."""
        return replace(self, data=data)


def cut(clip: bytes, segment_seconds: float, *, restart_counters: bool = False) -> list[Slice]:
    """Slices of about this length, each from a key frame; their stamps go on from slice to slice.

    Continuity counters go on too (libav's `hls` muxer), or begin anew in each slice (its `segment` muxer).
    """
    with tempfile.TemporaryDirectory() as folder:
        playlist = Path(folder, "list.m3u8")
        if restart_counters:
            options = {"segment_time": f"{segment_seconds}", "segment_format": "mpegts", "segment_list": str(playlist)}
            zero = _remux(clip, Path(folder, "%05d.ts"), "segment", options)
        else:
            zero = _remux(clip, playlist, "hls", {"hls_time": f"{segment_seconds}", "hls_list_size": "0"})
        entries = re.findall(r"#EXTINF:([\d.]+),[^\n]*\n([^\n#]+)", playlist.read_text(encoding="utf-8"))
        pieces = [Path(folder, name).read_bytes() for _, name in entries]
    return _timed(pieces, zero, last_duration=float(entries[-1][0]))


def _remux(clip: bytes, target: Path, muxer: str, options: dict[str, str]) -> float:
    """Write the slices; return how long the leading track sounds before the clip's first full second, in seconds."""
    with (
        av.open(io.BytesIO(clip), "r", format="mpegts") as source,
        av.open(str(target), "w", format=muxer, options=MUXER_DELAY | options) as out,
    ):
        _copy(source, out)
        lead = source.streams.video[0] if source.streams.video else source.streams.audio[0]
        return AAC_FRAME / lead.codec_context.sample_rate if isinstance(lead, AudioStream) else 0.0


def _timed(pieces: list[bytes], lead_in: float, *, last_duration: float) -> list[Slice]:
    """Durations as recorders give them: from the leading track's first picture or sound to the next slice's."""
    tracks = programme(pieces[0]).tracks
    lead: TrackType = "video" if "video" in tracks else "audio"
    begins = [first_pts(piece, tracks[lead]) for piece in pieces]
    zero = begins[0] + round(lead_in * HZ)
    steps = [(later - earlier) / HZ for earlier, later in itertools.pairwise(begins)]
    return [
        Slice(data=piece, duration_s=duration, start_s=(begin - zero) / HZ)
        for piece, duration, begin in zip(pieces, [*steps, last_duration], begins, strict=True)
    ]


def mp4_of(pieces: list[bytes]) -> bytes:
    """The slices of one clip as one MP4, copied."""
    target = io.BytesIO()
    with (
        av.open(io.BytesIO(b"".join(pieces)), "r", format="mpegts") as source,
        av.open(target, "w", format="mp4") as out,
    ):
        _copy(source, out)
    return target.getvalue()


def _copy(source: av.container.InputContainer, out: av.container.OutputContainer) -> None:
    streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in source.streams}
    for packet in source.demux():
        if packet.size:
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
