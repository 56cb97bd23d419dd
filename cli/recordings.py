"""What several commands say of a recording of the catalog."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from catalog.model import State, Verdict
from catalog.records import Recording, id_text
from catalog.wire import utc_text

_WITHOUT_A_DATE: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.HINTED: "it is due once it is known to have stopped",
        State.RECORDING: "it is due once it is known to have stopped",
        State.PROCESSING: "somebody works on it now",
        State.SETTLED: "nothing is left to do",
    }
)


def verdict_of(recording: Recording) -> Verdict | None:
    """None while it is not settled; a revision that is published stands all the same."""
    return recording.verdict if recording.state is State.SETTLED else None


def document(recording: Recording) -> dict[str, Any]:
    """What is known of every recording, in JSON."""
    verdict = verdict_of(recording)
    return {
        "vendor": recording.id.vendor,
        "task_id": recording.id.task_id,
        "room": recording.room,
        "mode": recording.mode.value if recording.mode else None,
        "state": recording.state.value,
        "verdict": verdict.value if verdict else None,
        "started_at": time_text(recording.started_at),
        "ended_at": time_text(recording.ended_at),
        "revision": recording.revision,
        "manifest": recording.manifest,
        "alarm": recording.alarm,
    }


def queued(recording: Recording) -> dict[str, Any]:
    """The same, with what is to become of it."""
    return {**document(recording), "source": recording.source, "due_at": time_text(recording.due_at)}


def time_text(at: datetime | None) -> str | None:
    """For JSON."""
    return utc_text(at) if at else None


def named(recording: Recording) -> str:
    """The recording and how far it has come, for people."""
    return f"{id_text(recording.id)}: {verdict_of(recording) or recording.state}"


def what_next(recording: Recording) -> str:
    """A clause: who looks at it next, and when."""
    if recording.run and recording.state is not State.PROCESSING:
        return "a worker was told to begin with it"
    if recording.due_at is None and recording.alarm:
        return "it is left to a person; `aftertake retry` has it looked at again"
    if recording.due_at is None:
        return _WITHOUT_A_DATE.get(recording.state, "nobody is to look at it; `aftertake retry` changes that")
    if recording.due_at <= datetime.now(UTC):
        return "it is due now, and the next free worker takes it"
    return f"it is looked at again at {utc_text(recording.due_at)}"
