"""Who does what when in a recording, and what each track of each person is recorded as because of it.

Moments are seconds of the recording, which are the seconds that the scene shows. A stretch that ends with the
recording has `None` as its end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Final, Literal

from deployments.sandbox.clips import VideoCodec
from deployments.sandbox.packets import TrackType
from deployments.sandbox.playlists import TimeForm

Stretch = tuple[float, float | None]
Degrees = Literal[0, 90, 180, 270]
_Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """How the camera's picture is coded from this second on.

    `size` is that of the coded picture (None: the studio's). What is coded is the upright scene turned clockwise by
    `degrees`. A phone that is turned goes on coding pictures of one size, so its upright scene changes shape; give the
    size with width and height swapped for a sender that keeps the shape of the scene. Another size or codec makes a
    new slice, another turn none.
    """

    at_s: float = 0
    size: tuple[int, int] | None = None
    codec: VideoCodec = "h264"
    degrees: Degrees = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One user. A track is recorded in the stays, but not while the camera is off (video) or it is muted (audio).

    `video_after_s`: by how much the first key frame of each stay comes later than its sound. `silence_s`: how long
    silence is still recorded after a mute; a shorter mute is silence only. `screen`: when a screen is shared as a
    stream of the same user, which only ZEGO knows; at Agora it is another user.
    """

    user: str
    stays: tuple[Stretch, ...] = ((0, None),)
    camera_off: tuple[Stretch, ...] = ()
    muted: tuple[Stretch, ...] = ()
    video_after_s: float = 0
    silence_s: float = 0
    shots: tuple[Shot, ...] = (Shot(),)
    screen: tuple[Stretch, ...] = ()


Shown = Literal["main", "screen", "whiteboard"]
"""What is recorded: what a person says and the camera sees, the screen that is shared, or everybody's whiteboard."""
Clock = Literal["track", "recorder"]
"""Where stamps begin: each track's with its own first picture or sample, or all tracks' when the recorder began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """All who publish, in place of those whom the room was told of.

    `restamps`: after an interruption stamps begin anew, those of both tracks of a person as they are to each other
    where the clock is the recorder's; otherwise they go on. `times` is the form of TIME in Agora's tags, and `breaks`
    puts EXT-X-DISCONTINUITY where another encoder goes on without an interruption. `whiteboard` is when there is one,
    for ZEGO and an order that asks for it.
    """

    people: tuple[Person, ...]
    clock: Clock = "track"
    restamps: bool = False
    times: TimeForm = "utc17"
    breaks: bool = False
    whiteboard: tuple[Stretch, ...] = ()

    @property
    def users(self) -> tuple[str, ...]:
        """All their names."""
        return tuple(person.user for person in self.people)

    def users_in(self, second: int) -> tuple[str, ...]:
        """Who is there at any time in this second."""
        return tuple(
            person.user
            for person in self.people
            if any(begin < second + 1 and end > second for begin, end in _spans(person.stays))
        )

    def takes(
        self, user: str, kinds: Sequence[TrackType], size: tuple[int, int], shown: Shown = "main"
    ) -> tuple["Take", ...]:
        """What is recorded of these tracks of a user; `size` is the studio's."""
        if shown == "whiteboard":
            return _always_upright(self.whiteboard)
        person = next((person for person in self.people if person.user == user), None)
        if person is None:
            return ()
        return _always_upright(person.screen) if shown == "screen" else takes_of(person, kinds, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What one encoder makes of a track, unless the recorder is lost.

    `stay_s` is when the person came, and `since_s` when the track began, of which this may not be the first encoder;
    `is_cut`: it is not the last. `shots`, of one size and codec, are those of its time; none for sound alone.
    """

    begin_s: float = 0
    end_s: float = inf
    stay_s: float = 0
    since_s: float = 0
    is_cut: bool = False
    shots: tuple[Shot, ...] = ()
    silences: tuple[_Span, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether another encoder was at work until it began."""
        return self.since_s < self.begin_s

    @property
    def gone_s(self) -> float:
        """When nothing was sent any more, which is earlier than its end where that is silent."""
        return self.silences[-1][0] if self.silences and self.silences[-1][1] == self.end_s else self.end_s

    def meets(self, second: int) -> bool:
        """Whether any of it is in this second."""
        return self.begin_s < second + 1 and self.end_s > second

    def degrees_at(self, moment_s: float) -> int:
        """How far the picture is turned then."""
        return _shots_in(self.shots, moment_s, moment_s)[0].degrees if self.shots else 0

    def shots_in(self, begin_s: float, end_s: float) -> tuple[Shot, ...]:
        """Those of this time: the one that it begins with, and those that begin in it."""
        return _shots_in(self.shots, begin_s, end_s)


ALWAYS: Final = Take()
"""Of somebody who has no part in a cast: as long as he publishes."""


def takes_of(person: Person, kinds: Sequence[TrackType], size: tuple[int, int]) -> tuple[Take, ...]:
    """The takes of one of a person's tracks, or of both in one file: then no camera is ever off, and nobody muted."""
    if tuple(kinds) == ("audio",):
        return tuple(_sound(person))
    has_sound = "audio" in kinds
    off = () if has_sound else person.camera_off
    late_s = 0 if has_sound else person.video_after_s
    shots = _resolved(person.shots, size)
    return tuple(
        take
        for stay in _spans(person.stays)
        for begin, end in _without((stay[0] + late_s, stay[1]), _spans(off))
        for take in _pictures(begin, end, stay[0], shots)
    )


def _always_upright(stretches: Iterable[Stretch]) -> tuple[Take, ...]:
    return tuple(Take(begin_s=begin, end_s=end, stay_s=begin, since_s=begin) for begin, end in _spans(stretches))


def _sound(person: Person) -> Iterator[Take]:
    mutes = [(begin, min(end, begin + person.silence_s)) for begin, end in _spans(person.muted)]
    stops = [(begin + person.silence_s, end) for begin, end in _spans(person.muted)]
    for stay in _spans(person.stays):
        for begin, end in _without(stay, stops):
            own = [(max(begin, first), min(end, last)) for first, last in mutes]
            silences = tuple(mute for mute in own if mute[0] < mute[1])
            yield Take(begin_s=begin, end_s=end, stay_s=stay[0], since_s=begin, silences=silences)


def _pictures(begin: float, end: float, stay_s: float, shots: Sequence[Shot]) -> Iterator[Take]:
    """One take for each size and codec."""
    held = _shots_in(shots, begin, end)
    cuts = [shot.at_s for before, shot in pairwise(held) if (before.size, before.codec) != (shot.size, shot.codec)]
    for first, last in pairwise([begin, *cuts, end]):
        own = _shots_in(held, first, last)
        yield Take(begin_s=first, end_s=last, stay_s=stay_s, since_s=begin, is_cut=last != end, shots=own)


def _resolved(shots: Iterable[Shot], size: tuple[int, int]) -> tuple[Shot, ...]:
    return tuple(Shot(at_s=shot.at_s, size=shot.size or size, codec=shot.codec, degrees=shot.degrees) for shot in shots)


def _shots_in(shots: Sequence[Shot], begin_s: float, end_s: float) -> tuple[Shot, ...]:
    before = [shot for shot in shots if shot.at_s <= begin_s][-1:] or shots[:1]
    return (*before, *(shot for shot in shots if begin_s < shot.at_s < end_s and shot not in before))


def _spans(stretches: Iterable[Stretch]) -> list[_Span]:
    return [(begin, inf if end is None else end) for begin, end in stretches]


def _without(span: _Span, holes: Iterable[_Span]) -> Iterator[_Span]:
    """What is left of it; holes are in order of time."""
    begin, end = span
    for hole_begin, hole_end in holes:
        if hole_begin < hole_end and begin < hole_begin < end:
            yield begin, hole_begin
        if hole_begin < hole_end:
            begin = max(begin, hole_end) if hole_begin < end else begin
    if begin < end:
        yield begin, end
