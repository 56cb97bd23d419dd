"""Cut: where a clip really begins and ends, told before the job runs, and held to it when it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from catalog.export_request import Clip, ExportMode
from flows.steps.movies import Movie, SourceGoneError, Write
from flows.steps.selecting import Wish
from flows.steps.unmade import UnmakeableError
from media.cut import Cut, cut, start_of
from media.mp4.entries import EntryError

_MILLION: Final = 1_000_000
"""Seconds are told to the microsecond."""
_ROUNDED: Final = Fraction(2, _MILLION)


class CutDiffersError(UnmakeableError):
    """A file would not be what was told before its job ran. It is not made: what is told of a cut is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMovie:
    """A cut, and what it is cut from."""

    cut: Cut
    movie: Movie

    def send(self, write: Write) -> None:
        """Give the whole file to `write`, front to back."""
        write(self.cut.head)
        self.movie.send(self.cut.pieces, write)


def announced(wishes: Sequence[Wish], mode: ExportMode, open_movie: Callable[[Wish], Movie]) -> tuple[Clip, ...]:
    """The clips of these wishes: where each really begins and ends, and how large its file will be.

    Only heads are read. Files of several people share one zero, the first start of all on the wall clock; one of a
    stream without a clock has its own. Raises `NothingToCutError`, and what opening a movie raises.
    """
    begins = [_begin(wish, open_movie(wish)) for wish in wishes] if mode is ExportMode.SEPARATE else []
    times = [wish.clock.utc_at(begin) for wish, begin in zip(wishes, begins, strict=False)]
    common = min((at for at in times if at), default=None)
    return tuple(_announced(wish, open_movie(wish), common) for wish in wishes)


def cut_as_told(clip: Clip, movie: Movie) -> CutMovie:
    """The cut of a clip. Raises `CutDiffersError` unless it is what was told of it."""
    origin_s = clip.origin.origin_s
    made = _cut(movie, clip.from_s, clip.to_s, origin_s, None if clip.zero_s == clip.starts_at_s else clip.zero_s)
    found = _told(made.starts_at, origin_s), _told(made.ends_at, origin_s), made.size_bytes
    if found != (clip.starts_at_s, clip.ends_at_s, clip.size_bytes):
        message = (
            f"{clip.file} would begin at {found[0]:.6f} s, end at {found[1]:.6f} s and have {found[2]} bytes, where "
            f"{clip.starts_at_s:.6f} s, {clip.ends_at_s:.6f} s and {clip.size_bytes} bytes were told. Ask for it again."
        )
        raise CutDiffersError(message)
    return CutMovie(cut=made, movie=movie)


def _announced(wish: Wish, movie: Movie, common: datetime | None) -> Clip:
    zero_s = wish.clock.media_at(common) if common else None
    begin = _begin(wish, movie)
    zero_s = None if zero_s is None or zero_s >= begin else zero_s
    made = _cut(movie, wish.from_s, wish.to_s, wish.origin.origin_s, zero_s)
    starts_at_s, ends_at_s = (_told(at, wish.origin.origin_s) for at in (made.starts_at, made.ends_at))
    return wish.clip(
        starts_at_s=starts_at_s,
        ends_at_s=ends_at_s,
        zero_s=starts_at_s if zero_s is None else zero_s,
        size_bytes=made.size_bytes,
    )


def _begin(wish: Wish, movie: Movie) -> float:
    origin_s = wish.origin.origin_s
    return _told(start_of(movie.index, _asked(wish.from_s, origin_s), _of_file(wish.to_s, origin_s)), origin_s)


def _cut(movie: Movie, from_s: float, to_s: float, origin_s: float, zero_s: float | None) -> Cut:
    zero = None if zero_s is None else _of_file(zero_s, origin_s)
    try:
        return cut(movie.index, _asked(from_s, origin_s), _of_file(to_s, origin_s), zero=zero)
    except EntryError as error:
        message = f"what it is to be cut from is no output of ours any more: {error}. `aftertake retry` its recording."
        raise SourceGoneError(message) from error


def _asked(seconds: float, origin_s: float) -> Fraction:
    """From where a file is asked for: who asks for the very time that was told of a keyframe means that one.

    That was rounded, as seconds and as a time on the wall clock, and the keyframe may lie behind it by as much.
    """
    return _of_file(seconds, origin_s) + _ROUNDED


def _of_file(seconds: float, origin_s: float) -> Fraction:
    """Seconds of the stream as those of the file."""
    return Fraction(round(seconds * _MILLION) - round(origin_s * _MILLION), _MILLION)


def _told(at: Fraction, origin_s: float) -> float:
    """Seconds of the file as those of the stream."""
    return (round(at * _MILLION) + round(origin_s * _MILLION)) / _MILLION
