"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`busy_bytes` is the input of the speed rows, `long_seconds` that of the memory rows, `keys` what is listed.

    `part_seconds` of the long recording are exported. `room` is what is planned: users and hours. `recordings` are
    searched, `searches` times for each kind; `minutes` are recordings of a minute that are backfilled (0: none).
    """

    name: str
    clip_seconds: int
    slice_seconds: int
    size: tuple[int, int]
    video_bit_rate: int
    busy_bytes: int
    long_seconds: int
    part_seconds: int
    large_slice_bytes: int
    rounds: int
    memory_rounds: int
    keys: int
    room: tuple[int, int]
    recordings: int
    searches: int
    minutes: int


FULL = Scale(
    name="full",
    clip_seconds=120,
    slice_seconds=15,
    size=(1280, 720),
    video_bit_rate=1_400_000,
    busy_bytes=1_000_000_000,
    long_seconds=4 * 3600,
    part_seconds=600,
    large_slice_bytes=50_000_000,
    rounds=5,
    memory_rounds=3,
    keys=10_000,
    room=(17, 24),
    recordings=1_000_000,
    searches=300,
    minutes=2_000,
)
QUICK = Scale(
    name="quick",
    clip_seconds=24,
    slice_seconds=3,
    size=(160, 90),
    video_bit_rate=100_000,
    busy_bytes=1_500_000,
    long_seconds=96,
    part_seconds=12,
    large_slice_bytes=300_000,
    rounds=1,
    memory_rounds=1,
    keys=1_100,
    room=(2, 1),
    recordings=2_000,
    searches=10,
    minutes=0,
)
SCALES = {scale.name: scale for scale in (FULL, QUICK)}
