"""The measured process of the transfer row: read every slice as the assembler does, and drop the bytes.

`python -m tests.benchmarks.transfer FOLDER`: ahead, in four threads, each slice proved by length and CRC-64.
"""

import sys
from collections import deque

from flows.steps.planning import find_recordings, plan_recording
from flows.steps.reading import SegmentSource
from storage.local import LocalStore
from tests.benchmarks.child import Facts, report


def read_all(folder: str) -> Facts:
    store = LocalStore(folder)
    ((objects, metas),) = find_recordings(store)
    (stream,) = plan_recording(store, objects, metas).streams
    source = SegmentSource(store=store, metas=metas)
    deque(source.arrivals(stream.assembly.segments), maxlen=0)
    return {"read_bytes": sum(proof.size_bytes for proof in source.proofs.values())}


def main() -> None:
    (folder,) = sys.argv[1:]
    report(lambda: read_all(folder))


if __name__ == "__main__":
    main()
