"""The measured process of the transfer row: read every slice of a folder, in one of three ways, and drop the bytes.

`python -m tests.benchmarks.transfer store|files FOLDER`, `… urllib3 FOLDER URL`.
"""

import sys
from collections import deque
from pathlib import Path

import urllib3

from flows.steps.planning import find_recordings, plan_recording
from flows.steps.reading import SegmentSource
from storage.local import LocalStore
from tests.benchmarks.child import Facts, report

_BUFFER_BYTES = 1 << 20


def by_store(folder: str) -> Facts:
    """As the assembler reads: ahead, in four threads, each slice proved by length and CRC-64."""
    store = LocalStore(folder)
    ((objects, metas),) = find_recordings(store)
    (stream,) = plan_recording(store, objects, metas).streams
    source = SegmentSource(store=store, metas=metas)
    deque(source.arrivals(stream.assembly.segments), maxlen=0)
    return {"read_bytes": sum(proof.size_bytes for proof in source.proofs.values())}


def by_files(folder: str) -> Facts:
    """The floor: plain reads into one buffer."""
    buffer = bytearray(_BUFFER_BYTES)
    total = 0
    for path in sorted(Path(folder).glob("*.ts")):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return {"read_bytes": total}


def by_urllib3(folder: str, url: str) -> Facts:
    """One connection, kept alive; each slice whole, as `urllib3.request` gives it."""
    total = 0
    with urllib3.HTTPConnectionPool(url.removeprefix("http://"), maxsize=1) as pool:
        for path in sorted(Path(folder).glob("*.ts")):
            total += len(pool.request("GET", f"/{path.name}").data)
    return {"read_bytes": total}


def main() -> None:
    way, folder, *url = sys.argv[1:]
    if way == "urllib3":
        report(lambda: by_urllib3(folder, *url))
    else:
        report(lambda: {"store": by_store, "files": by_files}[way](folder))


if __name__ == "__main__":
    main()
