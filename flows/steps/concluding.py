"""Conclude: what came of the work on a recording, as a value, and into the catalog."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from catalog.model import Verdict
from catalog.records import Claim, Recording, id_text
from flows.retry import is_transient, needs_a_person
from flows.steps.finding import NotFinalError
from flows.steps.publishing import Published
from flows.steps.waiting import HeldError, next_look
from flows.steps.working import Worker

_log = logging.getLogger(__name__)

_PASSING: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 240, 900, 3600))
"""When to try again after failures that pass by themselves; after several of them somebody is told."""
_OURS: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 3600, 6 * 3600, 24 * 3600))
"""The same after failures of ours: once soon, then seldom, so that one poisoned recording takes nobody's time."""
_LOST: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 60, 900, 3600, 6 * 3600))
"""The same after workers that died: most deaths have nothing to do with the recording."""
_DAMAGE_POLL: Final = timedelta(minutes=5)
"""Between the two reads after which damage counts: time for a vendor to upload again."""
_PATIENT_TRIES: Final = 4
_MOST_TRIES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """It has its verdict, which follows from this basis (`Patience.basis`)."""

    published: Published
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """It has its verdict already, and nothing came that would change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """It is not final: look again in `look_in`, or (None) leave it to a person. `damage_digest`: see `Patience`."""

    cause: str
    look_in: timedelta | None
    damage_digest: str | None = None


class Failure(StrEnum):
    """Who must act: nobody, because it passes; a person, who can change rights, settings or the bucket; or we."""

    PASSING = "passing"
    FOR_A_PERSON = "for_a_person"
    OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no verdict, and the recording is not to blame; `is_alarming` if somebody should know."""

    cause: str
    failure: Failure
    look_in: timedelta
    is_alarming: bool


Outcome = Settled | Unchanged | Waiting | Failed


def what_failed(error: Exception, recording: Recording) -> Waiting | Failed:
    """What an error means for a recording; `recording` is as it was claimed."""
    cause = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, HeldError):
        return Waiting(cause=cause, look_in=None)
    if isinstance(error, NotFinalError):
        look_in = max(next_look(recording.looks), _DAMAGE_POLL if error.damage_digest else timedelta(0))
        return Waiting(cause=cause, look_in=look_in, damage_digest=error.damage_digest)
    if is_transient(error):
        is_alarming = recording.tries + 1 >= _PATIENT_TRIES
        look_in = _step(_PASSING, recording.tries)
        return Failed(cause=cause, failure=Failure.PASSING, look_in=look_in, is_alarming=is_alarming)
    if needs_a_person(error):
        return Failed(cause=cause, failure=Failure.FOR_A_PERSON, look_in=_OURS[1], is_alarming=True)
    _log.error("%s: a fault of Aftertake", id_text(recording.id), exc_info=error)
    cause = f"a fault of Aftertake, please report it: {type(error).__name__}: {cause}"
    is_alarming = recording.tries + 1 >= _MOST_TRIES
    look_in = _step(_OURS, recording.tries)
    return Failed(cause=cause, failure=Failure.OURS, look_in=look_in, is_alarming=is_alarming)


def after_a_death(recording: Recording) -> timedelta:
    """When a recording is tried again whose worker died; `recording` counts that try already."""
    return _step(_LOST, recording.tries - 1)


def is_often_dying(recording: Recording) -> bool:
    """Whether so many workers died over a recording that somebody should know."""
    return recording.tries >= _MOST_TRIES


def conclude(worker: Worker, claim: Claim, outcome: Outcome) -> Recording:
    """Tell the catalog, and give up the claim. Raises `LeaseLostError`: then nothing was told."""
    claims = worker.catalog.claims
    match outcome:
        case Settled(published=published, basis=basis):
            verdict, key = published.stands.verdict, published.key
            if key is None:
                raise ValueError("what was not published settles nothing")
            kept = f"{verdict}; the published revision stays, because this run is worse: {published.kept}"
            return claims.settle(
                claim,
                published.stands,
                key,
                basis=basis,
                cause=kept if published.kept else f"{verdict}, revision {published.stands.revision}",
                look_in=_late_look(worker, claim.recording, verdict),
            )
        case Unchanged():
            recording = claim.recording
            look_in = _late_look(worker, recording, recording.verdict)
            return claims.wait(claim, cause="nothing new", look_in=look_in)
        case Waiting(cause=cause, look_in=look_in, damage_digest=damage_digest):
            alarm = cause if look_in is None else None
            return claims.wait(claim, cause=cause, look_in=look_in, alarm=alarm, damage_digest=damage_digest)
        case Failed(cause=cause, look_in=look_in, is_alarming=is_alarming):
            return claims.fail(claim, cause=cause, look_in=look_in, is_alarming=is_alarming)


def _late_look(worker: Worker, recording: Recording, verdict: Verdict | None) -> timedelta | None:
    """When to see whether lost slices came after all; None once that is hopeless, or nothing is lost."""
    now = datetime.now(UTC)
    fitting = worker.settings.sources_of(recording.id.vendor, recording.source)
    late_for = max((source.late_for for source in fitting), default=timedelta(0))
    is_hopeless = now - (recording.settled_at or now) >= late_for
    return None if verdict is Verdict.COMPLETE or is_hopeless else next_look(recording.looks)


def _step(steps: tuple[timedelta, ...], tries: int) -> timedelta:
    return steps[min(max(tries, 0), len(steps) - 1)]
