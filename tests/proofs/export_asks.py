"""Requests for exports, drawn from a seed, of calls made up by the same: `python -m tests.proofs.export_asks`.

People come and go, slices never came, recorders failed. Whoever is named, and whatever time: what is answered before
any work is what is made, to the byte, with the same losses; what was never recorded has an answer, and what that says
to ask instead can be asked. It prints what it counted and ends with 1 if anything differs.
"""

import argparse
import random
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from catalog.certificate import Certificate, from_json
from catalog.covering import Moment
from catalog.export_request import ExportMode
from catalog.exports import ExportState
from catalog.index import Catalog
from catalog.model import Manifest
from catalog.searching import Query
from cli.recordings import time_text
from flows.export import export_replay
from flows.moments import read_range
from flows.opening import open_worker
from flows.process import Inline, run_inline
from flows.settings import Settings
from flows.steps.preparing import Prepared, prepare
from flows.steps.refusing import NotRecordedError, SelectionError
from flows.steps.reindexing import reindex
from flows.steps.selecting import Wanted
from flows.steps.verifying import verify
from flows.steps.working import Worker
from media.cut import NothingToCutError
from storage.local import LocalStore
from tests.e2e.casts import taped
from tests.flows.scenes import outcome
from tests.proofs.table import Table

REQUESTS = 1_000
OF_A_CALL = 25
USERS = ("102", "103")
STRANGER = "nobody"


@dataclass(slots=True)
class Asked:
    """What came of many requests; `wrong` has those that did not go as they should."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def hold(self, wanted: Wanted, what: str, *, right: bool) -> None:
        """It must be right."""
        if not right:
            self.wrong.append(f"{what}: {wanted}")


@contextmanager
def call(seed: int) -> Iterator[tuple[Worker, Manifest]]:
    """A recording, processed, with somebody who makes exports of it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = outcome(taped(seed).laid, folder)
        settings = Settings.load({"AFTERTAKE_DATA": str(folder / "data"), "AFTERTAKE_OUTPUT": str(found.folder)})
        with open_worker(settings) as worker:
            reindex(worker.catalog, settings, LocalStore(found.folder), lambda _: None)
            yield worker, found.manifest


def wanted(chance: random.Random, manifest: Manifest) -> Wanted:
    """Some time in or around the recording, of one or several, by the clock or by offsets."""
    assert manifest.started_at
    assert manifest.ended_at
    length = (manifest.ended_at - manifest.started_at).total_seconds()
    since = timedelta(milliseconds=round(chance.uniform(-2, length + 2) * 1000))
    until = since + timedelta(milliseconds=chance.choice([1, 40, *(round(chance.uniform(1, 8000)) for _ in range(4))]))
    users = tuple(chance.sample(USERS, chance.choice([0, 1, 1, 1, 2])))
    users += (STRANGER,) if chance.random() < 0.05 else ()
    is_timed = since < timedelta() or chance.random() < 0.5
    return Wanted(
        task=manifest.task_id,
        room=None,
        users=users,
        begin=manifest.started_at + since if is_timed else since,
        end=manifest.started_at + until if is_timed else until,
        mode=ExportMode.SEPARATE if len(users) > 1 or chance.random() < 0.3 else ExportMode.FAST,
    )


def ask(worker: Worker, asked: Wanted, found: Asked) -> None:
    """One request, and what must come of it."""
    try:
        prepared = prepare(worker, asked)
    except NotRecordedError as error:
        found.answers["never recorded"] += 1
        _refused(worker, asked, error, found)
    except NothingToCutError:
        found.answers["between two samples"] += 1
    except SelectionError:
        found.answers["not clear"] += 1
        found.hold(asked, "a clear request is called unclear", right=not asked.users)
    else:
        found.answers["made"] += 1
        _made(worker, asked, prepared, found)


