"""Casts made up by a seed: who comes and goes, with what, and which slices never come."""

from random import Random
from typing import Literal

from deployments.sandbox.vendors import Failover, Person, Shot
from tests.e2e.casting import Taped, tape

Stretches = tuple[tuple[float, float], ...]


def taped(seed: int, *, restamps: bool | None = None, losses: int = 2) -> Taped:
    """A recording of two users, of whom the first comes early enough to begin it."""
    random = Random(seed)
    clock: Literal["track", "recorder"] = random.choice(["track", "recorder"])
    failover = random.choice([None, None, Failover(after_s=6, gap_s=-4), Failover(after_s=6, gap_s=5)])
    restamped = random.random() < 0.5 if restamps is None else restamps
    made = tape(
        _person("102", random, 0),
        _person("103", random, 3),
        clock=clock,
        restamps=restamped,
        failover=failover,
        slice_s=random.choice([1, 2]),
    )
    lost = random.sample(made.listed, random.randint(0, losses))
    return made.without(*lost)


def _person(user: str, random: Random, latest: float) -> Person:
    stays = _stretches(random, random.uniform(0, latest), random.randint(1, 3))
    begin, end = stays[0][0], stays[-1][1]
    off = _stretches(random, random.uniform(begin - 1, end), random.randint(0, 2))
    muted = _stretches(random, random.uniform(begin - 1, end), random.randint(0, 2))
    return Person(
        user=user,
        stays=stays,
        camera_off=off,
        muted=muted,
        video_after_s=random.choice([0, 0.05, 0.4, 1.7]),
        shots=(Shot(codec=random.choice(["h264", "h264", "hevc"])),),
    )


def _stretches(random: Random, begin: float, count: int) -> Stretches:
    """So many, of some seconds each, with pauses of some seconds between them."""
    found: list[tuple[float, float]] = []
    for _ in range(count):
        end = begin + random.uniform(1.2, 5)
        found.append((round(begin, 3), round(end, 3)))
        begin = end + random.uniform(0.6, 6)
    return tuple(found)
