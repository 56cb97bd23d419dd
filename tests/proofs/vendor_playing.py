"""Plays a case: begins to record, lets it go on, ends it; after that nobody does anything."""

import time
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.error import HTTPError

from catalog.model import RecordingId
from tests.proofs.vendor_cases import Case
from tests.proofs.vendor_serving import PACE, VendorServing
from vendors.recorder import Handle, Order, read_handle
from vendors.storage import parse_store_url

_IDLE_S: Final = 10
_REFUSING_S: Final = 8.0
_SILENT_S: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A case that is left to itself since `ended_at`, in seconds of Unix time."""

    case: Case
    recording: RecordingId
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplayed:
    """A case that could not be played to its end, and why."""

    case: Case
    why: str


def play(serving: VendorServing, case: Case) -> Played | Unplayed:
    """Begin it and end it."""
    try:
        return _played(serving, case)
    except Exception as error:  # noqa: BLE001 - the others are played all the same
        said = error.read().decode() if isinstance(error, HTTPError) else ""
        return Unplayed(case=case, why=f"{type(error).__name__}: {error} {said}".strip())


def _played(serving: VendorServing, case: Case) -> Played:
    vendors = serving.vendors
    if case.users is not None:
        vendors.publish(case.vendor, case.room, case.users)
    vendors.follow(case.vendor, case.room, case.script)
    if case.by == "others":
        return _played_by_others(serving, case)
    recording = serving.named(_begun(serving, case))
    time.sleep(case.media_s / PACE)
    _ENDS[case.end](serving, case, recording)
    return Played(case=case, recording=recording, ended_at=time.time())


def _begun(serving: VendorServing, case: Case) -> Any:  # noqa: ANN401 - JSON
    source = case.source or case.vendor
    # Jocloud ends an empty room by itself, and takes no word on when.
    idle_s = _IDLE_S if case.end == "idle" and case.vendor != "jocloud" else None
    if case.by == "command":
        words = ["--source", source, "--room", case.room, "--mode", case.mode]
        words += ["--idle", str(idle_s)] if idle_s else []
        return serving.aftertake("vendor", "start", *words)["recordings"][0]
    return serving.post("", {"source": source, "room": case.room, "mode": case.mode, "idle_s": idle_s})


def _stopped(serving: VendorServing, case: Case, recording: RecordingId) -> None:
    name = f"{recording.vendor}:{recording.task_id}"
    if case.by == "command":
        serving.aftertake("vendor", "stop", name)
    else:
        serving.post(f"/{name}:stop")


def _stopped_twice(serving: VendorServing, case: Case, recording: RecordingId) -> None:
    """Twice in a row, and once more when all is uploaded."""
    _stopped(serving, case, recording)
    _stopped(serving, case, recording)
    time.sleep(3)
    _stopped(serving, case, recording)


def _left_alone(serving: VendorServing, case: Case, _: RecordingId) -> None:
    """Everybody leaves; it ends by itself."""
    serving.vendors.publish(case.vendor, case.room, ())
    time.sleep((30 if case.vendor == "jocloud" else _IDLE_S) / PACE)


def _stopped_while_down(serving: VendorServing, case: Case, recording: RecordingId) -> None:
    """We hear of the end, and cannot ask: at first there are errors, and then there is no answer at all."""
    gate = serving.gates[case.vendor]
    gate.door = "refusing"
    _stopped_by_others(serving, case, recording)
    time.sleep(_REFUSING_S)
    gate.door = "silent"
    time.sleep(_SILENT_S)
    gate.door = "open"


def _stopped_after_new_key(serving: VendorServing, case: Case, recording: RecordingId) -> None:
    file = serving.key_file(case.vendor)
    file.write_text(file.read_text().split()[0][::-1] + " no-key-any-more\n")
    _stopped_by_others(serving, case, recording)


def _stopped_by_others(serving: VendorServing, case: Case, recording: RecordingId) -> None:
    inquiry = serving.catalog.inquiries.of(recording)
    if inquiry is None:
        raise RuntimeError(f"nobody can ask for {recording}")
    handle = replace(read_handle(recording, inquiry.handle), host=None)
    serving.client_of_others(case.vendor).stop(handle)


_ENDS: Final = {
    "stop": _stopped,
    "stop twice": _stopped_twice,
    "idle": _left_alone,
    "while the API is down": _stopped_while_down,
    "after the key was changed": _stopped_after_new_key,
}


def _played_by_others(serving: VendorServing, case: Case) -> Played:
    handle = begun_by_others(serving, case)
    time.sleep(case.media_s / PACE)
    serving.client_of_others(case.vendor).stop(handle)
    return Played(case=case, recording=handle.recording, ended_at=time.time())


def begun_by_others(serving: VendorServing, case: Case) -> Handle:
    """Somebody who does not know of us records into a bucket that we look after."""
    source = serving.settings.source(case.source or case.vendor)
    order = Order(
        room=case.room,
        mode=case.mode,
        place=parse_store_url(source.store),
        upload_key=serving.upload_key(source.name),
        client_id=case.room,
    )
    return serving.client_of_others(case.vendor).start(order)
