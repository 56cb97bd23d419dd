"""Individual recordings of a cast, made by the sandbox's recorder, and what became of them by eye, ear and manifest.

Seconds are those of the recording, which are the numbers that the scene shows and sounds.
"""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from pathlib import Path

import av

from catalog.model import Absence, Gap, GapTrack, Output, StreamRecord
from deployments.sandbox import scene
from deployments.sandbox.clips import AAC_FRAME
from deployments.sandbox.packets import TrackType, restamp
from deployments.sandbox.vendors import Cast, Failover, Person, Script
from deployments.sandbox.vendors.cast import takes_of
from tests.flows.scenes import FRAME_S, Outcome, outcome
from tests.lab import Laid, sightings
from tests.sandbox.vendors.callers import Site, opened, wait_for
from tests.sandbox.vendors.tracks import to_ms

NEAR_S = 0.12
"""How far the ends of what a manifest lists may be off: sound comes in PES packets of several frames."""
_TOGETHER_S = 0.26
"""Two tracks whose holes begin and end so near each other have one entry."""
_LASTS_S = 0.1
"""How long a flash or a beep is."""
_UNLISTED_S: Mapping[TrackType, float] = {"audio": 0.25, "video": 2.0}
"""Shorter pauses are no absences."""
_KINDS: tuple[TrackType, ...] = ("audio", "video")

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One slice that a playlist names, and when it lasts by its name."""

    key: str
    user: str
    kind: TrackType
    begin_s: float
    end_s: float
    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taped:
    """What lies in the bucket of a recording that began at `started_at`."""

    laid: Laid
    started_at: datetime
    listed: tuple[Listed, ...]

    def of(self, user: str, kind: TrackType, leg: int | None = None) -> list[Listed]:
        """The slices of a track."""
        return [s for s in self.listed if (s.user, s.kind) == (user, kind) and leg in {None, s.leg}]

    def data(self, listed: Listed) -> bytes:
        """The bytes of a slice."""
        return self.laid.objects[listed.key]

    def without(self, *lost: Listed) -> "Taped":
        """The same, but these slices never came."""
        keys = {each.key for each in lost}
        objects = {key: data for key, data in self.laid.objects.items() if key not in keys}
        return replace(self, laid=replace(self.laid, objects=objects))

    def stamped(self, change: Callable[[Listed, bytes], bytes]) -> "Taped":
        """The same with other bytes in every slice that is there."""
        known = {each.key: each for each in self.listed}
        objects = {key: change(known[key], data) if key in known else data for key, data in self.laid.objects.items()}
        return replace(self, laid=replace(self.laid, objects=objects))

    def later(self, ticks: int, kind: TrackType | None = None) -> "Taped":
        """Stamps of all slices, or of one kind, are so much higher."""
        return self.stamped(lambda each, data: restamp(data, ticks) if kind in {None, each.kind} else data)

    def there(self, user: str, kind: TrackType) -> list[Stretch]:
        """When something of a track was stored."""
        return _joined((s.begin_s, s.end_s) for s in self.of(user, kind) if s.key in self.laid.objects)

    def lost(self, user: str, kind: TrackType) -> list[Stretch]:
        """When slices of a track are named that are not there, and no other recorder's are."""
        return _without(
            _joined((s.begin_s, s.end_s) for s in self.of(user, kind) if s.key not in self.laid.objects),
            self.there(user, kind),
        )


def tape(*people: Person, failover: Failover | None = None, slice_s: float = 2, **options: object) -> Taped:
    """Record them until all have left, which takes as long as encoding them; `options` are the cast's."""
    cast = Cast(people=people, **options)  # type: ignore[arg-type]
    with opened(pace=1e5, slice_s=slice_s) as site:
        site.vendors.follow("agora", "room1", Script(cast=cast, failover=failover))
        call = site.agora("individual", "room1", recordingConfig={"subscribeUidGroup": 0, "maxIdleTime": 1000})
        wait_for(lambda: 31 in site.types(), 60)
        site.settle()
        return _taped(site, call.sid, people)


