"""What the clips show and sound: every full second says its own number, in the picture and in the pitch of a beep."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Samples = NDArray[np.float32]

COUNTER_BITS = 24
CELLS = 8
"""The counter is three rows of eight cells: 16 bits for the number of the second, 8 for the frame in that second."""
BEEP_SECONDS = 0.06
PITCHES = 47
"""A prime: sound that is early or late by a round number of seconds is never taken for sound in time."""
DARK, BRIGHT = 16, 235
FLASH_LEVEL = 150
"""Mean luma of the scene above the counter: below it in every ordinary picture, above it in a flash."""


def counter_rows(height: int) -> slice:
    """The rows of the picture that hold the binary counter."""
    return slice(height - height // 3, height)


def picture(size: tuple[int, int], second: int, frame: int, *, flash: bool, seed: int) -> Plane:
    """The I420 planes of one frame: a moving ramp or a flash above, its second and its number in that second below."""
    width, height = size
    luma = _ramp(size, 25 * second + frame, seed)
    if flash:
        luma[:] = BRIGHT
    luma[counter_rows(height)] = _counter(width, height // 3, second << 8 | frame)
    return np.vstack([luma, np.full((height // 2, width), 128, np.uint8)])


def turned(planes: Plane, degrees: int) -> Plane:
    """The I420 planes of an upright picture turned clockwise by a multiple of 90 degrees."""
    height = planes.shape[0] * 2 // 3
    luma = np.rot90(planes[:height], -degrees // 90)
    # The scene is grey: its chroma looks the same from every side.
    return np.vstack([luma, np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)])


def _ramp(size: tuple[int, int], index: int, seed: int) -> Plane:
    width, height = size
    across = np.arange(width) + 3 * index + 17 * seed
    down = np.arange(height)[:, None] * (1 + seed % 3)
    return ((across + down) % 64 + 24).astype(np.uint8)


def _counter(width: int, rows: int, number: int) -> Plane:
    bits = [(number >> (COUNTER_BITS - 1 - bit)) & 1 for bit in range(COUNTER_BITS)]
    levels = np.where(np.array(bits).reshape(-1, CELLS) == 1, BRIGHT, DARK).astype(np.uint8)
    across = np.arange(width) * CELLS // width
    down = np.arange(rows) * len(levels) // rows
    return levels[down][:, across]


def read_picture(luma: Plane) -> tuple[bool, int, int]:
    """Whether this luma plane (height, width) is a flash, the second it belongs to, and its number in that second."""
    number = _read_counter(luma[counter_rows(luma.shape[0])])
    return is_flash(luma), number >> 8, number & 0xFF


def is_flash(luma: Plane) -> bool:
    """Whether this luma plane (height, width) is a flash, without a look at its counter."""
    return float(luma[: counter_rows(luma.shape[0]).start].mean()) > FLASH_LEVEL


def _read_counter(strip: Plane) -> int:
    height, width = strip.shape
    levels = _means(height, COUNTER_BITS // CELLS) @ strip @ _means(width, CELLS).T
    return int("".join("1" if level > (DARK + BRIGHT) / 2 else "0" for level in levels.ravel()), 2)


@cache
def _means(length: int, parts: int) -> NDArray[np.float64]:
    """A row for each part of so many pixels: its product with them is their mean, without two on either side."""
    found = np.zeros((parts, length))
    for row, part in zip(found, np.array_split(np.arange(length), parts), strict=True):
        row[part[2:-2]] = 1 / len(part[2:-2])
    return found


def pitch(second: int) -> float:
    """Hz of the beep at this second; it tells seconds apart modulo `PITCHES`."""
    return 600.0 + 50.0 * (second % PITCHES)


def beep(second: int, rate: int) -> Samples:
    """The beep that begins at this full second, one sample a value, mono."""
    at = np.arange(round(BEEP_SECONDS * rate)) / rate
    return (0.6 * np.sin(2 * np.pi * pitch(second) * at)).astype(np.float32)


def sound(seconds: float, rate: int, *, first_second: int, seed: int) -> Samples:
    """The whole sound of a clip: faint noise (so that no two frames are alike) and a beep at every full second."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate)).astype(np.float32)
    samples = 0.002 * noise
    for n in range(int(np.ceil(seconds))):
        here = samples[n * rate : n * rate + round(BEEP_SECONDS * rate)]
        here += beep(first_second + n, rate)[: len(here)]
    return samples


def pictures(
    seconds: float, fps: int, size: tuple[int, int], *, first_second: int, flash_frames: int, seed: int
) -> Iterator[Plane]:
    """All frames of a clip in order of presentation."""
    for index in range(round(seconds * fps)):
        second, frame = divmod(index, fps)
        yield picture(size, first_second + second, frame, flash=frame < flash_frames, seed=seed)
