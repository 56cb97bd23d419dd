"""The thirteen ways of losing a slice that a plain `-c copy` does not notice, done to sound slices.

Twelve of them leave the exit status of such a copy at 0, and nine the duration of its output.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from deployments.sandbox.cutting import Slice, cut
from deployments.sandbox.layouts import Stored
from deployments.sandbox.packets import PACKET, restamp
from tests.lab.clips import flash_and_beep

Position = Literal["first", "middle", "last"]

POSITIONS: tuple[Position, ...] = ("first", "middle", "last")
ERROR_PAGE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """What lies in the store afterwards (None: no object) and which of the slices are not what they should be."""

    stored: Stored
    at: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damage: what it is called, what may be said of it, and where in a recording it can happen."""

    expected: str
    """missing, empty, not_media, truncated, out_of_order, repeated, foreign or corrupt"""
    apply: Callable[[list[Slice], Position], Damaged]
    positions: tuple[Position, ...] = POSITIONS


def index_of(slices: list[Slice], position: Position) -> int:
    """Which slice `first`, `middle` or `last` means."""
    return {"first": 0, "middle": len(slices) // 2, "last": len(slices) - 1}[position]


def _one(change: Callable[[Slice], bytes | None]) -> Callable[[list[Slice], Position], Damaged]:
    """A damage to one slice alone; None takes its object away."""

    def apply(slices: list[Slice], position: Position) -> Damaged:
        at = index_of(slices, position)
        data = change(slices[at])
        stored: Stored = [*slices[:at], None if data is None else slices[at].shows(data), *slices[at + 1 :]]
        return Damaged(stored=stored, at=frozenset({at}))

    return apply


def _pair(slices: list[Slice], position: Position) -> tuple[int, int]:
    """The slice at the position and a neighbour, in order."""
    first = min(index_of(slices, position), len(slices) - 2)
    return first, first + 1


def _swap(slices: list[Slice], position: Position) -> Damaged:
    a, b = _pair(slices, position)
    stored: Stored = list(slices)
    stored[a], stored[b] = slices[a].shows(slices[b].data), slices[b].shows(slices[a].data)
    return Damaged(stored=stored, at=frozenset({a, b}))


def _repeat(slices: list[Slice], position: Position) -> Damaged:
    a, b = _pair(slices, position)
    stored: Stored = list(slices)
    stored[b] = slices[b].shows(slices[a].data)
    return Damaged(stored=stored, at=frozenset({b}))


def _middle_packet(data: bytes) -> int:
    return len(data) // PACKET // 2 * PACKET


def _cut_in_packet(piece: Slice) -> bytes:
    return piece.data[: _middle_packet(piece.data) + 77]


def _cut_on_border(piece: Slice) -> bytes:
    return piece.data[: _middle_packet(piece.data)]


def _foreign() -> bytes:
    """Sound bytes of the same kind from another recording, which began a thousand seconds earlier."""
    other = cut(flash_and_beep(2, seed=5, first_second=40_000), 2)[0]
    return restamp(other.data, 1_000 * 90_000)


def _overwrite(filling: Callable[[int], bytes]) -> Callable[[Slice], bytes]:
    """A third of the slice replaced, not on packet borders; at most 100 KB."""

    def change(piece: Slice) -> bytes:
        size = min(100_000, len(piece.data) // 3)
        start = _middle_packet(piece.data) - size // 2 + 50
        return piece.data[:start] + filling(size) + piece.data[start + size :]

    return change


def _invert(piece: Slice) -> bytes:
    """Forty bytes from a packet's header on: sync byte, PID, counter and what follows are all wrong."""
    start = _middle_packet(piece.data)
    inverted = bytes(byte ^ 0xFF for byte in piece.data[start : start + 40])
    return piece.data[:start] + inverted + piece.data[start + 40 :]


DAMAGES: Mapping[str, Damage] = MappingProxyType(
    {
        "slice missing": Damage(expected="missing", apply=_one(lambda _: None), positions=("first", "middle")),
        "last slice missing": Damage(expected="missing", apply=_one(lambda _: None), positions=("last",)),
        "zero bytes": Damage(expected="empty", apply=_one(lambda _: b"")),
        "XML error page": Damage(expected="not_media", apply=_one(lambda _: ERROR_PAGE)),
        "cut in mid-packet": Damage(expected="truncated", apply=_one(_cut_in_packet)),
        "cut on a packet border": Damage(
            expected="truncated", apply=_one(_cut_on_border), positions=("first", "middle")
        ),
        "last slice cut on a border": Damage(expected="truncated", apply=_one(_cut_on_border), positions=("last",)),
        "two slices swapped": Damage(expected="out_of_order", apply=_swap),
        "slice repeated in place of the next": Damage(expected="repeated", apply=_repeat),
        "slice of another recording": Damage(expected="foreign", apply=_one(lambda _: _foreign())),
        "random bytes": Damage(
            expected="corrupt", apply=_one(_overwrite(lambda size: random.Random(size).randbytes(size)))
        ),
        "zeros": Damage(expected="corrupt", apply=_one(_overwrite(bytes))),
        "40 bytes inverted": Damage(expected="corrupt", apply=_one(_invert)),
    }
)

CASES: tuple[tuple[str, Position], ...] = tuple(
    (name, position) for name, damage in DAMAGES.items() for position in damage.positions
)
"""Every damage at every place where it can happen, for `pytest.mark.parametrize`."""
