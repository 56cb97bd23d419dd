"""The measured process of the transfer rows: read every slice as the assembler does, and drop the bytes.

`python -m tests.benchmarks.transfer URL`: ahead, in four threads, each slice proved by the store's own checksum.
Opening the store, which imports its SDK, is start-up; the listing and the playlist are not.
"""

import sys
from collections import Counter, deque

from flows.steps.finding import find_recordings
from flows.steps.planning import plan_recording
from flows.steps.reading import SegmentSource
from storage.base import ObjectStore
from storage.opening import open_source
from tests.benchmarks.child import Facts, report


def read_all(store: ObjectStore) -> Facts:
    ((objects, metas),) = find_recordings(store)
    (stream,) = plan_recording(store, objects, metas).streams
    source = SegmentSource(store=store, metas=metas)
    with source.opened(stream.assembly) as arrivals:
        for lane in arrivals.values():
            deque(lane, maxlen=0)
    ((proof, _),) = Counter(proof.proof.value for proof in source.proofs.values()).items()
    return {"read_bytes": sum(proof.size_bytes for proof in source.proofs.values()), "proof": proof}


def main() -> None:
    (url,) = sys.argv[1:]
    store = open_source(url)
    report(lambda: read_all(store))


if __name__ == "__main__":
    main()
