"""Judges what came of a recording: its revisions, its findings, and every second of its MP4s."""

import io
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import av

from catalog.model import Gap, Manifest
from tests.lab import judge_ts
from tests.lab.judging import sightings
from tests.proofs.vendor_cases import Case, Revision

FRAME_S: Final = 1 / 25

_Seen = Sequence[tuple[int, float]]
"""Numbers of seconds, and when they come."""
_ENDS_APART_S: Final = 0.15
"""A recorder ends with whole pictures and whole blocks of sound, and one of them is the longer one."""
_HARMLESS: Final = frozenset({"playlist_no_end"})
"""What only says how something was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a case: all manifests, the MP4s and the slices by their keys, and the causes of all changes."""

    manifests: Sequence[Manifest]
    outputs: Mapping[str, bytes]
    slices: Mapping[str, bytes]
    changes: Sequence[str]
    alarm: str | None


def faults(case: Case, came: Came) -> Iterator[str]:
    """All in which a case ended otherwise than it must."""
    revisions = tuple(revision_of(manifest) for manifest in came.manifests)
    if revisions != tuple(case.revisions):
        yield f"came to {' then '.join(map(shown, revisions)) or 'no verdict'}: {came.changes[-1]}"
    if case.told and not any(case.told in cause for cause in came.changes):
        yield f"nobody was told: {case.told}"
    if came.alarm:
        yield f"there is an alarm still: {came.alarm}"
    if came.manifests:
        yield from _findings(case, came.manifests[-1])
        yield from _media(case, came, came.manifests[-1])


def revision_of(manifest: Manifest) -> Revision:
    """Its verdict and the causes of its gaps."""
    causes = frozenset(gap.cause for stream in manifest.streams for gap in stream.gaps)
    return Revision(verdict=manifest.verdict, causes=causes)


def shown(revision: Revision) -> str:
    """In a few words."""
    return " ".join([revision.verdict, *sorted(revision.causes)])


def _findings(case: Case, manifest: Manifest) -> Iterator[str]:
    codes = {found.code for found in manifest.findings}
    if lacking := case.must - codes:
        yield f"without finding {', '.join(sorted(lacking))} (has {', '.join(sorted(codes)) or 'none'})"
    if others := codes - case.must - case.may - _HARMLESS:
        details = [f"{found.code}: {found.detail}" for found in manifest.findings if found.code in others]
        yield f"with finding {'; '.join(details)}"


def _media(case: Case, came: Came, manifest: Manifest) -> Iterator[str]:
    keys = [output.key for stream in manifest.streams for output in stream.outputs]
    if len(keys) != case.outputs:
        yield f"{len(keys)} outputs instead of {case.outputs}"
    for stream in manifest.streams:
        slices = [data for key, data in came.slices.items() if is_of(stream.user, key, case)]
        recorded = seconds_of(slices)
        for output in stream.outputs:
            try:
                found = list(content_faults(came.outputs[output.key], recorded, stream.gaps))
            except av.FFmpegError as error:
                found = [f"{output.key} cannot be played: {error}"]
            yield from (f"{stream.stream}: {fault}" for fault in found)


def is_of(user: str | None, key: str, case: Case) -> bool:
    """Whether a slice is of this user; all are of the mixed stream."""
    return case.mode == "mixed" or f"_{user}_" in key


def seconds_of(slices: Sequence[bytes]) -> set[int]:
    """The seconds that slices show, each slice read for itself; what is cut off shows nothing."""
    found = set[int]()
    for data in slices:
        with suppress(av.FFmpegError):
            found |= {mark.second for mark in judge_ts(data).marks if mark.flash_s is not None}
    return found


def content_faults(mp4: bytes, recorded: Collection[int], gaps: Sequence[Gap]) -> Iterator[str]:
    """Seconds that were recorded and are not shown, that come twice or at the wrong time, and sound beside pictures."""
    flashes, beeps = sightings(mp4)
    for what, seen in _tracks(mp4, flashes, beeps):
        counts = Counter(second for second, _ in seen)
        if twice := [second for second, times in counts.items() if times > 1]:
            yield f"seconds {twice} are {what} twice"
        excused = _within(gaps, seen)
        if lost := sorted(second for second in set(recorded) - set(counts) if second not in excused):
            yield f"seconds {lost} of {sorted(recorded)} are not {what}"
        for (one, at), (other, then) in itertools.pairwise(seen):
            if abs((then - at) - (other - one)) > FRAME_S * 1.1:
                yield f"from second {one} to {other} it takes {then - at:.3f} s"
    shown, heard = dict(flashes), dict(beeps)
    worst = max((abs(heard[second] - shown[second]) for second in shown.keys() & heard.keys()), default=0.0)
    if worst > FRAME_S * 1.5:
        yield f"sound is {worst:.3f} s beside the picture"
    if (apart := ends_apart_s(mp4)) > _ENDS_APART_S:
        yield f"sound and picture end {apart:.3f} s apart"


def _tracks(mp4: bytes, flashes: _Seen, beeps: _Seen) -> Iterator[tuple[str, _Seen]]:
    """What was seen and heard, of the tracks that there are: a vendor may record sound and picture apart."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as opened:
        if opened.streams.video:
            yield "seen", flashes
        if opened.streams.audio:
            yield "heard", beeps


def _within(gaps: Sequence[Gap], seen: _Seen) -> set[int]:
    """The seconds that begin within what the manifest lists as a gap."""
    if not seen:
        return set()
    zero = seen[0][0] - seen[0][1]
    listed = [(gap.from_s + zero, gap.to_s + zero) for gap in gaps]
    return {n for begin, end in listed for n in range(int(begin), int(end) + 2) if begin - FRAME_S <= n < end}


def ends_apart_s(mp4: bytes) -> float:
    """How far the last picture's end lies from the last sound's."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as opened:
        ends = [
            float(((stream.start_time or 0) + (stream.duration or 0)) * (stream.time_base or 0))
            for stream in opened.streams
        ]
    return max(ends) - min(ends)
