"""Requests that are meant to hurt cost the receiver little; and no URL that a message names is ever asked."""

import asyncio
import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, Self
from unittest.mock import patch

from catalog.model import RecordingId, State
from deployments.sandbox.webhook_requests import Posted, agora, deliver, jocloud, zego
from tests.flows.folders import slices
from tests.proofs.table import Table
from tests.proofs.webhook_serving import Served
from tests.proofs.webhook_site import HOOKED, ROOM, SECRETS, HookedSite, recording_of, told
from tests.proofs.webhook_storms import hostile

SLOW: Final = 1_000
MOST_GROWN: Final = 10 * 1024 * 1024
_MOST_P99_S: Final = 2
_REFUSALS: Final = frozenset({0, 400, 401, 408, 413})
"""0: the connection was ended without a word. 401: what came was whole, and not signed."""
_STORED: Final = "much JSON in 256 KiB"
"""Of somebody who has the secret, with messages as large as they may be: they are right, and stored."""
_HELD: Final = 20 * 256 * 1024
"""Of these so many come at once, and each is held until it is stored."""
METADATA: Final = "http://169.254.169.254/latest/meta-data/"
"""Where clouds tell a machine its secrets."""


def prove(table: Table, served: Served, slow: int = SLOW) -> None:
    """Each attack, its answers, what it cost, and how others fared."""
    table.heading("Requests that are meant to hurt: memory + MiB, p99 of others in ms")
    rows = asyncio.run(hostile(served.address, pid=served.pid(), path="/hooks/agora", post=signed_request, slow=slow))
    for row in rows:
        p99, grown, is_stored = row.others.at(0.99), row.grown_bytes, row.attack == _STORED
        is_small = grown <= MOST_GROWN + _HELD * is_stored
        are_well = p99 < _MOST_P99_S and set(row.others.statuses) == {200}
        is_answered = set(row.statuses) <= (_REFUSALS | {200} if is_stored else _REFUSALS)
        shown = ", ".join(f"{status}: {count}" for status, count in sorted(row.statuses.items()))
        values = [f"{grown / 2**20:.1f}", f"{p99 * 1000:.0f}", f"  {shown}"]
        table.line(row.attack, values, right=is_small and are_well and is_answered)


def signed_request(body: bytes) -> bytes:
    """A request of Agora's with whatever body, rightly signed."""
    signature = hmac.new(SECRETS["agora"].encode(), body, hashlib.sha256).hexdigest()
    lines = ["POST /hooks/agora HTTP/1.1", "Host: proof", f"Agora-Signature-V2: {signature}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def prove_unfetched(table: Table, site: HookedSite, served: Served, first: int = 1) -> None:
    """Messages that name URLs, posted, taken in and followed by the work on their recordings."""
    table.heading("URLs in messages: file_url, fileaddress, fileName, and fields that nobody knows")
    recordings = [recording_of(vendor, first) for vendor in HOOKED]
    with Canary() as canary:
        posts = [posted for recording in recordings for posted in luring(recording, canary.url)]
        for recording in recordings:
            site.lay_one(recording, slices(1))
        stored = [deliver(posted, served.url) for posted in posts]
        with connections() as made:
            site.overseer().take_in()
            site.settle()
        asked, is_awake = canary.connections, canary.is_awake()
    settled = sum(site.catalog.get(recording).state is State.SETTLED for recording in recordings)
    table.line("messages stored", [f"{stored.count(200)} of {len(posts)}"], right=set(stored) == {200})
    table.line("recordings settled", [f"{settled} of {len(recordings)}"], right=settled == len(recordings))
    table.line("connections to the canary", [asked], right=asked == 0)
    table.line("connections of this process anywhere", [len(made)], right=not made)
    table.line("the canary counts who does connect", ["yes" if is_awake else "no"], right=is_awake)


def luring(recording: RecordingId, url: str) -> Iterator[Posted]:
    """Messages of its vendor with such URLs wherever there may be one, and a true one."""
    for number, lure in enumerate((f"{url}/{recording.task_id}_{ROOM}.m3u8", f"{METADATA}{recording.task_id}.m3u8")):
        yield _LURES[recording.vendor](recording, lure, _FIRST_LURE + number)
    yield told(recording, "m3u8_info" if recording.vendor == "jocloud" else "uploaded")


def _agora_lure(recording: RecordingId, lure: str, number: int) -> Posted:
    return agora(
        31 if number == _FIRST_LURE else 4,
        sid=recording.task_id,
        cname=ROOM,
        secret=SECRETS["agora"],
        sent_at=datetime.now(UTC),
        details={"fileList": [{"fileName": lure, "url": lure}], "url": lure, "callback": lure},
        sequence=number,
    )


def _zego_lure(recording: RecordingId, lure: str, number: int) -> Posted:
    info = {"file_id": "", "file_url": lure, "status": 3, "output_file_format": "hls"}
    return zego(
        1,
        task_id=recording.task_id,
        room=ROOM,
        secret=SECRETS["zego"],
        sent_at=datetime.now(UTC),
        detail={"upload_status": 1, "file_info": [info], "url": lure, "callback": lure},
        sequence=number,
    )


def _jocloud_lure(recording: RecordingId, lure: str, number: int) -> Posted:
    return jocloud(
        "recordtask_m3u8_info",
        record_id=recording.task_id,
        room=ROOM,
        secret=SECRETS["jocloud"],
        sent_at=datetime.now(UTC),
        context={"fileaddress": lure, "filetype": "m3u8", "url": lure, "callback": lure, "number": number},
    )


_FIRST_LURE: Final = 90
_LURES: Final[Mapping[str, Callable[[RecordingId, str, int], Posted]]] = {
    "agora": _agora_lure,
    "zego": _zego_lure,
    "jocloud": _jocloud_lure,
}


class Canary:
    """A server on loopback that counts who connects, for the length of a `with`."""

    def __init__(self) -> None:
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._count, name="canary", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def is_awake(self) -> bool:
        """Whether it counts somebody who does connect."""
        before = self.connections
        with socket.create_connection(self._listening.getsockname(), timeout=5) as connection:
            connection.recv(1)
        return self.connections == before + 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                connection.close()


@contextmanager
def connections() -> Iterator[list[object]]:
    """The addresses that Python connects to in this process."""
    made: list[object] = []
    connect = socket.socket.connect

    def noting(self: socket.socket, address: Any) -> None:  # noqa: ANN401 - as Python has it
        made.append(address)
        connect(self, address)

    with patch.object(socket.socket, "connect", noting):
        yield made
