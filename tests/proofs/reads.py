"""Reads under faults: what was accepted, what was refused, and what that cost in requests."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial

from deployments.sandbox.clouds import Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.clouds.faults import Kind
from storage.base import ObjectMeta, ObjectStore
from storage.errors import Changed, NotFound, StorageError, Transient
from storage.listing import listed
from storage.opening import open_store
from storage.reading import VerifiedReader
from storage.retry import Retry
from tests.clouds import ENVIRONMENT, new_bucket
from tests.proofs.server import RemoteClouds

SIZES = ((0, 3), (1, 5), (4_321, 25), (100_000, 47), (1 << 20, 17), (8 << 20, 3))
"""Bytes, and how many of a hundred objects have that many."""
VARIANTS = 8
THREADS = 6
LISTINGS = 20
RESTARTS = 3
"""How often an object that changed is read anew before it is called unstable."""
WAITS = 100
"""A wait of the real back-off is this many times as long as the same one here."""
TORN, MOVED = "torn", "moved"
"""Objects that are replaced while their first answer is cut off, and between the listing and the read."""

GET_FAULTS: dict[Kind, float] = {
    "status": 0.11,
    "slow": 0.03,
    "cut": 0.07,
    "short": 0.03,
    "clipped": 0.01,
    "flip": 0.03,
    "replace": 0.01,
    "lost_answer": 0.05,
}
"""Thirty of a hundred cost another request: all but "slow" and "replace"."""
IN_A_ROW = 100
"""As many faults may strike one request after another, so that chance alone decides."""
LIST_FAULTS: dict[Kind, float] = {"status": 0.08, "cut": 0.06, "short": 0.04, "stale_list": 0.08, "lost_answer": 0.04}


@dataclass(slots=True)
class Read:
    """What became of one read."""

    key: str
    outcome: str
    restarts: int = 0
    proof: str = ""


@dataclass(slots=True)
class Reads:
    """All reads of one cloud."""

    cloud: str
    all: list[Read] = field(default_factory=list)
    bytes_read: int = 0
    gets: int = 0
    faulty_gets: int = 0
    most_gets: int = 0
    gets_of_stable: int = 0
    stable: int = 0
    lists: int = 0
    hidden: int = 0
    invented: int = 0

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(read.outcome for read in self.all)

    @property
    def proofs(self) -> Counter[str]:
        return Counter(read.proof for read in self.all if read.proof)


def quick() -> Retry:
    """Waits that double as in the real back-off, each a hundredth as long, and six tries of the real sixteen."""
    return Retry(attempts=6, sleep=lambda wait_s: time.sleep(wait_s / WAITS))


def plan_keys(seed: int, count: int) -> Iterator[tuple[str, int, int]]:
    """Keys with their size and which of the random bodies of this size they hold."""
    dice = random.Random(f"{seed}|keys")
    sizes, weights = zip(*SIZES, strict=True)
    for number in range(count):
        kind = dice.choices((TORN, MOVED, "plain"), (2, 2, 96))[0]
        size = dice.choices(sizes, weights)[0]
        yield f"room/{kind}/{number:05d}.ts", size, dice.randrange(VARIANTS)


@cache
def body(seed: int, size: int, variant: int) -> bytes:
    return random.Random(f"{seed}|{size}|{variant}").randbytes(size)


def turned(data: bytes) -> bytes:
    """The other version of an object: each bit is another one, as the fault "replace" leaves it."""
    return data.translate(_TURNED)


_TURNED = bytes(value ^ 0xFF for value in range(256))


def lay(clouds: Clouds, cloud: CloudName, bucket: str, seed: int, count: int) -> None:
    for key, size, variant in plan_keys(seed, count):
        clouds.put(cloud, bucket, key, body(seed, size, variant))


def move(clouds: Clouds, cloud: CloudName, bucket: str) -> None:
    """Replace what was listed already."""
    for key in clouds.keys(cloud, bucket):
        if f"/{MOVED}/" in key:
            clouds.put(cloud, bucket, key, turned(clouds.get(cloud, bucket, key)))


def break_reads(clouds: Clouds, seed: int, count: int, cloud: str) -> None:
    keys = [key for key, _, _ in plan_keys(seed, count) if f"/{TORN}/" in key]
    kinds: tuple[Kind, ...] = ("cut", "replace")
    torn = [Fault(kind, operation="GetObject", key=key) for key in keys for kind in kinds]
    lists = "ListObjects" if cloud == "cos" else "ListObjectsV2"
    rates = {"GetObject": GET_FAULTS, lists: LIST_FAULTS}
    clouds.faults = FaultPlan(torn, seed=seed, rate=rates, most_in_a_row=IN_A_ROW)


def mend(clouds: Clouds) -> None:
    clouds.faults = FaultPlan()


def count_requests(clouds: Clouds) -> tuple[Counter[str], Counter[str], int, int]:
    """GETs by key, all by operation, faulty GETs, and how many GETs there were; then the journal is empty."""
    seen = clouds.journal.seen()
    clouds.journal.clear()
    gets = [one for one in seen if one.action == "GetObject"]
    faulty = sum(bool(one.faults) for one in gets)
    return Counter(one.key for one in gets), Counter(one.action for one in seen), faulty, len(gets)


def prove_reads(remote: RemoteClouds, cloud: CloudName, *, seed: int, count: int) -> Reads:
    url = new_bucket(remote, cloud)
    bucket = url.partition("://")[2].partition("/")[0]
    store = open_store(url, environment=ENVIRONMENT)
    remote.do(lay, cloud, bucket, seed, count)
    remote.do(count_requests)
    remote.do(break_reads, seed, count, cloud)
    reads = Reads(cloud)
    wanted = {key: body(seed, size, variant) for key, size, variant in plan_keys(seed, count)}
    metas = _listed(store, wanted, reads)
    remote.do(move, cloud, bucket)
    reader = VerifiedReader(store, retry=quick())
    with ThreadPoolExecutor(THREADS) as pool:
        reads.all = list(pool.map(lambda key: _read(store, reader, metas[key], wanted[key]), wanted))
    _count(remote, reads, wanted)
    remote.do(mend)
    return reads


def _listed(store: ObjectStore, wanted: dict[str, bytes], reads: Reads) -> dict[str, ObjectMeta]:
    """A listing may hide what is new: what is missed is asked for by its name, which raises where it is not there."""
    for _ in range(LISTINGS):
        metas = {meta.key: meta for meta in listed(store, retry=quick())}
        reads.invented += len(metas.keys() - wanted.keys())
        for key in wanted.keys() - metas.keys():
            reads.hidden += 1
            metas[key] = quick().call(partial(store.head, key))
    return metas


def _read(store: ObjectStore, reader: VerifiedReader, meta: ObjectMeta, wanted: bytes) -> Read:
    for restart in range(RESTARTS + 1):
        try:
            data, proof = reader.read(meta)
        except Changed:
            if restart == RESTARTS:
                return Read(meta.key, "Changed", restart)
            meta = quick().call(partial(store.head, meta.key))
        except StorageError as error:
            return Read(meta.key, type(error).__name__, restart)
        else:
            return Read(meta.key, judged(data, wanted), restart, proof.proof)
    raise AssertionError("the last turn always returns")


def judged(data: bytes | bytearray, wanted: bytes) -> str:
    other = turned(wanted)
    if data in (wanted, other):
        return "whole"
    if len(data) == len(wanted) and all(found in pair for found, *pair in zip(data, wanted, other, strict=True)):
        return "mixed versions"
    return "wrong bytes"


def _count(remote: RemoteClouds, reads: Reads, wanted: dict[str, bytes]) -> None:
    by_key, by_operation, reads.faulty_gets, reads.gets = remote.do(count_requests)
    stable = [key for key in wanted if f"/{TORN}/" not in key and f"/{MOVED}/" not in key]
    reads.stable, reads.gets_of_stable = len(stable), sum(by_key[key] for key in stable)
    reads.most_gets = max(by_key[key] for key in stable)
    reads.lists = sum(many for operation, many in by_operation.items() if operation.startswith("ListObjects"))
    reads.bytes_read = sum(len(wanted[read.key]) for read in reads.all if read.outcome == "whole")


@dataclass(frozen=True, slots=True)
class Outage:
    """Everything answered 503: how many requests each read made before it gave up, and what came after."""

    cloud: str
    errors: Counter[str]
    requests_each: float
    whole_after: int
    reads: int


def prove_outage(remote: RemoteClouds, cloud: CloudName, *, seed: int, count: int = 30) -> Outage:
    url = new_bucket(remote, cloud)
    bucket = url.partition("://")[2].partition("/")[0]
    store = open_store(url, environment=ENVIRONMENT)
    remote.do(lay, cloud, bucket, seed, count)
    metas = list(store.list())
    remote.do(break_all)
    remote.do(count_requests)
    reader, errors = VerifiedReader(store, retry=quick()), Counter[str]()
    for meta in metas:
        try:
            reader.read(meta)
        except Transient:
            errors["Transient"] += 1
        except (StorageError, NotFound) as error:
            errors[type(error).__name__] += 1
        else:
            errors["none"] += 1
    asked = remote.do(count_requests)[3]
    remote.do(mend)
    wanted = {key: body(seed, size, variant) for key, size, variant in plan_keys(seed, count)}
    whole = sum(bytes(reader.read(meta)[0]) == wanted[meta.key] for meta in metas)
    return Outage(cloud, errors, asked / count, whole, count)


def break_all(clouds: Clouds) -> None:
    clouds.faults = FaultPlan([Fault("status", times=0)])
