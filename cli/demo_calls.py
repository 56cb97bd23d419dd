"""The calls of `aftertake demo`: what is recorded, what goes wrong at the vendor, and how it goes to its verdict."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Final

from catalog.index import Catalog
from catalog.model import RecordingId, State, Verdict
from catalog.records import Change, id_text
from deployments.sandbox.vendors import SCRIPTS, Failover, Script, Vendors
from deployments.sandbox.webhooks import deliver, sample
from flows.settings import Settings
from flows.vendor_recordings import VendorRecordings
from storage.listing import listed
from storage.opening import open_source
from vendors.base import Mode
from vendors.recorder import Order

SECONDS: Final = 24
"""How long each call lasts."""
ELSEWHERE: Final = "elsewhere"
"""The bucket, in S3, into which one call is recorded by mistake."""
_LOOK_S: Final = 3
_LATE_S: Final = 20
_PATIENCE_S: Final = 300
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: in which room of which vendor, what goes wrong there, in words too, and the verdict that is its last.

    It is recorded as one mix, or each of `users` apart.
    """

    vendor: str
    room: str
    script: Script
    fate: str
    last: Verdict
    users: tuple[str, ...] = ()

    @property
    def mode(self) -> Mode:
        """How it is recorded."""
        return "individual" if self.users else "mixed"


CALLS: Final = (
    Call(
        vendor="agora",
        room="physics_101",
        script=Script(failover=Failover(after_s=4, gap_s=3)),
        fate="its recorder dies; another one begins 3 s later",
        last=Verdict.GAPS,
    ),
    Call(
        vendor="zego",
        room="room_7",
        script=replace(SCRIPTS["late slice"], late_s=_LATE_S),
        fate=f"a slice comes {_LATE_S} s after the rest",
        last=Verdict.COMPLETE,
    ),
    Call(
        vendor="jocloud",
        room="abcabc",
        script=SCRIPTS["doubled webhooks"],
        fate="its webhooks come twice",
        last=Verdict.COMPLETE,
    ),
    Call(
        vendor="agora",
        room="lost_call",
        script=SCRIPTS["wrong bucket"],
        fate="it goes into another bucket",
        last=Verdict.MISSING,
    ),
    Call(
        vendor="agora",
        room="lesson_7",
        script=SCRIPTS["three people"],
        fate="three people: a rejoin, a camera off, a failover",
        last=Verdict.GAPS,
        users=("101", "102", "103"),
    ),
)

Say = Callable[[str], None]


class Demo:
    """The calls, as they go on. `say` is told what happens."""

    def __init__(self, settings: Settings, catalog: Catalog, vendors: Vendors, own: VendorRecordings, say: Say) -> None:
        """Nothing is recorded yet."""
        self._settings = settings
        self._catalog = catalog
        self._vendors = vendors
        self._own = own
        self._say = say
        self.calls: Mapping[RecordingId, Call] = {}

    def record(self) -> None:
        """Start all calls, see their slices come, and stop them."""
        self.calls = {self._start(call): call for call in CALLS}
        self._say("recording:")
        for _ in range(SECONDS // _LOOK_S):
            time.sleep(_LOOK_S)
            self._say(f"  in the buckets: {', '.join(self._slices())}")
        for recording in self.calls:
            status = self._own.stop(recording)
            self._say(f"  $ aftertake vendor stop {id_text(recording)}: {status.word}")

    def forge(self, url: str) -> None:
        """Somebody who knows the address of a webhook and not its secret posts there."""
        forged = sample(
            "agora", "uploaded", task_id="0" * 32, room="stranger", secret=token_hex(16), sent_at=datetime.now(UTC)
        )
        self._say(f"  a stranger posts a forged webhook: {deliver(forged, url)}")

    def await_verdicts(self) -> None:
        """Until every call has the verdict that is its last. Raises TimeoutError."""
        told = dict.fromkeys(self.calls, 0)
        deadline = time.monotonic() + _PATIENCE_S
        while not all(self._is_done(recording, call) for recording, call in self.calls.items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no verdict after {_PATIENCE_S} s")
            time.sleep(_POLL_S)
            for recording, call in self.calls.items():
                changes = self._catalog.changes(recording)
                for change in changes[told[recording] :]:
                    self._tell(call, change)
                told[recording] = len(changes)
        self._vendors.wait_idle(_PATIENCE_S)
        self._await_inbox()

    def _start(self, call: Call) -> RecordingId:
        self._vendors.follow(call.vendor, call.room, call.script)
        ordered = partial(Order, room=call.room, mode=call.mode, client_id=token_hex(8), users=call.users)
        recording = self._own.start(self._settings.source(call.vendor), ordered, folder="calls/").id
        self._say(f"  $ aftertake vendor start --source {call.vendor} --room {call.room}: {id_text(recording)}")
        return recording

    def _slices(self) -> Iterator[str]:
        for source in self._settings.sources:
            slices = sum(meta.key.endswith(".ts") for meta in listed(open_source(source.store), ""))
            yield f"{source.name} {slices} slices"

    def _is_done(self, recording: RecordingId, call: Call) -> bool:
        found = self._catalog.get(recording)
        return found.state is State.SETTLED and found.verdict is call.last

    def _tell(self, call: Call, change: Change) -> None:
        if change.state in {State.SETTLED, State.WAITING} and change.cause != "nothing new":
            self._say(f"  {call.vendor} {call.room}: {change.cause}")

    def _await_inbox(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while self._catalog.inbox.waiting()[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("nobody sees to the webhooks")
            time.sleep(_POLL_S)


def story_of(changes: Sequence[Change]) -> str:
    """The verdicts in their order: `gaps, then complete`."""
    return ", then ".join(
        change.verdict.value for change in changes if change.verdict and change.cause != "nothing new"
    )