def _taped(site: Site, sid: str, people: Sequence[Person]) -> Taped:
    objects = {key: site.read("agora", key) for key in site.keys("agora", sid)}
    playlists = tuple(key for key in objects if key.endswith(".m3u8"))
    listed = [each for key in playlists for each in _listed(key, objects[key].decode())]
    first = min((s for s in listed if s.leg == 0 and s.kind == "audio"), key=lambda s: s.begin_s)
    (person,) = (person for person in people if person.user == first.user)
    came = takes_of(person, ("audio",), (160, 90))[0].begin_s
    zero = round(first.begin_s * 1000) - round(1000 * (round(came * 48_000) - AAC_FRAME) / 48_000)
    started_at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=zero)
    listed.sort(key=lambda s: (s.user, s.kind, s.leg, s.begin_s))
    counted = tuple(replace(s, begin_s=s.begin_s - zero / 1000, end_s=s.end_s - zero / 1000) for s in listed)
    segments = tuple(each.key for each in listed)
    return Taped(
        laid=Laid(objects=objects, playlists=playlists, segments=segments), started_at=started_at, listed=counted
    )


def _listed(playlist: str, text: str) -> Iterator[Listed]:
    user, kind = playlist.partition("__uid_s_")[2].removesuffix(".m3u8").split("__uid_e_")
    duration_s = 0.0
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            duration_s = float(line.removeprefix("#EXTINF:"))
        if line.endswith(".ts"):
            begin_s = to_ms(line.removesuffix(".ts").rpartition("_")[2]) / 1000
            yield Listed(
                key=f"{playlist.rpartition('/')[0]}/{line}",
                user=user,
                kind="audio" if kind == "audio" else "video",
                begin_s=begin_s,
                end_s=begin_s + duration_s,
                leg=int("/bak0_" in playlist),
            )


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for begin, end in sorted(stretches):
        if joined and begin - joined[-1][1] <= NEAR_S:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _without(stretches: Iterable[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    """What is left of them, if it is more than rounding."""
    left: list[Stretch] = []
    for stretch in stretches:
        begin, end = stretch
        for other_begin, other_end in others:
            if other_begin < end and other_end > begin:
                left.append((begin, other_begin))
                begin = max(begin, other_end)
        left.append((begin, end))
    return [(begin, end) for begin, end in left if end - begin > NEAR_S]


def _between(stretches: Sequence[Stretch]) -> list[Stretch]:
    return [(one[1], other[0]) for one, other in itertools.pairwise(stretches)]


# ---- what came of it ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A second that was seen or heard: where it plays in its file, and when that was by the manifest's clock."""

    second: int
    at_s: float
    was_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """All that was published of a recording, and the truth."""

    taped: Taped
    found: Outcome

    def stream(self, user: str) -> StreamRecord:
        """The one stream of a user."""
        (stream,) = (each for each in self.found.manifest.streams if each.stream == user)
        return stream

    def mp4(self, output: Output) -> bytes:
        """The bytes of a file."""
        return (self.found.folder / output.key).read_bytes()

    def was(self, stream: StreamRecord, media_s: float) -> float:
        """The second of the recording that the manifest's clock says of a time of a stream."""
        utc = stream.clock.utc_at(media_s)
        assert utc is not None
        return (utc - self.taped.started_at).total_seconds()

    def seen(self, user: str) -> dict[TrackType, list[Sighting]]:
        """Each flash and each beep of a user's files, in their order."""
        stream = self.stream(user)
        seen: dict[TrackType, list[Sighting]] = {"audio": [], "video": []}
        for output in stream.outputs:
            begins_s = min(track.starts_at_s for track in output.tracks)
            flashes, beeps = sightings(self.mp4(output))
            for number, at_s in flashes:
                was_s = self.was(stream, begins_s + at_s)
                seen["video"].append(Sighting(second=number, at_s=at_s, was_s=was_s))
            for number, at_s in beeps:
                was_s = self.was(stream, begins_s + at_s)
                seen["audio"].append(Sighting(second=_nearest(number, was_s), at_s=at_s, was_s=was_s))
        return seen

    def spans(self, stream: StreamRecord, spans: Iterable[Gap | Absence], kind: TrackType) -> list[Stretch]:
        """Gaps or absences of a track in seconds of the recording."""
        wanted: set[GapTrack] = {kind, "both"}
        return [(self.was(stream, s.from_s), self.was(stream, s.to_s)) for s in spans if s.track in wanted]


def _nearest(number: int, was_s: float) -> int:
    """The second with the pitch of this number that is nearest."""
    return number + scene.PITCHES * round((was_s - number) / scene.PITCHES)


def publish(taped: Taped, folder: Path) -> Witness:
    """Process it, a day later."""
    return Witness(taped=taped, found=outcome(taped.laid, folder))


def assert_true(witness: Witness, *users: str) -> None:
    """Every second of every user is once where it belongs, or not recorded and listed as such, or lost and listed."""
    for user in users or tuple(dict.fromkeys(each.user for each in witness.taped.listed)):
        stream, seen = witness.stream(user), witness.seen(user)
        assert all(track.closes for output in stream.outputs for track in output.tracks)
        for kind in _KINDS:
            who = f"{kind} of {user}"
            _assert_once_in_place(who, seen[kind])
            _assert_nothing_unlisted(who, witness, stream, kind, {each.second for each in seen[kind]})
            _assert_nothing_invented(who, witness, stream, kind)


def _assert_once_in_place(who: str, seen: Sequence[Sighting]) -> None:
    numbers = [each.second for each in seen]
    assert len(numbers) == len(set(numbers)), f"{who}: a second comes twice: {numbers}"
    for each in seen:
        assert abs(each.was_s - each.second) <= FRAME_S + 0.001, f"{who}: second {each.second} is at {each.was_s:.3f}"


def _assert_nothing_unlisted(
    who: str, witness: Witness, stream: StreamRecord, kind: TrackType, numbers: set[int]
) -> None:
    there = witness.taped.there(stream.stream, kind)
    gaps, absences = (witness.spans(stream, spans, kind) for spans in (stream.gaps, stream.absences))
    for begin, end in there:
        for second in range(ceil(begin + 0.03), floor(end - _LASTS_S) + 1):
            assert second in numbers, f"{who}: second {second} is nowhere; gaps {gaps}, absences {absences}"
    strange = [n for n in numbers if not any(begin - _LASTS_S <= n < end for begin, end in there)]
    assert not strange, f"{who}: {strange} were never recorded, only {there}"
    open_ones = _without(_between(there), sorted([*gaps, *absences]))
    unlisted = [(begin, end) for begin, end in open_ones if end - begin > _UNLISTED_S[kind]]
    assert not unlisted, f"{who}: not listed {unlisted}; gaps {gaps}, absences {absences}"


def _assert_nothing_invented(who: str, witness: Witness, stream: StreamRecord, kind: TrackType) -> None:
    """Gaps lie where something is lost, absences where nothing was recorded, and neither where something is there."""
    taped = witness.taped
    there, lost = taped.there(stream.stream, kind), taped.lost(stream.stream, kind)
    failover = [
        (witness.was(stream, g.from_s), witness.was(stream, g.to_s)) for g in stream.gaps if g.cause == "failover"
    ]
    gaps, absences = (witness.spans(stream, spans, kind) for spans in (stream.gaps, stream.absences))
    for listed in (gaps, absences):
        assert _overlaps(listed, there, _TOGETHER_S) == [], f"{who}: {listed} is there: {there}"
    assert _without(gaps, sorted([*lost, *failover])) == [], f"{who}: gaps {gaps}, lost {lost}"
    assert _overlaps(absences, lost) == [], f"{who}: absences {absences}, lost {lost}"
    assert _without(lost, sorted(gaps)) == [], f"{who}: lost {lost}, gaps {gaps}"


def _overlaps(stretches: Iterable[Stretch], others: Sequence[Stretch], near_s: float = NEAR_S) -> list[Stretch]:
    shared = [(max(a, c), min(b, d)) for a, b in stretches for c, d in others]
    return [(begin, end) for begin, end in shared if end - begin > near_s]


def offsets(mp4: bytes) -> list[float]:
    """Sound after picture, in seconds, of each second of a file that has both."""
    flashes, beeps = sightings(mp4)
    seen = dict(flashes)
    return [at - seen[number] for number, at in beeps if number in seen]


def farthest_apart(mp4: bytes) -> int:
    """The longest way in the file between sound and pictures of one time, in bytes."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        packets = [(float(p.pts * p.time_base), p.stream.type, p.pos) for p in source.demux() if p.pts is not None]
    pictures = sorted((at, pos) for at, kind, pos in packets if kind == "video" and pos is not None)
    worst, near = 0, 0
    for at, pos in sorted((at, pos) for at, kind, pos in packets if kind == "audio" and pos is not None):
        while near + 1 < len(pictures) and pictures[near + 1][0] <= at:
            near += 1
        if pictures[near][0] <= at < pictures[near][0] + 0.1:
            worst = max(worst, abs(pos - pictures[near][1]))
    return worst


def sound_frames(data: bytes) -> int:
    """How many frames of sound a slice holds."""
    with av.open(io.BytesIO(data), "r", format="mpegts") as source:
        return sum(1 for packet in source.demux(audio=0) if packet.size)
