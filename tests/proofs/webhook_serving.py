"""A receiver that runs: `aftertake serve web …` on loopback, messages for it by the thousand, and what it stored."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from sqlalchemy import select

from catalog.tables import deliveries
from deployments.sandbox.webhook_requests import Posted
from deployments.sandbox.webhooks import SAMPLES
from tests.proofs.cluster_parts import free_port, until
from tests.proofs.members import Member, processes
from tests.proofs.webhook_client import Address
from tests.proofs.webhook_site import ENVIRONMENT, HOOKED, HookedSite, recording_of, told

_START_S: Final = 90
_EACH: Final = 8
"""Messages about one recording."""
_LISTENS: Final = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A receiver, and where it listens."""

    member: Member
    address: Address

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def pid(self) -> int:
        """The process that listens now; 0 if none does."""
        self.member.look()
        inode = _listening_inode(self.address[1])
        mine = (pid for pid in processes() if self.member.knows(pid))
        return next((pid for pid in mine if inode is not None and inode in _sockets(pid)), 0)

    def is_ready(self) -> bool:
        with suppress(OSError), urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310 - on loopback
            ready: bool = json.load(answer)["ready"]
            return ready
        return False


@contextmanager
def serving(site: HookedSite, name: str = "web", parts: Sequence[str] = ("web",)) -> Iterator[Served]:
    """It answers when this is entered, and is ended with all that it started when this is left."""
    address = ("127.0.0.1", free_port())
    environment = {
        **site.settings.as_environment(),
        **ENVIRONMENT,
        "AFTERTAKE_DATA": str(site.root / name),
        "AFTERTAKE_LISTEN": f"{address[0]}:{address[1]}",
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }
    served = Served(member=Member(name, parts, environment, site.root), address=address)
    try:
        until("the receiver answers", served.is_ready, within_s=_START_S)
        yield served
    finally:
        served.member.end()


def messages(count: int) -> list[Posted]:
    """So many distinct ones, of all vendors, each common event again and again, signed now."""
    events = {vendor: tuple(SAMPLES[vendor]) for vendor in HOOKED}
    made = []
    for number in range(count):
        vendor, of_vendor = HOOKED[number % len(HOOKED)], number // len(HOOKED)
        recording = recording_of(vendor, 1 + of_vendor // _EACH)
        made.append(told(recording, events[vendor][of_vendor % len(events[vendor])], of_vendor))
    return made


def request_of(posted: Posted) -> bytes:
    """As it goes over the wire."""
    lines = [f"{name}: {value}" for name, value in posted.headers.items()]
    head = [f"POST {posted.path} HTTP/1.1", "Host: proof", *lines, f"Content-Length: {len(posted.body)}", "", ""]
    return "\r\n".join(head).encode() + posted.body


def fingerprint(body: bytes) -> bytes:
    """Tells a body from all others."""
    return hashlib.sha256(body).digest()


def stored_bodies(site: HookedSite) -> list[bytes]:
    """The fingerprints of all deliveries that are kept."""
    return site.catalog.database.read(lambda c: [fingerprint(row.body) for row in c.execute(select(deliveries.c.body))])


def until_taken_in(site: HookedSite, within_s: float) -> float:
    """Wait until each delivery was seen to; how many seconds that took."""
    began = time.monotonic()
    until("all messages are taken in", lambda: site.catalog.inbox.waiting()[0] == 0, within_s=within_s)
    return time.monotonic() - began


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _listening_inode(port: int) -> str | None:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    found = (row[9] for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port)
    return next(found, None)


def _sockets(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    found = set[str]()
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found
