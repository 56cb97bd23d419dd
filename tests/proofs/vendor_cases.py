"""What is recorded, what goes wrong with it, and what must come of that: one line of the proof's table each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from catalog.model import Cause, Verdict
from deployments.sandbox.vendors import ALL_WELL, SCRIPTS, Astray, Script
from tests.proofs.vendor_serving import ELSEWHERE, SHAKY
from vendors.base import Mode

VENDORS: Final = ("agora", "zego", "jocloud")

By = Literal["http", "command", "others"]
"""Who begins and ends it: we, by `/v1/vendor-recordings` or `aftertake vendor`, or somebody who does not know of us."""
End = Literal["stop", "stop twice", "idle", "while the API is down", "after the key was changed"]

_MISSING: Final = frozenset({Cause.MISSING})
_LATE_BEYOND_DEADLINE_S: Final = 200.0
"""Long after the deadline: on a machine with few cores the first look may come minutes late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What one manifest must say: the verdict, and the causes of all gaps."""

    verdict: Verdict
    causes: frozenset[Cause] = frozenset()


WHOLE: Final = (Revision(verdict=Verdict.COMPLETE),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recording. `revisions` must come, one after the other, and no other; of the last one hold the rest.

    `must` and `may` are the codes of findings: all of the first, and none beside both. `outputs`: how many MP4s.
    `told` is what must be among the causes of its changes. `is_elsewhere`: `aftertake find` must locate it there.
    """

    vendor: str
    name: str
    script: Script = ALL_WELL
    mode: Mode = "mixed"
    users: tuple[str, ...] | None = None
    source: str = ""
    by: By = "http"
    end: End = "stop"
    media_s: int = 14
    revisions: Sequence[Revision] = WHOLE
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    outputs: int = 1
    told: str = ""
    is_elsewhere: bool = False

    @property
    def room(self) -> str:
        """A room of its own."""
        return f"{self.vendor}-{self.name.replace(' ', '-').replace(',', '')}"


def cases() -> Iterator[Case]:
    """All of them, those first that take longest."""
    for vendor in VENDORS:
        yield _late(vendor)
    for vendor in VENDORS:
        yield Case(vendor=vendor, name="lost webhooks, of others", script=SCRIPTS["lost webhooks"], by="others")
    for vendor in VENDORS:
        yield _damaged(vendor)
    for vendor in VENDORS:
        yield from _of_playlists(vendor)
        yield from _of_rooms(vendor)
    yield from _failovers()
    yield from _backups()
    yield from _individual()
    for vendor in VENDORS:
        yield Case(vendor=vendor, name="doubled webhooks", script=SCRIPTS["doubled webhooks"])
    for vendor in SHAKY:
        yield from _of_calls(vendor)


def _damaged(vendor: str) -> Case:
    gaps = Revision(verdict=Verdict.GAPS, causes=frozenset({Cause.TRUNCATED}))
    may = frozenset({"late_keyframe"})
    must = frozenset({"segment_truncated"})
    return Case(
        vendor=vendor, name="damaged slice", script=SCRIPTS["damaged slice"], revisions=(gaps,), must=must, may=may
    )


def _late(vendor: str) -> Case:
    script = replace(SCRIPTS["late slice"], late_s=_LATE_BEYOND_DEADLINE_S)
    gaps = Revision(verdict=Verdict.GAPS, causes=_MISSING)
    return Case(vendor=vendor, name="late slice, after the deadline", script=script, revisions=(gaps, *WHOLE))


