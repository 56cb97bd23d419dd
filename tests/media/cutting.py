"""Files that cuts are made of, random ranges of them, and the judge of a cut: libav and the numbers in the pictures."""

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from types import MappingProxyType

import av

from media.cut import Copied, Cut, NothingToCutError, cut, start_of
from media.mp4.check import check
from media.mp4.index import Mp4Index, head_bytes, read_index
from media.samples import TrackType
from media.silence import silent_frame
from tests.e2e.cases import CHANGING, WHOLE, holed
from tests.lab import drop_pid, programme
from tests.lab.numbers import Numbered, numbered
from tests.media.driving import make
from tests.media.recordings import recording

TICK = Fraction(1, 20_000)
"""Two ticks of 48 kHz: an empty edit is rounded to the movie's own ticks."""


def _ends_early() -> bytes:
    """The camera is off in the last 4 of 8 s."""
    slices = [
        piece.shows(drop_pid(piece.data, programme(piece.data).video)) if piece.start_s >= 4 else piece
        for piece in recording(8)
    ]
    return make(slices).mp4


def _case(name: str) -> Callable[[], bytes]:
    return lambda: {**WHOLE, **CHANGING}[name]().make().mp4


def _holed(kind: str, hole: int) -> Callable[[], bytes]:
    return lambda: holed(kind, hole).make().mp4


SOURCES: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "continuous": _case("continuous"),
        "44.1 kHz stereo": _case("44.1 kHz stereo"),
        "sound alone": _case("sound alone"),
        "pictures alone": _case("pictures alone"),
        "groups of 4 s": lambda: make(recording(12, slice_s=4, gop=100, b_frames=3)).mp4,
        "one group, open": lambda: make(recording(8, open_gop=True, b_frames=3)).mp4,
        "hevc, open groups": lambda: make(recording(8, hevc=True, b_frames=4)).mp4,
        "late video": _case("late video, not in the PMT"),
        "late audio": _case("late audio, not in the PMT"),
        "begins in the middle of a group": _case("begin in the middle of a group"),
        "rejoins with another size": _case("resolution changes"),
        "rejoins with other parameters": _case("parameter sets change"),
        "both lost for 3 s": _holed("both lost", 3),
        "both absent for 30 s": _holed("both absent", 30),
        "no sound for 12 s": _holed("no audio", 12),
        "no pictures for 12 s": _holed("no video", 12),
        "lying": lambda: make(recording(6, degrees=90), marks={0: ("rotate:90:90x160",)}).mp4,
        "pictures end early": _ends_early,
    }
)
"""By name, what each is cut from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A sample as libav hands it out; in seconds of the file."""

    data: bytes
    dts: Fraction
    at: Fraction
    lasts: Fraction
    sync: bool
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, its index, and all that libav finds in it."""

    mp4: bytes
    index: Mp4Index
    seen: Numbered
    packets: Mapping[TrackType, list[Packet]]

    def over(self, kind: TrackType) -> Fraction:
        """When the last sample of a track is over."""
        packets = self.packets[kind]
        return max(packet.at for packet in packets) + packets[-1].lasts if packets else Fraction(0)

    @property
    def seconds(self) -> Fraction:
        """How long it plays."""
        return max(self.over("video"), self.over("audio"))


@cache
def source(name: str) -> Source:
    """The source of that name."""
    mp4 = SOURCES[name]()
    return Source(mp4=mp4, index=index_of(mp4), seen=numbered(mp4), packets=packets_of(mp4))


def index_of(mp4: bytes) -> Mp4Index:
    """Read as an export reads it: the first bytes, then the rest of the head."""
    head = head_bytes(mp4[: 1 << 16])
    return read_index(mp4[:head], len(mp4) - head)


def packets_of(mp4: bytes) -> dict[TrackType, list[Packet]]:
    """What libav demuxes."""
    found: dict[TrackType, list[Packet]] = {"video": [], "audio": []}
    with av.open(io.BytesIO(mp4), "r", format="mp4") as file:
        # The flag of a packet is also that of a picture which its parser takes for one to begin with.
        syncs = {each.pos for stream in file.streams for each in stream.index_entries if each.is_keyframe}
        for packet in file.demux():
            if not packet.size:
                continue
            assert packet.pts is not None
            assert packet.dts is not None
            assert packet.duration is not None
            assert packet.pos is not None
            base = packet.time_base
            found["video" if packet.stream.type == "video" else "audio"].append(
                Packet(
                    data=bytes(packet),
                    dts=packet.dts * base,
                    at=packet.pts * base,
                    lasts=packet.duration * base,
                    sync=packet.pos in syncs,
                    offset=packet.pos,
                )
            )
    return found


def written(made: Cut, mp4: bytes) -> bytes:
    """The file of a cut."""
    pieces = [mp4[piece.start : piece.end] if isinstance(piece, Copied) else piece.data for piece in made.pieces]
    return made.head + b"".join(pieces)


# ---- what is asked for ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A range of one source; `lead` is how long before its true start the zero lies, None: that is the zero."""

    name: str
    begin: Fraction
    end: Fraction
    lead: Fraction | None


