"""What goes wrong on purpose: scripted for tests, seeded for proofs. Nothing here depends on the time or on threads."""

import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, get_args

Kind = Literal[
    "status",
    "slow",
    "cut",
    "short",
    "clipped",
    "flip",
    "replace",
    "stale_list",
    "skew",
    "lost_answer",
    "ignores_condition",
    "shifts_range",
    "repeats_page",
    "foreign_key",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

REFUSALS = ((500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (429, "TooManyRequests"))
"""What a random "status" chooses from."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and when.

    - "status": not carried out, answered with `status` and `code`, in a body of at least `error_bytes`.
    - "slow": carried out, answered `seconds` later.
    - "cut": the connection ends after `after_bytes` of the body, by a reset unless `reset` is False.
    - "short": the body lacks its last `missing_bytes`, and the connection is closed in good order.
    - "clipped": the same, but Content-Length says so too: only who knows the size can see it.
    - "flip": bit 0 of the byte `at_byte` of the body is another one.
    - "replace": right after this answer the object holds `body`, or its own bytes with each bit turned.
    - "stale_list": the listing does not show the `newest` keys.
    - "skew": for this request the server's clock is `seconds` ahead (behind where negative).
    - "lost_answer": carried out, and the connection closed without an answer.
    - "ignores_condition": If-Match and If-None-Match are not looked at.
    - "shifts_range": a range is answered with another one of the same length, `shift_bytes` away, where the object has
      one; Content-Range says so if `truthful`, and else what was asked for.
    - "repeats_page": a listing answers its first page, and that there are more, behind the same token each time.
    - "foreign_key": a listing ends in the key `shows`, of `shows_bytes`, wherever that lies.

    It hits requests whose `operation` (the API's own name or that of S3; "" is any), `cloud` and `bucket` are equal
    and whose key holds `key`; the first `skip` of them pass, then `times` are hit (0: all). A place that is None is
    drawn from the seed.
    """

    kind: Kind
    _: KW_ONLY
    operation: str = ""
    cloud: str = ""
    bucket: str = ""
    key: str = ""
    times: int = 1
    skip: int = 0
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.05
    after_bytes: int | None = None
    reset: bool = True
    missing_bytes: int = 1
    at_byte: int | None = None
    body: bytes | None = None
    newest: int = 1
    error_bytes: int = 0
    shift_bytes: int = 1
    truthful: bool = True
    shows: str = "~foreign"
    shows_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A request as faults see it. `detail` tells requests of one operation and key apart: a part or a page.

    Ranges are not told apart: who resumes a broken read asks for another range each time.
    """

    cloud: str
    operation: str
    action: str
    bucket: str
    key: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that strikes a request, with the seeded dice for what it leaves open."""

    fault: Fault
    dice: random.Random

    def place(self, chosen: int | None, size: int) -> int:
        """The chosen byte, or one that is drawn: from 0 to below `size`."""
        return chosen if chosen is not None else self.dice.randrange(max(size, 1))


class FaultPlan:
    """Scripted `faults`, and random ones at a `rate`: operation ("" is any) -> kind -> probability.

    Whether attempt n of an operation on a key (and part or page) fails, and how, depends on the seed alone, so that
    threads do not change it as long as one key is read by one of them at a time. Never more than `most_in_a_row` random
    faults strike the same one after another.
    """

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        *,
        seed: int = 0,
        rate: Mapping[str, Mapping[Kind, float]] | None = None,
        most_in_a_row: int = 2,
    ) -> None:
        self._faults = tuple(faults)
        self._seed = seed
        self._rate = {operation: dict(kinds) for operation, kinds in (rate or {}).items()}
        self._most_in_a_row = most_in_a_row
        self._lock = threading.Lock()
        self._met: Counter[int] = Counter()
        self._subjects: dict[Subject, _History] = {}

    def strike(self, subject: Subject) -> tuple[Hit, ...]:
        """What happens to this request; counts it."""
        if not self._faults and not self._rate:
            return ()
        with self._lock:
            history = self._subjects.setdefault(subject, _History())
            history.attempts += 1
            dice = random.Random(f"{self._seed}|{subject}|{history.attempts}")  # noqa: S311 - reproducible on purpose
            hits = [Hit(fault, dice) for number, fault in enumerate(self._faults) if self._due(number, fault, subject)]
            drawn = self._draw(subject, dice)
            if drawn is None or history.in_a_row >= self._most_in_a_row:
                history.in_a_row = 0
            else:
                history.in_a_row += 1
                hits.append(Hit(drawn, dice))
        return tuple(hits)

    def _due(self, number: int, fault: Fault, subject: Subject) -> bool:
        if not _concerns(fault, subject):
            return False
        self._met[number] += 1
        met = self._met[number] - fault.skip
        return met > 0 and (fault.times == 0 or met <= fault.times)

    def _draw(self, subject: Subject, dice: random.Random) -> Fault | None:
        names = (subject.operation, subject.action, "")
        kinds = next((self._rate[name] for name in names if name in self._rate), {})
        roll = dice.random()
        for kind in KINDS:
            roll -= kinds.get(kind, 0.0)
            if roll < 0:
                status, code = dice.choice(REFUSALS)
                return Fault(kind, status=status, code=code, seconds=dice.uniform(0.01, 0.05), times=0)
        return None


@dataclass(slots=True)
class _History:
    attempts: int = field(default=0)
    in_a_row: int = field(default=0)


def _concerns(fault: Fault, subject: Subject) -> bool:
    return (
        fault.operation in {"", subject.operation, subject.action}
        and fault.cloud in {"", subject.cloud}
        and fault.bucket in {"", subject.bucket}
        and fault.key in subject.key
    )