def _of_playlists(vendor: str) -> Iterator[Case]:
    rebuilt = frozenset({"index_rebuilt"})
    yield Case(vendor=vendor, name="all well", by="command")
    yield Case(vendor=vendor, name="late slice", script=SCRIPTS["late slice"])
    yield Case(vendor=vendor, name="late uploads", script=replace(SCRIPTS["late uploads"], late_s=1.0), by="command")
    yield Case(vendor=vendor, name="partial playlist", script=SCRIPTS["partial playlist"], must=rebuilt)
    # All that came is there, and the playlist that was promised is not: there may have been more.
    yield Case(
        vendor=vendor,
        name="playlist missing",
        script=SCRIPTS["playlist missing"],
        revisions=(Revision(verdict=Verdict.GAPS),),
        must=rebuilt,
        may=frozenset({"file_missing", "playlist_missing"}),
    )
    yield Case(vendor=vendor, name="no ENDLIST", script=SCRIPTS["no ENDLIST"], may=frozenset({"playlist_no_end"}))
    yield Case(vendor=vendor, name="orphans", script=SCRIPTS["orphans"], must=rebuilt)
    yield Case(
        vendor=vendor,
        name="wrong bucket",
        script=Script(astray=Astray(bucket=ELSEWHERE)),
        by="command",
        revisions=(Revision(verdict=Verdict.MISSING),),
        must=frozenset({"recording_missing"}),
        may=frozenset({"file_missing"}),
        outputs=0,
        is_elsewhere=True,
    )


def _of_rooms(vendor: str) -> Iterator[Case]:
    pause = frozenset({"unmarked_pause"})
    empty = Revision(verdict=Verdict.EMPTY)
    yield Case(vendor=vendor, name="several files", script=SCRIPTS["several files"], may=pause)
    nobody = Case(
        vendor=vendor, name="nobody published", script=SCRIPTS["nobody published"], revisions=(empty,), outputs=0
    )
    if vendor == "jocloud":
        # Nothing of Jocloud's tells an empty room from a lost recording, so it is not called empty.
        missing = Revision(verdict=Verdict.MISSING)
        nobody = replace(nobody, revisions=(missing,), must=frozenset({"recording_missing"}))
    yield nobody
    yield Case(vendor=vendor, name="ends by itself", end="idle", media_s=10)
    yield Case(vendor=vendor, name="stopped twice", end="stop twice", by="command")


def _failovers() -> Iterator[Case]:
    trimmed = frozenset({"overlap_trimmed"})
    hole, overlap = SCRIPTS["failover hole"], SCRIPTS["failover overlap"]
    lost = Revision(verdict=Verdict.GAPS, causes=frozenset({Cause.FAILOVER}))
    yield Case(
        vendor="agora",
        name="failover hole",
        script=hole,
        revisions=(lost,),
        must=frozenset({"failover_hole"}),
        media_s=18,
    )
    # Nothing of ZEGO's marks that another recorder took over: nothing was promised for the time between.
    yield Case(vendor="zego", name="failover hole", script=hole, must=frozenset({"unmarked_pause"}), media_s=18)
    for vendor in ("agora", "zego"):
        yield Case(vendor=vendor, name="failover overlap", script=overlap, must=trimmed, media_s=18)


def _backups() -> Iterator[Case]:
    late = replace(SCRIPTS["backup store"], late_s=0.4)
    yield Case(vendor="agora", name="backup store", script=late)
    yield Case(vendor="zego", name="backup store", script=late, must=frozenset({"objects_rescued"}))


def _individual() -> Iterator[Case]:
    pause = frozenset({"unmarked_pause"})
    # Agora records sound and picture apart.
    yield Case(vendor="agora", name="two users", mode="individual", users=("101", "102"), outputs=4)
    yield Case(vendor="zego", name="two users", mode="individual", users=("u1", "u2"), outputs=2)
    yield Case(vendor="jocloud", name="two users", mode="individual", users=("101", "102"), outputs=2)
    several = Case(
        vendor="zego",
        name="two users, several files",
        mode="individual",
        users=("u1", "u2"),
        script=SCRIPTS["several files"],
        outputs=2,
        may=pause,
    )
    yield several
    yield replace(
        several,
        name="two users, failover overlap",
        script=SCRIPTS["failover overlap"],
        must=frozenset({"overlap_trimmed"}),
        may=frozenset(),
        media_s=18,
    )


def _of_calls(vendor: str) -> Iterator[Case]:
    yield Case(vendor=vendor, name="API down", source=f"{vendor}-shaky", end="while the API is down")
    yield Case(
        vendor=vendor,
        name="key changed",
        source=f"{vendor}-rekeyed",
        end="after the key was changed",
        # What Agora says is signed, so that nobody need ask it after the end.
        told="its vendor cannot be asked" if vendor == "zego" else "",
    )
