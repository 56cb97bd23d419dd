"""Three short calls as three vendors would have left them: one whole, one with a cut slice, one with one missing."""

from dataclasses import dataclass

from deployments.sandbox.clips import Clip, encode
from deployments.sandbox.cutting import Slice, cut
from deployments.sandbox.layouts import (
    AGORA_CNAME,
    AGORA_SID,
    JOCLOUD_RECORD,
    JOCLOUD_ROOM,
    ZEGO_ROOM,
    ZEGO_TASK,
    Laid,
    agora_mixed,
    jocloud_mixed,
    zego_mixed,
)

SECONDS = 12
SLICE_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording: who made it, under which task id, in which room, what was done to it, and its objects."""

    vendor: str
    task_id: str
    room: str
    damage: str
    laid: Laid


def record_three() -> tuple[Recording, ...]:
    """Encode and lay out the recordings; a flash and a beep mark each second of them."""
    slices = cut(encode(Clip(seconds=SECONDS, size=(640, 360))), SLICE_SECONDS)
    cut_at, missing_at = 2, 4
    cut_short: list[Slice | None] = [s.shows(_half(s)) if n == cut_at else s for n, s in enumerate(slices)]
    missing: list[Slice | None] = [None if n == missing_at else s for n, s in enumerate(slices)]
    was_cut = f"slice {cut_at + 1} of {len(slices)} was cut in the middle"
    was_missing = f"slice {missing_at + 1} of {len(slices)} was never uploaded"
    return (
        Recording(
            vendor="jocloud",
            task_id=JOCLOUD_RECORD,
            room=JOCLOUD_ROOM,
            damage="none",
            laid=jocloud_mixed(slices),
        ),
        Recording(
            vendor="agora",
            task_id=AGORA_SID,
            room=AGORA_CNAME,
            damage=was_cut,
            laid=agora_mixed(slices, stored=cut_short),
        ),
        Recording(
            vendor="zego",
            task_id=ZEGO_TASK,
            room=ZEGO_ROOM,
            damage=was_missing,
            laid=zego_mixed(slices, stored=missing),
        ),
    )


def _half(piece: Slice) -> bytes:
    return piece.data[: len(piece.data) // 2]
