"""Scan of one TS segment: what its bytes say, before anything is made of them.

A segment is scanned in windows, stretches of whole units of every elementary stream, so that memory does not depend
on the size of a segment. Each window is scanned once with numpy; nothing here copies video payload.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from media.samples import Buffer, TrackType
from media.timing import TICKS_PER_SECOND
from media.ts import adts, nal
from media.ts.packets import Bools, Continuity, Ints, Packets, align, continuity, usable
from media.ts.psi import ElementaryStream, ProgramMap, read_program_map
from media.ts.units import Units, gather, read_units, stamp_difference

Codec = Literal["h264", "hevc", "aac"]

WINDOW_BYTES = 4 << 20

_PARAMETER_PACKETS = 64
_STRAY = 2 * TICKS_PER_SECOND
_LONGEST_STEP = 600 * TICKS_PER_SECOND
_LONGEST_STEP_BACK = TICKS_PER_SECOND
_SHORTFALL = 35 * TICKS_PER_SECOND // 100
_ROUNDED_SHORTFALL = 6 * TICKS_PER_SECOND // 10
"""EXTINF was a whole number of seconds before protocol version 3 (RFC 8216 §4.3.2.1)."""

_CODECS: dict[int, tuple[TrackType, Codec]] = {
    0x1B: ("video", "h264"),
    0x24: ("video", "hevc"),
    0x0F: ("audio", "aac"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackScan:
    """What the bytes of one segment say of one track.

    Stamps are 90 kHz ticks, unwrapped around the segment's first stamp. `end` is where the next sample is due in
    decode time: the last stamp plus the exact duration of what it stands for; `shown_end` is the same in presentation
    time. `samples` is counted from packet headers (video) or frame headers (audio), not by the demuxer.
    """

    pid: int
    type: TrackType
    codec: Codec
    samples: int
    first_dts: int
    first_pts: int
    end: int
    shown_end: int
    fingerprint: bytes
    audio: adts.AudioParameters | None
    broken_units: int
    headless_packets: int
    ends_short: bool
    first_counter: int
    last_counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentScan:
    """What the bytes of one segment say; `unsupported` lists streams that are not assembled, as (PID, stream type)."""

    size_bytes: int
    packets: int
    junk_bytes: int
    bad_packets: int
    partial_bytes: int
    tracks: tuple[TrackScan, ...]
    program: ProgramMap
    unsupported: tuple[tuple[int, int], ...]

    @property
    def is_media(self) -> bool:
        """Whether there is anything in it that can become samples."""
        return bool(self.tracks)

    @property
    def is_corrupt(self) -> bool:
        """Whether bytes of it are no packets at all."""
        return self.junk_bytes > 0 or self.bad_packets > 0

    @property
    def is_damaged(self) -> bool:
        """Whether bytes of it are wrong or missing, as far as its structure shows."""
        return self.is_corrupt or any(t.broken_units or t.headless_packets for t in self.tracks)

    def track(self, kind: TrackType) -> TrackScan | None:
        """The track of that type, if the segment has one."""
        return next((t for t in self.tracks if t.type == kind), None)

    @property
    def first(self) -> int:
        """Decode stamp at which the segment begins."""
        return min(t.first_dts for t in self.tracks)

    @property
    def shown_first(self) -> int:
        """Presentation stamp at which the segment begins."""
        return min(t.first_pts for t in self.tracks)

    @property
    def lead_first(self) -> int:
        """Presentation stamp of the track that recorders cut by: the pictures, else the sound."""
        lead = self.track("video")
        return self.shown_first if lead is None else lead.first_pts

    @property
    def span(self) -> int:
        """Ticks from the first presentation to the end of the last, over all tracks."""
        return max(t.shown_end for t in self.tracks) - self.shown_first

    @property
    def ends_broken(self) -> bool:
        """Whether it ends in a part of a packet, or in a unit that is shorter than it declares."""
        return self.partial_bytes > 0 or any(t.ends_short for t in self.tracks)

    def falls_short(self, promised: int) -> bool:
        """Whether it holds clearly less time than its EXTINF says."""
        whole_seconds = promised % TICKS_PER_SECOND == 0
        return promised - self.span > (_ROUNDED_SHORTFALL if whole_seconds else _SHORTFALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of whole units: the packets, and the units of each track; stamps unwrapped.

    `sound` is the elementary stream of the audio track and the offset of each of its packets in it.
    """

    packets: Packets
    units: dict[TrackType, Units]
    sound: tuple[bytearray, Ints]
    scan: SegmentScan


