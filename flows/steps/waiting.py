"""Decide: whether a recording is worked on now, or waited for. Pure.

Vendors upload late, and again what came out wrong. Before its deadline a recording that is not over, lacks promised
slices or holds damaged ones waits; after it, it is judged as it is, or held for a person, as its policy says.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.events import Word
from catalog.model import Cause
from flows.steps.finding import NotFinalError
from flows.steps.planning import RecordingPlan
from media.judge import Judgement

SETTLE_TIME: Final = timedelta(minutes=30)
"""How long after its newest object a recording without any sign of its end counts as over."""
SOONEST: Final = timedelta(seconds=30)
SELDOMEST: Final = timedelta(hours=1)

_DAMAGE: Final = frozenset(
    {
        Cause.EMPTY,
        Cause.NOT_MEDIA,
        Cause.FOREIGN,
        Cause.REPEATED,
        Cause.TRUNCATED,
        Cause.CORRUPT,
        Cause.RECORDER_LOSS,
        Cause.CHANGED,
    }
)
"""What another upload of the same slice may mend."""


class HeldError(NotFinalError):
    """The deadline is over and the policy holds the recording for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one recording is waited for.

    `deadline` counts from `heard_at`, when it was heard to be over, or from its newest object if that is earlier or
    nobody has heard so; from `spoken_at` while nothing is there. None waits for the end only, never for slices.
    `says` is how far it is by its vendor's word, `goes_on`: by its last answer, `is_unanswered`: it was asked, and has
    not answered yet. `needs_quiet`: nothing will say that all is there.
    `damage_digest` is the plan's digest of an earlier look that met damage: what is still the same by then will stay
    so. `holds_at_deadline` and `holds_damage` leave the last word to a person.
    """

    settle_time: timedelta = SETTLE_TIME
    deadline: timedelta | None = None
    heard_at: datetime | None = None
    spoken_at: datetime | None = None
    damage_digest: str | None = None
    says: Word | None = None
    goes_on: bool = False
    is_unanswered: bool = False
    needs_quiet: bool = False
    holds_at_deadline: bool = False
    holds_damage: bool = False

    def require_go(self, plan: RecordingPlan, now: datetime) -> None:
        """Raise `NotFinalError` while the recording is to be waited for, `HeldError` if a person must decide."""
        why = self._why_wait(plan, now)
        if why is None or (self._is_over(plan, now) and not self.holds_at_deadline):
            return
        if self._is_over(plan, now):
            message = f"recording {plan.objects.task_id} is held after its deadline: {why}"
            raise HeldError(f"{message} `aftertake process --force` publishes what is there.")
        raise NotFinalError(f"recording {plan.objects.task_id} is not final: {why}")

    def accepts_damage(self, plan: RecordingPlan, now: datetime) -> bool:
        """Whether what is damaged is taken as it is, because nobody will mend it."""
        return self.deadline is None or self._is_over(plan, now) or self.damage_digest == plan.digest

    def basis(self, plan: RecordingPlan) -> str:
        """A digest of all that a verdict follows from: the plan, and the policy that may hold what is damaged."""
        said = f"{plan.digest} {'holds' if self.holds_damage else 'publishes'} damage"
        return hashlib.sha256(said.encode()).hexdigest()

    def _why_wait(self, plan: RecordingPlan, now: datetime) -> str | None:
        if self.deadline is not None and self.goes_on:
            return "its vendor says that it goes on."
        if self.deadline is not None and not plan.streams and self.says is not Word.EMPTY:
            return "no object of it is there."
        if (doubt := self._doubt(plan)) and (quiet := now - plan.newest) < self.settle_time:
            left = _minutes(self.settle_time - quiet)
            said = f"{doubt}, and the newest object is {_minutes(quiet)} old"
            return f"{said}. Try again in {left}, or when the upload is over."
        if self.deadline is not None and plan.missing:
            return f"{len(plan.missing)} promised slices are not there, such as {min(plan.missing)}."
        if self.deadline is not None and plan.unkept:
            return f"{len(plan.unkept)} playlists that the vendor has named are not there, such as {plan.unkept[0]}."
        return None

    def _doubt(self, plan: RecordingPlan) -> str | None:
        """Why it may not be over, as a clause."""
        if self.is_unanswered:
            return "its vendor has not answered yet"
        if plan.open_end and self.says not in {Word.UPLOADED, Word.EMPTY}:
            return plan.open_end
        return "nothing says that no further stream comes" if self.needs_quiet else None

    def _is_over(self, plan: RecordingPlan, now: datetime) -> bool:
        if self.deadline is None:
            return False
        heard_at = None if self.goes_on else self.heard_at
        known = [at for at in (plan.newest if plan.streams else None, heard_at) if at]
        return now - min(known, default=self.spoken_at or now) >= self.deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Now(Patience):
    """No waiting at all: somebody wants the recording judged as it is."""

    def require_go(self, plan: RecordingPlan, now: datetime) -> None:
        """Always go."""


def is_damaged(judgement: Judgement) -> bool:
    """Whether something is lost that another upload of the same slices might mend."""
    return any(gap.cause in _DAMAGE for gap in judgement.gaps)


def next_look(looks: int) -> timedelta:
    """When to look again after so many looks: soon at first, then ever more seldom, once an hour in the end."""
    return min(SOONEST * (1 << min(looks, 10)), SELDOMEST)


def _minutes(span: timedelta) -> str:
    return f"{max(span.total_seconds(), 0) / 60:.0f} min"
