"""The measured process of the planning rows: `python -m tests.benchmarks.planning USERS HOURS`.

An individual recording of Agora of so many users, two playlists each, held in memory. Reports the CPU seconds and
the memory (peak above what the listing and the playlists hold) of grouping the listing, planning, and all digests.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from flows.steps.planning import RecordingPlan, plan_recording
from storage.base import ObjectMeta
from storage.keys import output_key
from storage.memory import MemoryStore
from tests.benchmarks.child import Facts, report
from vendors.base import encode_utc
from vendors.registry import group

SLICE = timedelta(seconds=15)
SIZE_BYTES = 90_000
_START = datetime(2026, 5, 3, tzinfo=UTC)
_SID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
_KIB = 1 if sys.platform == "darwin" else 1024
_T = TypeVar("_T")


def room(users: int, slices: int) -> tuple[MemoryStore, Mapping[str, ObjectMeta]]:
    """A store with the playlists, and the listing of these and of their slices, which nobody reads."""
    store, metas = MemoryStore(), {}
    for user in range(users):
        for track in ("audio", "video"):
            stem = f"classes/{_SID}_room1__uid_s_{100 + user}__uid_e_{track}"
            event = f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE={track.upper()},TIME={encode_utc(_START)}"
            lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:18", event]
            for number in range(slices):
                at = _START + number * SLICE
                key = f"{stem}_{encode_utc(at)}.ts"
                lines += [f"#EXTINF:{SLICE.total_seconds():.6f}", key.removeprefix("classes/")]
                metas[key] = ObjectMeta(key=key, size_bytes=SIZE_BYTES, etag=f"{number:032x}", last_modified=at)
            lines.append("#EXT-X-ENDLIST\n")
            store.put(output_key(f"{stem}.m3u8"), "\n".join(lines).encode())
            metas[f"{stem}.m3u8"] = store.head(output_key(f"{stem}.m3u8"))
    return store, metas


def plan(store: MemoryStore, metas: Mapping[str, ObjectMeta]) -> RecordingPlan:
    """Everything from the listing to the digest of the plan."""
    (recording,) = group(metas.values()).recordings
    planned = plan_recording(store, recording, metas)
    assert planned.digest
    return planned


def main() -> None:
    users, hours = map(int, sys.argv[1:])
    store, metas = room(users, int(timedelta(hours=hours) / SLICE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def work() -> Facts:
        (recording,), grouping_s = _timed(lambda: group(metas.values()).recordings)
        planned, planning_s = _timed(lambda: plan_recording(store, recording, metas))
        _, digest_s = _timed(lambda: planned.digest)
        return {
            "segments": sum(len(stream.assembly.segments) for stream in planned.streams),
            "grouping_s": grouping_s,
            "planning_s": planning_s,
            "digest_s": digest_s,
            "peak_bytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _KIB,
        }

    report(work)


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    began = time.process_time()
    return work(), time.process_time() - began


if __name__ == "__main__":
    main()
