"""Measures what a file really shows and sounds, second by second, by decoding it with libav."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from deployments.sandbox import scene
from deployments.sandbox.scene import Samples
from tests.lab.luma import luma_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """When one numbered second was seen and heard, in seconds of the file's own time; None: not at all."""

    second: int
    flash_s: float | None
    beep_s: float | None

    @property
    def offset_s(self) -> float | None:
        """How long the sound comes after the picture; None unless both were found."""
        return None if self.flash_s is None or self.beep_s is None else self.beep_s - self.flash_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """All numbered seconds of a file, in order of their numbers."""

    marks: tuple[Mark, ...]

    @property
    def seconds(self) -> tuple[int, ...]:
        """The numbers that were seen or heard."""
        return tuple(mark.second for mark in self.marks)

    @property
    def offsets(self) -> dict[int, float]:
        """Sound after picture, in seconds, of every second that has both."""
        return {mark.second: mark.offset_s for mark in self.marks if mark.offset_s is not None}

    @property
    def worst_offset_s(self) -> float:
        """The largest distance between a flash and its beep."""
        return max((abs(offset) for offset in self.offsets.values()), default=0.0)

    @property
    def spread_s(self) -> float:
        """How far the offsets differ among themselves: what a hole did, without the player's own constant delay."""
        return max(self.offsets.values(), default=0.0) - min(self.offsets.values(), default=0.0)

    def beyond(self, source: "SyncReport") -> float:
        """The largest change of a second's offset against the source's own, in seconds."""
        own = source.offsets
        return max((abs(offset - own[n]) for n, offset in self.offsets.items() if n in own), default=0.0)

    def flash(self, second: int) -> float:
        """When the flash of this second begins."""
        found = next((m.flash_s for m in self.marks if m.second == second), None)
        assert found is not None, f"no flash of second {second} was seen: {self}"
        return found

    def beep(self, second: int) -> float:
        """When the beep of this second begins."""
        found = next((m.beep_s for m in self.marks if m.second == second), None)
        assert found is not None, f"no beep of second {second} was heard: {self}"
        return found


def judge_mp4(file: Path | bytes) -> SyncReport:
    """The report of an MP4, with its edit lists as libav applies them."""
    return _judge(file.read_bytes() if isinstance(file, Path) else file, "mp4")


def judge_ts(data: bytes) -> SyncReport:
    """The report of MPEG-TS bytes: what the source itself is like."""
    return _judge(data, "mpegts")


def sightings(mp4: bytes) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Every flash and every beep of an MP4 as (number, time), also those that come twice."""
    flashes = list(_flashes(mp4, "mp4"))
    beeps = list(_beeps(mp4, "mp4"))
    return flashes, _matched(flashes, beeps) if flashes else _numbered(beeps)


def _judge(data: bytes, container: str) -> SyncReport:
    flashes = list(_flashes(data, container))
    beeps = list(_beeps(data, container))
    return pair(flashes, beeps)


def _flashes(data: bytes, container: str) -> Iterator[tuple[int, float]]:
    """The number and the time of each flash's first frame."""
    with av.open(io.BytesIO(data), "r", format=container) as source:
        if not source.streams.video:
            return
        shown: int | None = None
        for frame in source.decode(video=0):
            luma = luma_of(frame)
            second = scene.read_picture(luma)[1] if scene.is_flash(luma) else None
            # Another number is another flash, also where the last picture before a hole is a flash and is held.
            if second is not None and second != shown:
                assert frame.time is not None
                yield second, frame.time
            shown = second


def _beeps(data: bytes, container: str) -> Iterator[tuple[int, float]]:
    """The number modulo `scene.PITCHES` and the time of each beep's first sample."""
    with av.open(io.BytesIO(data), "r", format=container) as source:
        if not source.streams.audio:
            return
        rate = source.streams.audio[0].codec_context.sample_rate
        for start, samples in _runs(source, rate):
            yield from ((code, start + at / rate) for code, at in find_beeps(samples, rate))


