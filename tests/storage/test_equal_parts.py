"""Any first part and any parts give the same bytes in a store that takes only parts of one size."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.sandbox.clouds import BucketRules, Clouds, Fault, FaultPlan
from storage.base import ObjectStore
from storage.errors import AlreadyExists, Changed, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.opening import open_store
from storage.retry import Retry
from storage.writing import StreamingUpload
from tests.clouds import ENVIRONMENT, new_bucket, running_clouds

KEY = output_key("media/one.mp4")
RULES = BucketRules(equal_parts=True, min_part_bytes=8)

NO_WAIT = Retry(sleep=lambda _: None)


class Bucket:
    """A bucket that refuses parts of unequal sizes, opened by a store that knows."""

    def __init__(self, clouds: Clouds) -> None:
        self.clouds = clouds
        self.url = new_bucket(clouds, "s3", RULES, options="&parts=equal")
        self.name = self.url.partition("://")[2].partition("/")[0]
        self.store: ObjectStore = open_store(self.url, environment=ENVIRONMENT)

    @property
    def keys(self) -> list[str]:
        return self.clouds.keys("s3", self.name)

    @property
    def held(self) -> bytes:
        return self.clouds.get("s3", self.name, KEY)

    @property
    def uploads(self) -> int:
        return len(self.clouds.uploads("s3", self.name))


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.fixture
def bucket(clouds: Clouds) -> Iterator[Bucket]:
    yield Bucket(clouds)
    clouds.faults = FaultPlan()


SIZES = st.tuples(st.none() | st.integers(0, 50), st.integers(8, 20), st.integers(0, 4), st.integers(0, 20))
"""The first part, the unit, how many parts of it follow, and the last part."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIZES, st.integers(0, 3))
def test_the_same_bytes(bucket: Bucket, sizes: tuple[int | None, int, int, int], seed: int) -> None:
    first, unit, count, last = sizes
    dice = random.Random(seed)
    parts = [dice.randbytes(size) for size in [unit] * count + ([min(last, unit)] if last else [])]
    head = None if first is None else dice.randbytes(first)
    bucket.clouds.delete("s3", bucket.name, KEY)
    upload = bucket.store.start_multipart(KEY)
    for number, part in enumerate(parts, 2):
        upload.put_part(number, part)
    if head is not None:
        upload.put_part(1, head)
    if head is None and not parts:
        with pytest.raises(StorageError, match="no part"):
            upload.complete()
        upload.abort()
        assert bucket.keys == []
    else:
        written = upload.complete()
        assert bucket.held == (head or b"") + b"".join(parts)
        assert written.size_bytes == len(bucket.held)
        assert bucket.keys == [KEY]
    assert bucket.uploads == 0


@pytest.mark.parametrize("pieces", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [0, 1, 1_000])
def test_media_that_ends_just_behind_a_piece(bucket: Bucket, pieces: int, more: int) -> None:
    """The last part may be of a few bytes; the others must not become as small."""
    data = MEDIA[: pieces * MEDIA_PIECE + more] if pieces < 3 else MEDIA * 2
    with StreamingUpload(bucket.store, KEY, piece_bytes=MEDIA_PIECE, retry=NO_WAIT) as upload:
        upload.write(data)
        upload.complete(b"head")
    assert bucket.held == b"head" + data
    assert len([seen for seen in bucket.clouds.journal.seen() if seen.bucket == bucket.name]) < 30


def test_the_bucket_does_refuse_unequal_parts(bucket: Bucket) -> None:
    """What all of this is for."""
    plain = open_store(bucket.url.replace("&parts=equal", ""), environment=ENVIRONMENT)
    upload = plain.start_multipart(KEY)
    for number, part in enumerate([b"x" * 30, b"y" * 20, b"z" * 20], 1):
        upload.put_part(number, part)
    with pytest.raises(StorageError):
        upload.complete()
    upload.abort()
    assert (bucket.keys, bucket.uploads) == ([], 0)


def begun(bucket: Bucket) -> StreamingUpload:
    upload = StreamingUpload(bucket.store, KEY, piece_bytes=MEDIA_PIECE, retry=NO_WAIT)
    upload.write(MEDIA)
    return upload


MEDIA_PIECE = 5 << 20
MEDIA = random.Random(5).randbytes(2 * MEDIA_PIECE + 1_000)


@pytest.mark.parametrize("kind", ["lost_answer", "status"])
@pytest.mark.parametrize(
    "operation", ["CompleteMultipartUpload", "UploadPartCopy", "CreateMultipartUpload", "HeadObject"]
)
@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("create_only", [True, False])
def test_an_answer_that_fails_is_made_good(
    bucket: Bucket, kind: str, operation: str, skip: int, *, create_only: bool
) -> None:
    with begun(bucket) as upload:
        bucket.clouds.faults = FaultPlan([Fault(kind, operation=operation, skip=skip)])  # type: ignore[arg-type]
        uploaded = upload.complete(b"head", create_only=create_only)
    assert bucket.held == b"head" + MEDIA
    assert uploaded.size_bytes == len(MEDIA) + 4
    assert bucket.keys == [KEY]


