"""What other processes do to a catalog in these tests; imported by them, so it imports little."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from catalog.database import Database
from catalog.index import Catalog
from catalog.model import RecordingId, State

_TTL = timedelta(minutes=5)


@contextmanager
def opened(url: str) -> Iterator[Catalog]:
    database = Database(url)
    yield Catalog(database)
    database.close()


def migrate(url: str) -> bool:
    with opened(url) as catalog:
        catalog.database.migrate()
        return catalog.database.is_current()


def hand_over_until_nothing_is_left(url: str) -> list[str]:
    found: list[str] = []
    with opened(url) as catalog:
        while runs := catalog.runs.hand_over(most=4, batch=3):
            found += [subject for run in runs for subject in run.subjects]
    return found


def register_and_claim(url: str, writer: int, count: int) -> int:
    """Register recordings that every writer registers, claim each; how many claims this writer got."""
    claims = 0
    with opened(url) as catalog:
        for number in range(count):
            # Each begins elsewhere, so that they meet on their way instead of marching in step.
            recording = RecordingId(vendor="agora", task_id=f"t{(number + writer * count // 4) % count}")
            catalog.register(recording, state=State.STOPPED, cause="backfill", actor=f"writer {writer}")
            claim = catalog.claims.take(recording, holder=f"writer {writer}", ttl=_TTL, cause="due")
            claims += claim is not None
    return claims