def _runs(source: av.container.InputContainer, rate: int) -> Iterator[tuple[float, Samples]]:
    """The decoded sound as stretches without a hole: the time of the first sample in seconds, then all samples."""
    blocks: list[Samples] = []
    begin = end = 0.0
    for frame in source.decode(audio=0):
        assert isinstance(frame, av.AudioFrame)
        assert frame.time is not None
        if blocks and abs(frame.time - end) > 0.5 * frame.samples / rate:
            yield begin, np.concatenate(blocks)
            blocks = []
        if not blocks:
            begin = end = frame.time
        blocks.append(frame.to_ndarray()[0].astype(np.float32))
        end += frame.samples / rate
    if blocks:
        yield begin, np.concatenate(blocks)


def find_beeps(samples: Samples, rate: int) -> list[tuple[int, int]]:
    """(number modulo `scene.PITCHES`, index of the first sample) of every beep that is there whole or nearly so."""
    loud = np.abs(samples) > 0.2
    edges = np.flatnonzero(loud)
    if not len(edges):
        return []
    starts = edges[np.concatenate(([True], np.diff(edges) > rate // 10))]
    found = (_identify(samples, int(start), rate) for start in starts)
    return [beep for beep in found if beep is not None]


def _identify(samples: Samples, near: int, rate: int) -> tuple[int, int] | None:
    """The pitch and exact onset of the beep that begins near this sample, by correlation with all pitches."""
    margin, length = rate // 50, round(scene.BEEP_SECONDS * rate)
    begin = max(0, near - margin)
    window = samples[begin : near + margin + length]
    if len(window) < length:
        return None
    spectrum = np.fft.rfft(window.astype(np.float64), 2 * margin + length)
    # A window is no longer than the transform, so what wraps around lies beyond these lags.
    matches = np.fft.irfft(spectrum * _templates(rate), 2 * margin + length)[:, : len(window) - length + 1]
    code, at = np.unravel_index(matches.argmax(), matches.shape)
    return (int(code), begin + int(at)) if matches[code, at] > 0.5 else None


@cache
def _templates(rate: int) -> NDArray[np.complex128]:
    """What the spectrum of a window is multiplied by to find each pitch in it: 1 is a beep as it was made."""
    length = 2 * (rate // 50) + round(scene.BEEP_SECONDS * rate)
    beeps = [scene.beep(code, rate).astype(np.float64) for code in range(scene.PITCHES)]
    return np.stack([np.fft.rfft(beep, length).conj() / (beep @ beep) for beep in beeps])


def pair(flashes: list[tuple[int, float]], beeps: list[tuple[int, float]]) -> SyncReport:
    """Give every beep to the flash with its pitch that is nearest in time; without flashes beeps count on by time."""
    numbered = _numbered(beeps) if not flashes else _matched(flashes, beeps)
    seen, heard = dict(reversed(flashes)), dict(reversed(numbered))
    seconds = sorted(seen.keys() | heard.keys())
    return SyncReport(marks=tuple(Mark(second=n, flash_s=seen.get(n), beep_s=heard.get(n)) for n in seconds))


def _matched(flashes: list[tuple[int, float]], beeps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The number that each beep's pitch and the nearest flash's number allow."""
    return [(_closest(_expected(flashes, time), code), time) for code, time in beeps]


def _expected(flashes: list[tuple[int, float]], time: float) -> float:
    number, at = min(flashes, key=lambda flash: abs(flash[1] - time))
    return number + (time - at)


def _numbered(beeps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Numbers from the first beep's own code on: each is the next number that its pitch allows."""
    numbers: list[tuple[int, float]] = []
    for code, time in beeps:
        expected = numbers[-1][0] + time - numbers[-1][1] if numbers else float(code)
        numbers.append((_closest(expected, code), time))
    return numbers


def _closest(expected: float, code: int) -> int:
    return code + scene.PITCHES * round((expected - code) / scene.PITCHES)
