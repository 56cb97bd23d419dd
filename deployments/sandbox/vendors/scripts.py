"""What goes wrong in a recording, as small choices that compose."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.vendors.cast import Cast, Person, Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """The recorder is lost after `after_s`; another one begins `gap_s` later, or earlier where that is negative."""

    after_s: int = 3
    gap_s: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Nobody publishes for a while."""

    after_s: int = 3
    for_s: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Astray:
    """Everything goes to this bucket, whatever the request said. It is made where it is missing."""

    cloud: CloudName = "s3"
    bucket: str = "elsewhere"


Index = Literal["whole", "partial", "missing", "endless"]
"""What becomes of the playlist: all is well; a shorter one overwrites it; none is uploaded; it has no ENDLIST."""
Telling = Literal["once", "lost", "doubled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens to one recording; by default all goes well. Times of media in seconds of media.

    `late` numbers the slices of its first file that come late, from 0; "odd" is each second one of every file. The
    first comes `late_s` real seconds after the vendor said that all is uploaded, the next ones as long after it again.
    `backup`: the customer's store does not take the files (ZEGO), or only the first slices (Agora, which moves them
    `late_s` after the end). `orphans` is how many slices at the end no playlist names. `damaged` numbers the slice, of
    the first file, that is stored up to its middle only. `token_error` (Agora): the recorder never joins and says so.
    `cast` says who publishes, whatever the room was told.
    """

    late: tuple[int, ...] | Literal["odd"] = ()
    late_s: float = 2.0
    backup: bool = False
    failover: Failover | None = None
    drop: Drop | None = None
    index: Index = "whole"
    orphans: int = 0
    astray: Astray | None = None
    nobody: bool = False
    telling: Telling = "once"
    damaged: int | None = None
    token_error: Literal[0, 109, 110] = 0
    cast: Cast | None = None

    def is_late(self, file: int, number: int) -> bool:
        """Whether this slice of this file is."""
        return number % 2 == 1 if self.late == "odd" else file == 0 and number in self.late

    def is_damaged(self, file: int, number: int) -> bool:
        """Whether this slice of this file is."""
        return file == 0 and number == self.damaged


ALL_WELL: Final = Script()
_STAYS: Final = Person(user="101")
_HEVC: Final = Shot(codec="hevc")
_TURNED: Final = (Shot(at_s=4.2, degrees=90), Shot(at_s=5.4, degrees=180), Shot(at_s=7, degrees=270))

SCRIPTS: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "late slice": Script(late=(1,)),
        "late uploads": Script(late="odd"),
        "backup store": Script(backup=True),
        "failover hole": Script(failover=Failover()),
        "failover overlap": Script(failover=Failover(after_s=5, gap_s=-2)),
        "partial playlist": Script(index="partial"),
        "playlist missing": Script(index="missing"),
        "no ENDLIST": Script(index="endless"),
        "orphans": Script(orphans=1),
        "wrong bucket": Script(astray=Astray()),
        "several files": Script(drop=Drop()),
        "nobody published": Script(nobody=True),
        "lost webhooks": Script(telling="lost"),
        "doubled webhooks": Script(telling="doubled"),
        "damaged slice": Script(damaged=1),
        "rejoin": Script(cast=Cast(people=(_STAYS, Person(user="102", stays=((0, 4), (7, None)))))),
        "camera off": Script(cast=Cast(people=(_STAYS, Person(user="102", camera_off=((3, 6),), muted=((5, 8),))))),
        "late picture": Script(cast=Cast(people=(_STAYS, Person(user="102", video_after_s=3.2)), clock="recorder")),
        "turned phone": Script(
            cast=Cast(people=(_STAYS, Person(user="102", shots=(Shot(), *_TURNED, Shot(at_s=8.6)))))
        ),
        "another codec": Script(
            cast=Cast(people=(_STAYS, Person(user="102", stays=((0, 4), (7, None)), shots=(_HEVC, Shot(at_s=7)))))
        ),
        # The recorder dies with a slice unfinished, and the next one comes 2 s later: what is lost is 3 s, from 6 to 9.
        "three people": Script(
            failover=Failover(after_s=7, gap_s=2),
            cast=Cast(
                people=(
                    Person(user="101", shots=(Shot(), Shot(at_s=3.2, degrees=90), Shot(at_s=10.4))),
                    Person(user="102", stays=((0, 2.6), (4.3, None))),
                    Person(user="103", camera_off=((1.8, 4),), video_after_s=0.52),
                )
            ),
        ),
        "screen share": Script(cast=Cast(people=(Person(user="123", screen=((2, 6),)),), whiteboard=((1, None),))),
        "individual failover": Script(
            failover=Failover(), cast=Cast(people=(_STAYS, Person(user="102", stays=((1.5, None),))))
        ),
    }
)
"""The scripts by the names that people use; `dataclasses.replace` makes others of them."""
