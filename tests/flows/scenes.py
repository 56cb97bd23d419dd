"""One scene, recorded by several recorders one after the other, and what came of it: every second, by eye and ear."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from catalog.model import Manifest, StreamRecord
from deployments.sandbox.layouts import STARTED_AT
from flows.process import Inline, process, run_inline
from flows.steps.finding import find_recordings
from flows.steps.tasks import Task
from media.plan import Pictures
from storage.local import LocalStore
from tests.lab import Laid, Slice, cut, flash_and_beep, restamp, sightings

FRAME_S = 0.04
SCENE_S = 24
_GOP = 10
_NEW_CLOCK = 777_000


@cache
def recorder(number: int, *, audio: bool = True, video: bool = True, slice_s: float = 1.2) -> tuple[Slice, ...]:
    """What a recorder with this number would record of the whole scene: other bytes than others', another clock."""
    clip = flash_and_beep(SCENE_S, gop=_GOP, seed=number, audio=audio, video=video)
    slices = cut(clip, slice_s)
    return tuple(piece.shows(restamp(piece.data, number * _NEW_CLOCK)) for piece in slices)


def heard(slices: tuple[Slice, ...], begin_s: float, end_s: float) -> list[Slice]:
    """The slices of a recorder that begin in this time of the scene."""
    return [piece for piece in slices if begin_s - 0.01 <= piece.start_s < end_s - 0.01]


def began(slices: list[Slice]) -> tuple[list[Slice], datetime]:
    """The slices counted from the first one's begin, and when that is."""
    first = slices[0].start_s
    return [replace(piece, start_s=piece.start_s - first) for piece in slices], STARTED_AT + timedelta(seconds=first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was published of one recording."""

    manifest: Manifest
    folder: Path

    @property
    def stream(self) -> StreamRecord:
        (only,) = self.manifest.streams
        return only

    @property
    def codes(self) -> set[str]:
        return {found.code for found in self.manifest.findings}

    def mp4(self, stream: StreamRecord | None = None) -> bytes:
        (output,) = (stream or self.stream).outputs
        return (self.folder / output.key).read_bytes()


def outcome(laid: Laid, folder: Path, pictures: Pictures = Pictures.AS_RECORDED) -> Outcome:
    """Process a recording that has been quiet for a day."""
    store, target = LocalStore(laid.write_to(folder / "in")), LocalStore(folder / "out")
    ((objects, metas),) = find_recordings(store)
    now = datetime.now(UTC) + timedelta(days=1)
    task = Task(source=store, objects=objects, metas=metas, now=now, pictures=pictures)
    return Outcome(manifest=run_inline(process(Inline(), task, target)).manifest, folder=folder / "out")


def assert_each_second_once(found: Outcome, begin_s: float, end_s: float, stream: StreamRecord | None = None) -> None:
    """Every second of this time of the scene is seen and heard once, where it belongs, or lies in a listed gap."""
    record = stream or found.stream
    for track, seen in zip(("video", "audio"), sightings(found.mp4(record)), strict=True):
        if track not in {each.type for each in record.tracks}:
            continue
        gaps = [(g.from_s + begin_s, g.to_s + begin_s) for g in record.gaps if g.track in {track, "both"}]
        numbers = [number for number, _ in seen]
        assert len(numbers) == len(set(numbers)), f"{track} plays a second twice: {numbers}"
        for number, at in seen:
            assert abs(at + begin_s - number) <= 1.5 * FRAME_S, f"{track}: second {number} at {at + begin_s:.3f}"
        for number in range(-int(-begin_s // 1), int(end_s - 0.1) + 1):
            in_gap = any(begin - 0.12 <= number <= end + 0.12 for begin, end in gaps)
            assert number in numbers or in_gap, f"{track}: second {number} is nowhere; gaps {gaps}"
