"""The measured process: `aftertake process` of a folder, without the command line around it.

`python -m tests.benchmarks.remuxing idle` only imports; `… FOLDER null` and `… FOLDER TARGET_FOLDER` do the work.
"""

import sys
from datetime import UTC, datetime

from flows.process import Inline, process, run_inline
from flows.steps.finding import find_recordings
from flows.steps.tasks import Task
from storage.local import LocalStore
from tests.benchmarks.child import Facts, report
from tests.benchmarks.null_store import NullStore


def remux(folder: str, target: str) -> Facts:
    """Prove, join and publish; a fast result that is not right is none."""
    source, store = LocalStore(folder), NullStore() if target == "null" else LocalStore(target)
    ((objects, metas),) = find_recordings(source)
    task = Task(source=source, objects=objects, metas=metas, now=datetime.now(UTC))
    manifest = run_inline(process(Inline(), task, store)).manifest
    if manifest.verdict != "complete" or manifest.findings:
        raise RuntimeError(f"{folder} is intact, and was judged {manifest.verdict}: {manifest.findings[:3]}")
    (output,) = manifest.streams[0].outputs
    samples = sum(track.samples_out for track in output.tracks)
    return {"samples": samples, "seconds": output.duration_s, "output_bytes": output.size_bytes}


def main() -> None:
    if sys.argv[1:] == ["idle"]:
        report(dict)
        return
    folder, target = sys.argv[1:]
    report(lambda: remux(folder, target))


if __name__ == "__main__":
    main()
