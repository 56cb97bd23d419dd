"""The tracks of an individual recording as its bucket has them: what slices are named, and what they really show."""

import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import av
import numpy as np

from deployments.sandbox import scene
from deployments.sandbox.vendors import Script
from tests.lab.judging import judge_ts
from tests.lab.luma import luma_of
from tests.sandbox.vendors.callers import PACE, Site, wait_for

_ROTATE = re.compile(r"#EXT-X-AGORA-ROTATE:WIDTH=(\d+),HEIGHT=(\d+),ROTATE=(\d+),TIME=(\d+)")


def to_ms(stamp: str) -> int:
    """Of 17 digits, or of the 13 of Unix."""
    if len(stamp) == 13:
        return int(stamp)
    whole = datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int(stamp[14:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One slice: when its name says that it begins, in ms since 1970, the tags before it, and its bytes."""

    begins_ms: int
    tags: tuple[str, ...]
    duration_s: float
    data: bytes

    @property
    def restarts(self) -> bool:
        return any("TRACK-EVENT" in tag for tag in self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    size: tuple[int, int]
    degrees: int
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """All slices that one playlist names."""

    text: str
    pieces: tuple[Piece, ...]

    @property
    def stretches(self) -> list[list[Piece]]:
        """Cut where it starts again."""
        found: list[list[Piece]] = []
        for piece in self.pieces:
            found = [*found, [piece]] if piece.restarts else [*found[:-1], [*found[-1], piece]]
        return found

    @property
    def rotates(self) -> list[Turned]:
        """In the order of the playlist."""
        matches = [_ROTATE.fullmatch(tag) for piece in self.pieces for tag in piece.tags]
        return [
            Turned(size=(int(found[1]), int(found[2])), degrees=int(found[3]), ms=to_ms(found[4]))
            for found in matches
            if found
        ]

    def spans(self, started_ms: int) -> list[tuple[float, float]]:
        """Begin and end of each stretch in seconds of the recording, by names and EXTINF."""
        return [
            (
                round((pieces[0].begins_ms - started_ms) / 1000, 2),
                round((pieces[-1].begins_ms - started_ms) / 1000 + pieces[-1].duration_s, 2),
            )
            for pieces in self.stretches
        ]

    def degrees_at(self, ms: float) -> int:
        """As the tags say."""
        return ([0] + [one.degrees for one in self.rotates if one.ms <= ms])[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A whole recording. Times are those of the playlists of the user 101, who is there from the beginning."""

    sid: str
    tracks: dict[str, Track]

    @property
    def started_ms(self) -> int:
        return self.tracks["101_video"].pieces[0].begins_ms

    def spans(self, name: str) -> list[tuple[float, float]]:
        return self.tracks[name].spans(self.started_ms)

    def assert_true(self) -> None:
        """Second n is seen and heard at `started_ms` + n, by the name of each slice: to 1 ms."""
        for name, track in self.tracks.items():
            assert track.pieces
            for stretch in track.stretches:
                if name.endswith("video"):
                    _assert_pictures(track, stretch, self.started_ms)
                else:
                    _assert_beeps(stretch, self.started_ms)


def _assert_pictures(track: Track, stretch: Sequence[Piece], started_ms: int) -> None:
    """Each picture, turned as the tags say, tells its second and number."""
    for piece in stretch:
        first_s: float | None = None
        with av.open(io.BytesIO(piece.data), "r", format="mpegts") as source:
            for frame in source.decode(video=0):
                assert frame.time is not None
                first_s = frame.time if first_s is None else first_s
                shown_ms = piece.begins_ms + 1000 * (frame.time - first_s)
                luma = np.rot90(luma_of(frame), track.degrees_at(shown_ms + 1) // 90)
                _, second, number = scene.read_picture(luma)
                assert abs(shown_ms - started_ms - 1000 * second - 40 * number) <= 1


def _assert_beeps(stretch: Sequence[Piece], started_ms: int) -> None:
    data = b"".join(piece.data for piece in stretch)
    begins_s = (stretch[0].begins_ms - started_ms) / 1000 - first_stamp(data)
    lasts_s = (stretch[-1].begins_ms - stretch[0].begins_ms) / 1000 + stretch[-1].duration_s
    marks = judge_ts(data).marks
    heard = [begins_s + mark.beep_s for mark in marks if mark.beep_s is not None]
    codes = [mark.second % scene.PITCHES for mark in marks]
    assert [round(at) % scene.PITCHES for at in heard] == codes
    assert all(abs(at - round(at)) <= 0.001 for at in heard)
    assert len(heard) >= int(lasts_s) - 1 or lasts_s < 2


def first_stamp(data: bytes) -> float:
    """The PTS of the first picture or sound, in seconds."""
    with av.open(io.BytesIO(data), "r", format="mpegts") as source:
        return min(float(packet.pts * packet.time_base) for packet in source.demux() if packet.pts is not None)


def taken(site: Site, script: Script, seconds: float = 10.6, room: str = "room1") -> Taken:
    """An individual recording under this script, from beginning to end."""
    site.vendors.follow("agora", room, script)
    call = site.agora("individual", room)
    time.sleep(seconds / PACE)
    call.stop()
    site.settle()
    return _taken(site, call.sid)


def taken_until_all_left(site: Site, script: Script, room: str = "room1") -> Taken:
    """The same, as fast as the site's pace and this machine allow: nobody stops it."""
    site.vendors.follow("agora", room, script)
    call = site.agora("individual", room, recordingConfig={"subscribeUidGroup": 0, "maxIdleTime": 5})
    wait_for(lambda: 31 in site.types(), 60)
    site.settle()
    return _taken(site, call.sid)


def _taken(site: Site, sid: str) -> Taken:
    return Taken(sid=sid, tracks={_name(key): _track(site, key) for key in site.playlists("agora", sid)})


def _name(key: str) -> str:
    backup = "bak0_" if "/bak0_" in key else ""
    return backup + key.partition("__uid_s_")[2].removesuffix(".m3u8").replace("__uid_e", "")


def _track(site: Site, key: str) -> Track:
    text = site.text("agora", key)
    pieces: list[Piece] = []
    tags: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            tags.append(line)
            continue
        seconds = float(tags[-1].removeprefix("#EXTINF:"))
        data = site.read("agora", f"{key.rpartition('/')[0]}/{line}")
        begins_ms = to_ms(line.removesuffix(".ts").rpartition("_")[2])
        pieces.append(Piece(begins_ms=begins_ms, tags=tuple(tags[:-1]), duration_s=seconds, data=data))
        tags.clear()
    return Track(text=text, pieces=tuple(pieces))