@dataclass(slots=True)
class _Carry:
    """What one window hands to the next."""

    program: ProgramMap
    known: ProgramMap
    reference: int | None
    counters: dict[int, int]
    rest: bytes
    audio: adts.AudioParameters | None = None
    jumps: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By PID: the last stamp as it came, and how far it was moved."""
    step: int = 0


def scan_windows(pieces: Iterable[Buffer], known: ProgramMap | None = None) -> Iterator[Window]:
    """Scan a segment given as pieces of any size; `known` is the program map of the segment before, if it has none."""
    carry = _Carry(program=ProgramMap(), known=known or ProgramMap(), reference=None, counters={}, rest=b"")
    pending: Buffer | None = None
    for piece in _sized(pieces):
        if pending is not None:
            yield _scan_window(pending, carry, final=False)
        pending = carry.rest + bytes(piece) if carry.rest else piece
    if pending is not None:
        yield _scan_window(pending, carry, final=True)


def _sized(pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), WINDOW_BYTES):
            yield view[at : at + WINDOW_BYTES]


def _scan_window(buffer: Buffer, carry: _Carry, *, final: bool) -> Window:
    alignment = align(buffer)
    packets, bad = usable(alignment)
    program = read_program_map(packets, carry.program)
    program = program if program.streams else carry.known
    chosen = _main_streams(program)
    carry.rest = b""
    if not final:
        packets, carry.rest = _hold_back(packets, chosen, bytes(buffer[len(buffer) - alignment.partial_bytes :]))
    units: dict[TrackType, Units] = {}
    sound = (bytearray(), np.zeros(1, np.int64))
    tracks = []
    for kind, (stream, codec) in chosen.items():
        index = packets.by_pid.get(stream.pid)
        if index is None:
            continue
        run = continuity(packets, index, carry.counters.get(stream.pid))
        carry.counters[stream.pid] = run.last
        found = _unwrapped(read_units(packets, stream, run), carry)
        if len(found):
            units[kind] = found
            if codec == "aac":
                sound = gather(packets, found.index, found.start)
                tracks.append(_scan_audio(found, run, sound, carry))
            else:
                tracks.append(_scan_video(packets, found, codec, run, carry))
    carry.program = program
    supported = {stream.pid for stream, _ in chosen.values()}
    scan = SegmentScan(
        size_bytes=len(buffer) - len(carry.rest),
        packets=len(packets.rows),
        junk_bytes=alignment.junk_bytes,
        bad_packets=bad,
        partial_bytes=alignment.partial_bytes if final else 0,
        tracks=tuple(tracks),
        program=program,
        unsupported=tuple((s.pid, s.stream_type) for s in program.streams if s.pid not in supported),
    )
    return Window(packets=packets, units=units, sound=sound, scan=scan)


def _main_streams(program: ProgramMap) -> dict[TrackType, tuple[ElementaryStream, Codec]]:
    chosen: dict[TrackType, tuple[ElementaryStream, Codec]] = {}
    for stream in program.streams:
        known = _CODECS.get(stream.stream_type)
        if known and known[0] not in chosen:
            chosen[known[0]] = (stream, known[1])
    return chosen


def _hold_back(
    packets: Packets, chosen: dict[TrackType, tuple[ElementaryStream, Codec]], tail: bytes
) -> tuple[Packets, bytes]:
    """Keep back each stream's last, unfinished unit; all other packets of the window go on."""
    held = np.zeros(len(packets.rows), bool)
    for stream, _ in chosen.values():
        index = packets.by_pid.get(stream.pid)
        if index is not None:
            starts = np.flatnonzero(packets.starts_unit[index])
            held[index[starts[-1] if starts.size else 0 :]] = True
    rest = packets.rows[held].tobytes() + tail
    return Packets(packets.rows[~held], packets.junk_before[~held]), rest


def _unwrapped(units: Units, carry: _Carry) -> Units:
    if not len(units):
        return units
    if carry.reference is None:
        carry.reference = int(units.dts[0])
    dts = carry.reference + stamp_difference(units.dts, carry.reference)
    pts = dts + stamp_difference(units.pts, units.dts)
    stray = _strays(dts)
    mended = np.where(stray, np.roll(dts, 1) + nominal_step(dts), dts)
    mended[0] = dts[1] - nominal_step(dts) if stray[0] else dts[0]
    pts, dts = pts + mended - dts, mended
    last, jumped = carry.jumps.get(units.stream.pid, (int(dts[0]), 0))
    moved = jumped + _jumps(dts, last)
    carry.jumps[units.stream.pid] = (int(dts[-1]), int(moved[-1]))
    return replace(units, pts=pts - moved, dts=dts - moved, broken=units.broken | stray)