def wish(draw: random.Random, name: str) -> Wish:
    """Any range to the millisecond, or one that begins or ends at, just before or just after something."""
    whole = source(name)
    marks = [each.at for packets in whole.packets.values() for each in packets if each.sync]
    last = [whole.over(kind) for kind in whole.packets]
    shown = sorted(at for _, at in whole.seen.pictures)
    edges = [marks, last, shown[:1] + shown[-1:], [a for a, b in pairwise(shown) if b - a > 1]]

    def point() -> Fraction:
        near = draw.choice(edges)
        if near and draw.random() < 0.5:
            return draw.choice(near) + draw.choice((0, 0, Fraction(1, 90_000), Fraction(-1, 90_000), Fraction(1, 1000)))
        return Fraction(draw.randrange(-500, 1000 * int(whole.seconds) + 1500), 1000)

    begin, other = point(), point()
    end = begin + Fraction(draw.randrange(1, 400), 100) if draw.random() < 0.5 else other
    lead = Fraction(draw.randrange(4_000), 1000) if draw.random() < 0.25 else None
    return Wish(name=name, begin=min(begin, end), end=max(begin, end), lead=lead)


# ---- what it should be ----


def due_start(whole: Source, begin: Fraction, end: Fraction) -> Fraction | None:
    """When a cut of a range begins, told from what libav demuxes; None where there is nothing to cut."""
    syncs: dict[TrackType, list[Fraction]] = {
        kind: [each.at for each in packets if each.sync] for kind, packets in whole.packets.items()
    }
    if begin >= end:
        return None
    for kind in whole.packets:
        earlier = [at for at in syncs[kind] if at <= begin]
        if earlier and begin < whole.over(kind):
            return max(earlier)
    return min((at for found in syncs.values() for at in found if begin <= at < end), default=None)


@dataclass(slots=True)
class Judged:
    """What was found of one cut: all that is wrong, and some figures."""

    wrong: list[str]
    early: Fraction = Fraction(0)
    pictures: int = 0
    units: int = 0
    left_out: int = 0
    inserted: int = 0
    nothing: bool = False
    mp4: bytes = b""
    first: tuple[int, int] | None = None
    lasts: Fraction = Fraction(0)
    played: bool = False

    def hold(self, what: str, *, right: bool) -> None:
        """Note what is not as it should be."""
        if not right:
            self.wrong.append(what)


def judge(asked: Wish) -> Judged:
    """Make the cut and hold it against its source."""
    whole, judged = source(asked.name), Judged(wrong=[])
    due = due_start(whole, asked.begin, asked.end)
    try:
        start = start_of(whole.index, asked.begin, asked.end)
        made = cut(whole.index, asked.begin, asked.end, zero=None if asked.lead is None else start - asked.lead)
    except NothingToCutError:
        judged.nothing = True
        judged.hold("nothing was cut", right=due is None)
        return judged
    if due is None:
        judged.hold("something was cut", right=False)
        return judged
    judged.mp4 = written(made, whole.mp4)
    judged.lasts = made.ends_at - made.zero
    judged.early = asked.begin - start
    judged.hold("not announced", right=made.starts_at == start)
    judged.hold("another start", right=abs(start - due) <= TICK)
    judged.hold("late", right=start <= asked.begin or not _is_shown(whole, asked.begin))
    _judge_file(judged, whole, made, asked)
    _judge_samples(judged, whole, made, asked, due)
    _judge_pictures(judged, whole, made, asked, due)
    return judged


def _is_shown(whole: Source, at: Fraction) -> bool:
    return any(
        packets and min(each.at for each in packets if each.sync) <= at < whole.over(kind)
        for kind, packets in whole.packets.items()
    )


