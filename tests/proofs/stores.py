"""What S3, OSS and COS may do to us, done by the sandbox's clouds: `python -m tests.proofs.stores`.

Ten thousand verified reads and three hundred uploads while three of ten requests meet a fault, drawn from a seed. It
prints what it counted and ends with 1 if a figure is missed. Requests are counted by the journal of the clouds, which
run in a process of their own. The back-off is the real one with each wait a hundredth as long.
"""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.clouds import CLOUDS
from tests.proofs.reads import GET_FAULTS, LIST_FAULTS, WAITS, Outage, Reads, prove_outage, prove_reads
from tests.proofs.refusals import WRONG, Refused, prove_refusal
from tests.proofs.server import RemoteClouds
from tests.proofs.table import Table
from tests.proofs.writes import WRITE_FAULTS, Writes, prove_writes

MOST_REQUESTS = 1.5
RUN_READS = 10_000
RUN_WRITES = 300


def show_reads(table: Table, all_reads: list[Reads]) -> None:
    table.heading(
        f"Reads: {sum(GET_FAULTS.values()):.0%} of GETs and {sum(LIST_FAULTS.values()):.0%} of listings faulty"
    )
    table.line("", [reads.cloud for reads in all_reads])
    table.line("reads", [len(reads.all) for reads in all_reads])
    for outcome in ("wrong bytes", "mixed versions"):
        counts = [reads.outcomes[outcome] for reads in all_reads]
        table.line(f"{outcome} accepted", counts, right=not any(counts))
    table.line("whole and proved", [reads.outcomes["whole"] for reads in all_reads])
    for proof in sorted({proof for reads in all_reads for proof in reads.proofs}):
        table.line(f"  by {proof}", [reads.proofs[proof] for reads in all_reads])
    honest = {outcome for reads in all_reads for outcome in reads.outcomes} - {"whole", "wrong bytes", "mixed versions"}
    known = {"Changed", "Corrupt", "Transient"}
    for outcome in sorted(honest | {"Changed", "Corrupt"}):
        table.line(f"ended as {outcome}", [reads.outcomes[outcome] for reads in all_reads], right=outcome in known)
    table.line("read anew after Changed", [sum(read.restarts > 0 for read in reads.all) for reads in all_reads])
    table.line("MiB read", [reads.bytes_read >> 20 for reads in all_reads])
    table.line("GETs, by the journal", [reads.gets for reads in all_reads])
    table.line("  of them faulty", [f"{reads.faulty_gets / reads.gets:.1%}" for reads in all_reads])
    each = [reads.gets_of_stable / reads.stable for reads in all_reads]
    right = max(each) <= MOST_REQUESTS
    table.line("GETs per object that nobody replaced", [f"{count:.3f}" for count in each], right=right)
    table.line("  at most for one object", [reads.most_gets for reads in all_reads])
    whole = [reads.gets / len(reads.all) for reads in all_reads]
    table.line("GETs per object, replaced ones included", [f"{count:.3f}" for count in whole])
    table.line("listing requests", [reads.lists for reads in all_reads])
    table.line("keys that a listing hid, found by HEAD", [reads.hidden for reads in all_reads])
    invented = [reads.invented for reads in all_reads]
    table.line("keys that a listing invented", invented, right=not any(invented))


def show_outages(table: Table, outages: list[Outage]) -> None:
    table.heading("Everything answered 503")
    table.line("reads", [outage.reads for outage in outages])
    right = all(outage.errors == Counter(Transient=outage.reads) for outage in outages)
    table.line("ended as Transient", [outage.errors["Transient"] for outage in outages], right=right)
    bounded = all(outage.requests_each <= 6 for outage in outages)
    table.line("requests for each", [f"{outage.requests_each:.1f}" for outage in outages], right=bounded)
    after = all(outage.whole_after == outage.reads for outage in outages)
    table.line("whole after it", [outage.whole_after for outage in outages], right=after)


def show_writes(table: Table, all_writes: list[Writes]) -> None:
    table.heading(f"Uploads: {sum(WRITE_FAULTS.values()):.0%} of requests faulty")
    table.line("uploads", [writes.outcomes.total() for writes in all_writes])
    for outcome in sorted({outcome for writes in all_writes for outcome in writes.outcomes}):
        table.line(f"  {outcome}", [writes.outcomes[outcome] for writes in all_writes])
    table.line("requests", [writes.requests for writes in all_writes])
    table.line("  of them faulty", [f"{writes.faulty / writes.requests:.1%}" for writes in all_writes])
    table.line("  carried out, the answer lost", [writes.lost_answers for writes in all_writes])
    table.line("MiB published", [writes.bytes_written >> 20 for writes in all_writes])
    for label, counts in (
        ("half published", [writes.half for writes in all_writes]),
        ("said to be there, and not", [writes.lost for writes in all_writes]),
        ("somebody else's object overwritten or claimed", [writes.overwritten for writes in all_writes]),
    ):
        table.line(label, counts, right=not any(counts))
    table.line("multipart uploads left behind", [writes.left_behind for writes in all_writes])
    swept = [writes.after_sweep for writes in all_writes]
    table.line("  after the sweep", swept, right=not any(swept))


def show_refusals(table: Table, refused: list[Refused]) -> None:
    table.heading("Keys and clocks that are wrong: one request, never tried again")
    for one in refused:
        label = f"{one.cloud}, wrong {one.wrong}"
        table.line(label, [one.kind, f"{one.requests} request(s)"], right=one.is_right)
    for name in dict.fromkeys(one.wrong for one in refused):
        sys.stdout.write(f"  {name}: {next(one.message for one in refused if one.wrong == name)}\n")


def prove(*, reads: int, writes: int, seed: int) -> Table:
    """Run all of it and print the table."""
    began, table = time.monotonic(), Table()
    share = [reads // 3 + (number < reads % 3) for number in range(3)]
    with RemoteClouds() as remote:
        all_reads = [
            prove_reads(remote, cloud, seed=seed, count=count) for cloud, count in zip(CLOUDS, share, strict=True)
        ]
        outages = [prove_outage(remote, cloud, seed=seed) for cloud in CLOUDS]
        all_writes = [prove_writes(remote, cloud, seed=seed, count=writes // 3) for cloud in CLOUDS]
        refused = [prove_refusal(remote, cloud, wrong) for wrong in WRONG for cloud in CLOUDS]
    sys.stdout.write(f"Seed {seed}; waits of the back-off divided by {WAITS}\n")
    show_reads(table, all_reads)
    show_outages(table, outages)
    show_writes(table, all_writes)
    show_refusals(table, refused)
    sys.stdout.write(f"\n{reads} reads and {writes} uploads in {time.monotonic() - began:.0f} s\n")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--reads", type=int, default=RUN_READS)
    parser.add_argument("--writes", type=int, default=RUN_WRITES)
    asked = parser.parse_args()
    logging.getLogger("storage").setLevel(logging.ERROR)
    return prove(reads=asked.reads, writes=asked.writes, seed=asked.seed).verdict()


if __name__ == "__main__":
    sys.exit(main())