def _strays(dts: Ints) -> Bools:
    """Stamps far from both neighbours, which are close to each other: the stamp itself is damaged."""
    stray = np.zeros(len(dts), bool)
    if len(dts) > 2:
        step = np.diff(dts)
        far = np.abs(step) > _STRAY
        stray[1:-1] = far[:-1] & far[1:] & (np.abs(step[:-1] + step[1:]) <= _STRAY)
        stray[0] = not -_STRAY < step[0] < _LONGEST_STEP and not far[1]
        stray[-1] = step[-1] < -_STRAY and not far[-2]
    return stray


def _jumps(dts: Ints, last: int) -> Ints:
    """How far each stamp lies from where it can be, after jumps that no pause inside a segment explains."""
    step = np.diff(dts, prepend=last)
    wild = (step > _LONGEST_STEP) | (step < -_LONGEST_STEP_BACK)
    return np.cumsum(np.where(wild, step - nominal_step(dts), 0))


def _scan_video(packets: Packets, units: Units, codec: nal.VideoCodec, run: Continuity, carry: _Carry) -> TrackScan:
    step = carry.step = nominal_step(units.dts) or carry.step
    return replace(
        _track(units, "video", codec, run),
        samples=len(units),
        end=int(units.dts[-1]) + step,
        shown_end=int(units.pts.max()) + step,
        fingerprint=nal.parameter_sets(codec, _first_unit(packets, units)),
    )


def _scan_audio(units: Units, run: Continuity, sound: tuple[bytearray, Ints], carry: _Carry) -> TrackScan:
    stream, offsets = sound
    track = _track(units, "audio", "aac", run)
    parameters = carry.audio = adts.find_parameters(stream) or carry.audio
    if parameters is None:
        return track
    lost, last = offsets[:-1][units.lost], int(offsets[units.first[-1]])
    frames = adts.count_frames(stream[last:], parameters, lost[lost > last] - last)
    end = track.end + frames * adts.FRAME_SAMPLES * TICKS_PER_SECOND // parameters.sample_rate
    return replace(
        track,
        samples=adts.count_frames(stream, parameters, lost),
        end=end,
        shown_end=end,
        fingerprint=parameters.header,
        audio=parameters,
    )


def _track(units: Units, kind: TrackType, codec: Codec, run: Continuity) -> TrackScan:
    """What its units alone say of a track; nothing is known yet of what is in them."""
    return TrackScan(
        pid=units.stream.pid,
        type=kind,
        codec=codec,
        samples=0,
        first_dts=int(units.dts[0]),
        first_pts=int(units.pts.min()),
        end=int(units.dts[-1]),
        shown_end=int(units.pts.max()),
        fingerprint=b"",
        audio=None,
        broken_units=int(np.count_nonzero(units.broken)),
        headless_packets=units.headless_packets,
        ends_short=units.ends_short,
        first_counter=run.first,
        last_counter=run.last,
    )


def nominal_step(dts: Ints) -> int:
    """The usual distance of two samples in ticks; 0 where there is only one."""
    return int(np.median(np.diff(dts[-64:]))) if len(dts) > 1 else 0


def _first_unit(packets: Packets, units: Units) -> bytes:
    """The beginning of the first unit: parameter sets stand before its slices."""
    end = min(int(units.first[1]) if len(units) > 1 else len(units.index), _PARAMETER_PACKETS)
    return bytes(gather(packets, units.index[:end], units.start[:end])[0])


def merge(windows: Iterable[SegmentScan]) -> SegmentScan:
    """The scan of a whole segment from those of its windows, in order."""
    scans = list(windows)
    kinds: list[TrackType] = list(dict.fromkeys(t.type for s in scans for t in s.tracks))
    return SegmentScan(
        size_bytes=sum(s.size_bytes for s in scans),
        packets=sum(s.packets for s in scans),
        junk_bytes=sum(s.junk_bytes for s in scans),
        bad_packets=sum(s.bad_packets for s in scans),
        partial_bytes=sum(s.partial_bytes for s in scans),
        tracks=tuple(_merge_tracks([t for s in scans for t in s.tracks if t.type == kind]) for kind in kinds),
        program=scans[-1].program if scans else ProgramMap(),
        unsupported=tuple(dict.fromkeys(u for s in scans for u in s.unsupported)),
    )


def _merge_tracks(tracks: list[TrackScan]) -> TrackScan:
    if len(tracks) == 1:
        return tracks[0]
    first, last = tracks[0], tracks[-1]
    return replace(
        first,
        samples=sum(t.samples for t in tracks),
        first_pts=min(t.first_pts for t in tracks),
        end=last.end,
        shown_end=max(t.shown_end for t in tracks),
        broken_units=sum(t.broken_units for t in tracks),
        headless_packets=sum(t.headless_packets for t in tracks),
        ends_short=last.ends_short,
        last_counter=last.last_counter,
    )