def _judge_file(judged: Judged, whole: Source, made: Cut, asked: Wish) -> None:
    report = check(made.head, made.media_bytes)
    judged.hold("size", right=len(judged.mp4) == made.size_bytes == report.head_bytes + report.media_bytes)
    told = {track.type: track for track in made.tracks}
    judged.hold("tracks", right=[track.type for track in report.tracks] == list(told))
    for track in report.tracks:
        said = told["video" if track.type == "video" else "audio"]
        judged.hold("samples", right=track.samples == said.copied + said.inserted)
        judged.hold("start of a track", right=abs(track.starts_at + made.zero - said.starts_at) <= TICK)
        judged.hold("end of a track", right=abs(track.ends_at + made.zero - said.ends_at) <= TICK)
        judged.left_out += said.left_out
        judged.inserted += said.inserted
        if said.copied:
            due = min(asked.end, whole.over(said.type))
            judged.hold("ends before its end", right=said.ends_at >= due - TICK)
    judged.hold("end", right=made.ends_at == max(track.ends_at for track in made.tracks))
    starts = min(track.starts_at for track in made.tracks)
    judged.hold("zero", right=made.zero <= starts and (made.zero == made.starts_at or made.zero < made.starts_at))


def _judge_samples(judged: Judged, whole: Source, made: Cut, asked: Wish, due: Fraction) -> None:
    """Every sample once, with its bytes and at its time."""
    found = packets_of(judged.mp4)
    pictures = _due_pictures(whole, asked.end, due)
    judged.hold("pictures", right=[each.data for each in found["video"]] == [each.data for each in pictures])
    judged.hold("times of pictures", right=_in_time(found["video"], pictures, made.zero))
    judged.hold("first picture no sync sample", right=not pictures or found["video"][0].sync)
    begin = due if asked.lead is None else made.zero
    units = [each for each in whole.packets["audio"] if begin <= each.at < asked.end]
    silent, heard = found["audio"][: judged.inserted], found["audio"][judged.inserted :]
    judged.hold("sound", right=[each.data for each in heard] == [each.data for each in units])
    judged.hold("times of sound", right=_in_time(heard, units, made.zero))
    judged.hold("silence that nobody asked for", right=not silent or asked.lead is not None)
    if silent:
        unit = silent[0].lasts
        judged.hold("silence", right={each.data for each in silent} <= {_quiet(whole)} and silent[0].at < unit)
    elif asked.lead is not None and whole.packets["audio"]:
        judged.hold("no silence", right=not heard or heard[0].at < heard[0].lasts)
    judged.pictures, judged.units = len(pictures), len(units)


def _quiet(whole: Source) -> bytes:
    sound = whole.index.track("audio")
    assert sound is not None
    return silent_frame(sound.timescale, 2 if sound.timescale == 44_100 else 1)


def _due_pictures(whole: Source, end: Fraction, due: Fraction) -> list[Packet]:
    """From the first sync sample at or after the start to the last picture before the end, in decode order."""
    packets = whole.packets["video"]
    first = next((n for n, each in enumerate(packets) if each.sync and due <= each.at < end), len(packets))
    last = max((n for n, each in enumerate(packets) if each.at < end), default=-1)
    return [each for each in packets[first : last + 1] if each.at >= packets[first].at]


def _in_time(found: list[Packet], due: list[Packet], zero: Fraction) -> bool:
    return all(abs(a.at + zero - b.at) <= TICK for a, b in zip(found, due, strict=False))


def _judge_pictures(judged: Judged, whole: Source, made: Cut, asked: Wish, due: Fraction) -> None:
    """By the numbers in the pictures: the first is that of the start, and each before the end comes once, in time."""
    seen = numbered(judged.mp4)
    judged.hold(f"complaints: {seen.complaints[:1]}", right=not seen.complaints)
    begin = min((each.at for each in _due_pictures(whole, asked.end, due)), default=asked.end)
    shown = [(number, at) for number, at in whole.seen.pictures if begin <= at < asked.end]
    within = [(number, at + made.zero) for number, at in seen.pictures if at + made.zero < asked.end - TICK / 10]
    beyond = seen.pictures[len(within) :]
    judged.hold("numbers", right=[number for number, _ in within] == [number for number, _ in shown])
    judged.hold("times", right=all(abs(a[1] - b[1]) <= TICK for a, b in zip(within, shown, strict=False)))
    judged.hold("strangers", right={number for number, _ in beyond} <= {number for number, _ in whole.seen.pictures})
    judged.first = seen.pictures[0][0] if seen.pictures else None
    track = next((track for track in made.tracks if track.type == "video"), None)
    if track is not None:
        last = max(at for _, at in seen.pictures) + made.zero
        judged.hold("held too long", right=track.ends_at <= max(asked.end, last) + 2 * TICK)