def _refused(worker: Worker, asked: Wanted, error: NotRecordedError, found: Asked) -> None:
    """Nobody who was named was recorded then, by the index of people and times; what is offered instead works."""
    if isinstance(asked.begin, datetime) and isinstance(asked.end, datetime):
        absent = [user for user in asked.users if not _was_there(worker.catalog, user, asked.begin, asked.end)]
        found.hold(asked, "somebody was recorded, it is said elsewhere", right=bool(absent) or not asked.users)
    for line in error.refusal.instead:
        if "--in" in line:
            begin, end, user = _options(line)
            users = (user,) if user else asked.users[:1] if len(asked.users) == 1 else ()
            again = Wanted(task=asked.task, room=None, users=users, begin=begin, end=end, mode=ExportMode.SEPARATE)
            try:
                right = bool(prepare(worker, again).request.clips)
            except (SelectionError, NothingToCutError):
                right = "time of day" in line
            found.hold(asked, f"what is offered cannot be asked: {line}", right=right)


def _options(line: str) -> tuple[Moment, Moment, str | None]:
    words = shlex.split(line.rpartition(": ")[2])
    given = dict(pairwise(words))
    begin, end = read_range(given["--in"], given["--out"])
    named = line.partition("The nearest of user ")[2].partition(" ")[0]
    return begin, end, given.get("--user") or named or None


def _was_there(catalog: Catalog, user: str, since: datetime, until: datetime) -> bool:
    return bool(catalog.attendances.rooms(Query(user=user, since=since, until=until)).page.recordings)


def _made(worker: Worker, asked: Wanted, prepared: Prepared, found: Asked) -> None:
    """The file is what was told of it."""
    request = prepared.request
    export, _ = worker.catalog.exports.ask(
        request, by="proof", reason="proof", name=prepared.selection.name, keep=timedelta(days=1), most=9
    )
    if export.state is ExportState.QUEUED:
        run_inline(export_replay(Inline(), worker, export.id))
    done = worker.catalog.exports.get(export.id)
    if done.file is None:
        found.hold(asked, f"not made: {done.cause}", right=False)
        return
    folder = Path(worker.output.url.removeprefix("file://"))
    certificate: Certificate = from_json((folder / done.file.certificate).read_bytes())
    differences = verify(folder / done.file.key, certificate, lambda _: None)
    found.hold(asked, f"not as certified: {differences}", right=not differences)
    found.hold(asked, "another size", right=request.is_archive or done.file.size_bytes == request.size_bytes)
    for clip, told in zip(certificate.clips, request.clips, strict=True):
        times = (clip.starts_at_s, clip.ends_at_s, time_text(clip.starts_at), time_text(clip.ends_at))
        expected = (told.starts_at_s, told.ends_at_s, time_text(told.starts_at), time_text(told.ends_at))
        found.hold(asked, f"{times} where {expected} was told", right=times == expected)
        found.answers["nothing is there at first"] += told.starts_at_s > max(told.from_s, told.origin.origin_s)
    found.hold(asked, "losses differ", right=prepared.selection.has_gaps == certificate.has_gaps == done.file.has_gaps)


def prove(requests: int, seed: int) -> Table:
    """Ask so often, and print what was answered."""
    table, found = Table(), Asked()
    for number in range(0, requests, OF_A_CALL):
        chance = random.Random(f"{seed}-{number}")
        with call(seed * 10_000 + number // OF_A_CALL) as (worker, manifest):
            for _ in range(min(OF_A_CALL, requests - number)):
                ask(worker, wanted(chance, manifest), found)
    table.heading(f"{requests} requests of seed {seed}")
    for answer, count in found.answers.most_common():
        table.line(answer, [count])
    table.line("wrong", [len(found.wrong)], right=not found.wrong)
    for line in found.wrong[:20]:
        sys.stdout.write(f"{line}\n")
    return table


def main() -> int:
    """Run the proof; 0 if every request got its right answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", nargs="?", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    return prove(options.requests, options.seed).verdict()


if __name__ == "__main__":
    sys.exit(main())
