"""What `aftertake demo` shows of a room whose people were recorded apart: its timeline, and how they are found."""

from collections.abc import Iterator
from datetime import datetime

from catalog.index import Catalog
from catalog.searching import Query
from catalog.timeline import Presence, Timeline
from catalog.wire import utc_text
from cli import rooms, timeline, who


def people(catalog: Catalog, room: str, shown: Timeline) -> Iterator[str]:
    """The commands that a person would give, each with its answer."""
    yield f"\n$ aftertake show {shown.vendor}:{shown.task_id} --timeline"
    yield from timeline.lines(shown, timeline.Canvas.of_stdout())
    user, at = _somebody_away(shown)
    if user is None or at is None:
        return
    yield f"\n$ aftertake who --room {room} --at {utc_text(at)}     # {user} is away"
    yield from who.lines(catalog.attendances.who(room, at).attendances)
    query = Query(user=user)
    yield f"\n$ aftertake rooms --user {user}"
    yield from rooms.lines(query, catalog.attendances.rooms(query))


def _somebody_away(shown: Timeline) -> tuple[str | None, datetime | None]:
    """Who sent no sound for a time, and the middle of that: with the sound, the person is away."""
    for user, _, lane in shown.all_lanes:
        for stretch in lane.stretches:
            is_away = lane.track == "audio" and stretch.state is Presence.ABSENT
            if is_away and stretch.evidence and stretch.from_utc and stretch.to_utc and stretch.duration_s > 1:
                return user.user, stretch.from_utc + (stretch.to_utc - stretch.from_utc) / 2
    return None, None
