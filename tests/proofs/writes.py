"""Writes under faults: an object is there wholly or not at all, and what stays behind can be swept."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deployments.sandbox.clouds import Clouds, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.clouds.faults import Kind
from storage.base import ObjectStore
from storage.errors import AlreadyExists, StorageError
from storage.keys import ObjectKey, output_key
from storage.opening import open_store
from storage.writing import StreamingUpload, verify_upload
from tests.clouds import ENVIRONMENT, new_bucket
from tests.proofs.reads import THREADS, mend, quick
from tests.proofs.server import RemoteClouds

WRITE_FAULTS: dict[Kind, float] = {"status": 0.12, "slow": 0.03, "cut": 0.05, "lost_answer": 0.10}
WRITING = (
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "HeadObject",
    "AbortMultipartUpload",
)
FOREIGN = b"somebody else's"


@dataclass(slots=True)
class Writes:
    """All uploads to one cloud."""

    cloud: str
    outcomes: Counter[str] = field(default_factory=Counter)
    half: int = 0
    lost: int = 0
    """Said to be there, and not."""
    overwritten: int = 0
    left_behind: int = 0
    after_sweep: int = 0
    requests: int = 0
    faulty: int = 0
    lost_answers: int = 0
    bytes_written: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One upload: `foreign` keys are taken before."""

    key: ObjectKey
    head: int
    media: int
    create_only: bool
    foreign: bool


def plan_writes(seed: int, count: int, piece_bytes: int) -> list[Plan]:
    dice = random.Random(f"{seed}|writes")
    plans = []
    for number in range(count):
        in_parts = dice.random() < 0.35
        media = dice.randrange(piece_bytes, 3 * piece_bytes) if in_parts else dice.choice((0, 1, 5_000, 100_000))
        create_only = dice.random() < 0.7
        plans.append(
            Plan(
                key=output_key(f"media/{number:04d}.mp4"),
                head=dice.randrange(1, 5_000),
                media=media,
                create_only=create_only,
                foreign=create_only and dice.random() < 0.15,
            )
        )
    return plans


def content(seed: int, plan: Plan) -> bytes:
    return random.Random(f"{seed}|{plan.key}").randbytes(plan.head + plan.media)


def break_writes(clouds: Clouds, seed: int) -> None:
    clouds.faults = FaultPlan(seed=seed, rate=dict.fromkeys(WRITING, WRITE_FAULTS), most_in_a_row=4)


def held(clouds: Clouds, cloud: CloudName, bucket: str) -> dict[str, bytes]:
    return {key: clouds.get(cloud, bucket, key) for key in clouds.keys(cloud, bucket)}


def open_uploads(clouds: Clouds, cloud: CloudName, bucket: str) -> int:
    return len(clouds.uploads(cloud, bucket))


def asked(clouds: Clouds) -> tuple[int, int, int]:
    seen = clouds.journal.seen()
    clouds.journal.clear()
    lost = sum("lost_answer" in one.faults for one in seen)
    return len(seen), sum(bool(one.faults) for one in seen), lost


def lay_foreign(clouds: Clouds, cloud: CloudName, bucket: str, keys: list[str]) -> None:
    for key in keys:
        clouds.put(cloud, bucket, key, FOREIGN)


def prove_writes(remote: RemoteClouds, cloud: CloudName, *, seed: int, count: int) -> Writes:
    url = new_bucket(remote, cloud)
    bucket = url.partition("://")[2].partition("/")[0]
    store = open_store(url, environment=ENVIRONMENT)
    plans = plan_writes(seed, count, store.capabilities.min_part_bytes)
    remote.do(lay_foreign, cloud, bucket, [plan.key for plan in plans if plan.foreign])
    remote.do(asked)
    remote.do(break_writes, seed)
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda plan: _write(store, plan, content(seed, plan)), plans))
    writes = Writes(cloud, outcomes=Counter(outcomes))
    writes.requests, writes.faulty, writes.lost_answers = remote.do(asked)
    objects = remote.do(held, cloud, bucket)
    for plan, outcome in zip(plans, outcomes, strict=True):
        _judge(writes, plan, outcome, objects.get(plan.key), content(seed, plan))
    _sweep(remote, store, writes, cloud, bucket)
    return writes


def _write(store: ObjectStore, plan: Plan, data: bytes) -> str:
    retry = quick()
    piece = store.capabilities.min_part_bytes
    try:
        with StreamingUpload(store, plan.key, piece_bytes=piece, retry=retry) as upload:
            for start in range(plan.head, len(data), 700_000):
                upload.write(data[start : start + 700_000])
            try:
                uploaded = upload.complete(data[: plan.head], create_only=plan.create_only)
            except AlreadyExists:
                return "AlreadyExists" if upload.equal_standing() is None else "recognised"
        verify_upload(store, uploaded, retry=retry)
    except StorageError as error:
        return type(error).__name__
    return f"published, {uploaded.proof}"


def _judge(writes: Writes, plan: Plan, outcome: str, found: bytes | None, wanted: bytes) -> None:
    said = outcome.startswith(("published", "recognised"))
    if plan.foreign:
        writes.overwritten += found != FOREIGN or said
        return
    writes.half += found is not None and found != wanted
    writes.lost += said and found != wanted
    writes.bytes_written += len(wanted) if said else 0


def _sweep(remote: RemoteClouds, store: ObjectStore, writes: Writes, cloud: CloudName, bucket: str) -> None:
    """What a lost answer to the beginning of an upload leaves behind: nobody has its id but the store."""
    remote.do(mend)
    writes.left_behind = remote.do(open_uploads, cloud, bucket)
    for upload in list(store.list_uploads()):
        store.abort_upload(upload.key, upload.upload_id)
    writes.after_sweep = remote.do(open_uploads, cloud, bucket)
    remote.do(asked)