def test_a_key_that_is_taken_stays_and_nothing_is_left_behind(bucket: Bucket) -> None:
    bucket.clouds.put("s3", bucket.name, KEY, b"theirs")
    with begun(bucket) as upload, pytest.raises(AlreadyExists):
        upload.complete(b"head", create_only=True)
    assert (bucket.keys, bucket.held, bucket.uploads) == ([KEY], b"theirs", 0)


def test_abort_leaves_nothing(bucket: Bucket) -> None:
    upload = bucket.store.start_multipart(KEY)
    upload.put_part(2, b"x" * 20)
    upload.abort()
    upload.abort()
    with pytest.raises(NotFound):
        upload.put_part(3, b"late")
    with pytest.raises(NotFound):
        upload.complete()
    assert (bucket.keys, bucket.uploads) == ([], 0)


@pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "UploadPartCopy"])
def test_abort_after_a_join_that_never_succeeds_leaves_nothing(bucket: Bucket, operation: str) -> None:
    with begun(bucket) as upload:
        bucket.clouds.faults = FaultPlan([Fault("status", operation=operation, times=0)])
        with pytest.raises(Transient):
            upload.complete(b"head")
    assert (bucket.keys, bucket.uploads) == ([], 0)


def test_somebody_else_s_parts_are_neither_taken_nor_removed(bucket: Bucket) -> None:
    theirs = Fault("replace", operation="CompleteMultipartUpload", body=b"theirs")
    with begun(bucket) as upload:
        bucket.clouds.faults = FaultPlan([theirs])
        with pytest.raises(Changed):
            upload.complete(b"head")
    assert bucket.keys == [f"{KEY}.parts"]


@pytest.mark.parametrize("parts", [20, 60])
@pytest.mark.parametrize("seed", range(3))
def test_many_parts_under_faults_are_joined_and_leave_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, parts: int, seed: int
) -> None:
    """A join is as many requests as there are parts: each failure costs one of them, not all."""
    monkeypatch.setattr("storage.s3.MIN_PART_BYTES", 1_000)
    media = random.Random(seed).randbytes(parts * 1_000 + 17)
    bucket.clouds.journal.clear()
    bucket.clouds.faults = FaultPlan(seed=seed, rate={"": {"status": 0.3}}, most_in_a_row=4)
    with StreamingUpload(bucket.store, KEY, piece_bytes=1_000, retry=NO_WAIT) as upload:
        upload.write(media)
        upload.complete(b"head", create_only=True)
    assert bucket.held == b"head" + media
    assert (bucket.keys, bucket.uploads) == ([KEY], 0)
    assert len(bucket.clouds.journal.seen()) < 6 * parts


def test_a_failed_join_goes_on_where_it_stopped(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.s3.MIN_PART_BYTES", 1_000)
    with StreamingUpload(bucket.store, KEY, piece_bytes=1_000, retry=NO_WAIT) as upload:
        upload.write(MEDIA[:20_000])
        bucket.clouds.journal.clear()
        bucket.clouds.faults = FaultPlan([Fault("status", operation="UploadPartCopy", skip=skip) for skip in (3, 9)])
        upload.complete(b"head")
    actions = [seen.action for seen in bucket.clouds.journal.seen()]
    assert (actions.count("CreateMultipartUpload"), actions.count("UploadPartCopy")) == (1, 19 + 2)


@pytest.mark.parametrize("times", [2, 0])
def test_a_passing_object_that_cannot_be_removed_is_no_failure(
    bucket: Bucket, caplog: pytest.LogCaptureFixture, times: int
) -> None:
    with begun(bucket) as upload:
        bucket.clouds.faults = FaultPlan([Fault("status", operation="DeleteObject", times=times)])
        upload.complete(b"head")
    assert bucket.held == b"head" + MEDIA
    assert bucket.keys == ([KEY] if times else [KEY, f"{KEY}.parts"])
    assert ("left behind" in caplog.text) is (times == 0)


def test_abort_goes_on_after_an_error_and_can_be_called_again(bucket: Bucket) -> None:
    upload = bucket.store.start_multipart(KEY)
    for number in range(1, 5):
        upload.put_part(number, b"x" * 20)
    bucket.clouds.faults = FaultPlan([Fault("status", operation="UploadPartCopy", times=0)])
    with pytest.raises(Transient):
        upload.complete()
    bucket.clouds.faults = FaultPlan([Fault("status", operation="AbortMultipartUpload")])
    with pytest.raises(Transient):
        upload.abort()
    assert (bucket.keys, bucket.uploads) == ([], 1)
    upload.abort()
    assert (bucket.keys, bucket.uploads) == ([], 0)
