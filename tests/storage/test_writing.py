import hashlib
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.base import Capabilities, ObjectMeta
from storage.checksums import Checksums, Crc64, Proof, crc64_text, crc64nvme
from storage.errors import AlreadyExists, Changed, Corrupt, Denied, NotFound, StorageError, Transient, Unsupported
from storage.keys import output_key
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.retry import Retry
from storage.writing import PIECE_BYTES, StreamingUpload, Uploaded, verify_upload
from tests.storage.fakes import FakeTime, FaultyStore, without_checksums

KEY = output_key("media/one.mp4")
PIECE = 1000
HEAD = b"head" * 20
HICCUP = Transient("put_part", KEY, "503 SlowDown")


def media(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def upload_to(store: FaultyStore, *, workers: int = 2, piece_bytes: int = PIECE) -> StreamingUpload:
    return StreamingUpload(store, KEY, piece_bytes=piece_bytes, workers=workers, retry=FakeTime().retry())


def upload(store: FaultyStore, data: bytes, head: bytes = HEAD) -> Uploaded:
    with upload_to(store) as target:
        target.write(data)
        return target.complete(head)


def content(store: FaultyStore) -> bytes:
    with store.inner.open(KEY) as opened:
        return opened.read(1 << 30)


def crc_of(data: bytes) -> str:
    crc = Crc64()
    crc.update(data)
    return crc.hexdigest()


def parts_sha256(head: bytes, data: bytes) -> str:
    """As the manifest defines it, said once more."""
    pieces = [head] + [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    return hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).hexdigest()


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore()


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 1999, 2000, 2001, 10_000, 12_345])
@pytest.mark.parametrize("head", [b"", HEAD, b"h" * 5000])
def test_whatever_the_size(store: FaultyStore, size: int, head: bytes) -> None:
    data = media(size)
    uploaded = upload(store, data, head)
    assert content(store) == head + data
    assert uploaded == Uploaded(
        key=KEY,
        size_bytes=len(head) + size,
        crc64xz=crc_of(head + data),
        crc64nvme=crc64_text(crc64nvme(head + data)),
        parts_sha256=parts_sha256(head, data),
        etag=store.head(KEY).etag,
        proof=Proof.CRC64XZ,
    )
    assert list(store.list_uploads()) == []
    assert bool(store.parts) is (size > PIECE)


def test_the_sizes_of_writes_do_not_matter(store: FaultyStore) -> None:
    data, chance, position = media(9_500), random.Random(3), 0
    with upload_to(store) as target:
        while position < len(data):
            count = chance.choice([0, 1, 7, 500, 1000, 3333])
            target.write(memoryview(bytearray(data[position : position + count])))
            position += count
        uploaded = target.complete(HEAD)
    assert content(store) == HEAD + data
    assert uploaded.parts_sha256 == parts_sha256(HEAD, data)


def test_the_head_goes_up_last_with_the_first_piece(store: FaultyStore) -> None:
    with upload_to(store, workers=1) as target:
        target.write(media(4_200))
        target.complete(HEAD)
    assert store.parts == [(2, PIECE), (3, PIECE), (4, PIECE), (5, 200), (1, PIECE + len(HEAD))]


def test_parts_go_up_while_media_is_written(store: FaultyStore) -> None:
    begun = threading.Event()
    store.on_part = lambda _: begun.set()
    with upload_to(store) as target:
        target.write(media(2 * PIECE))
        assert begun.wait(5)


def test_a_writer_that_is_faster_than_the_store_waits(store: FaultyStore) -> None:
    """At most as many parts as workers are on their way, so memory does not grow with the object."""
    gate, written = threading.Semaphore(0), []
    store.on_part = lambda _: void(gate.acquire(timeout=10))
    target = upload_to(store)

    def write() -> None:
        for number in range(8):
            target.write(media(PIECE))
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(0.3)
    # the first is held back, two are on their way, the fourth waits for a worker inside write()
    assert (len(written), writer.is_alive()) == (3, True)
    gate.release(8)
    writer.join(10)
    assert len(written) == 8
    target.complete(HEAD)
    assert len(content(store)) == 8 * PIECE + len(HEAD)


def test_memory_is_bounded_by_pieces(store: FaultyStore) -> None:
    piece = 256 * 1024
    store.inner = Discarding()
    data = bytes(piece)
    tracemalloc.start()
    try:
        with upload_to(store, piece_bytes=piece) as target:
            for _ in range(60):
                target.write(data)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the piece held back, one filling (which grows with some slack), one for each worker
    assert peak < 6 * piece


class Discarding(MemoryStore):
    """A store whose parts take no memory."""

    def start_multipart(self, key: object, *, served: object = None) -> "Discarding":  # type: ignore[override]
        del key, served
        return self

    def put_part(self, number: int, data: bytes) -> None:
        """Gone."""

    def abort(self) -> None:
        """Nothing was kept."""


class TestAborting:
    def test_leaving_without_complete(self, store: FaultyStore) -> None:
        with upload_to(store) as target:
            target.write(media(5_000))
        assert (list(store.list_uploads()), list(store.list())) == ([], [])

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_leaving_with_an_error(self, store: FaultyStore, error: type[BaseException]) -> None:
        def fail() -> None:
            with upload_to(store) as target:
                target.write(media(5_000))
                raise error

        with pytest.raises(error):
            fail()
        assert (list(store.list_uploads()), list(store.list())) == ([], [])

    def test_an_error_of_a_worker_surfaces_while_writing(self, store: FaultyStore) -> None:
        store.before["put_part"].append(Denied("put_part", KEY, "no more"))

        def write_much() -> None:
            with upload_to(store) as target:
                for _ in range(100):
                    target.write(media(PIECE))

        with pytest.raises(Denied, match="no more"):
            write_much()
        assert len(store.parts) < 10
        assert list(store.list_uploads()) == []

    def test_an_error_of_a_worker_surfaces_in_complete(self, store: FaultyStore) -> None:
        target = upload_to(store)
        target.write(media(2 * PIECE))
        store.on_part = lambda number: fail_if(number == 1, Denied("put_part", KEY, "no more"))
        with pytest.raises(Denied):
            target.complete(HEAD)
        assert (list(store.list_uploads()), list(store.list())) == ([], [])

    def test_an_upload_is_over_after_an_error(self, store: FaultyStore) -> None:
        store.before["start_multipart"].append(Denied("start_multipart", KEY, "no"))
        target = upload_to(store)
        with pytest.raises(Denied):
            target.write(media(5_000))
        calls: list[Callable[[], object]] = [lambda: target.write(b"more"), lambda: target.complete(HEAD)]
        for call in calls:
            with pytest.raises(StorageError, match="is over"):
                call()

    def test_abort_that_fails_does_not_hide_the_error(
        self, store: FaultyStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.before["complete"].append(Denied("complete", KEY, "the real reason"))
        store.before["abort"].extend([HICCUP] * 10)
        with pytest.raises(Denied, match="the real reason"):
            upload(store, media(5_000))
        assert "left behind" in caplog.text

    def test_abort_is_tried_again_for_seconds(self, store: FaultyStore) -> None:
        time = FakeTime()
        store.before["abort"].extend([HICCUP] * 4)
        with StreamingUpload(store, KEY, piece_bytes=PIECE, retry=time.retry(attempts=16)) as target:
            target.write(media(5_000))
        assert list(store.list_uploads()) == []
        store.before["abort"].extend([HICCUP] * 100)
        begun = time.now_s
        with StreamingUpload(store, KEY, piece_bytes=PIECE, retry=time.retry(attempts=16)) as target:
            target.write(media(5_000))
        assert time.now_s - begun <= 5

    def test_an_interrupt_ends_the_tries(self, store: FaultyStore) -> None:
        store.before["abort"].extend([HICCUP, KeyboardInterrupt()])  # type: ignore[list-item]
        target = upload_to(store)
        target.write(media(5_000))
        with pytest.raises(KeyboardInterrupt):
            target.abort()

    def test_nothing_after_complete(self, store: FaultyStore) -> None:
        target = upload_to(store)
        target.write(media(5_000))
        target.complete(HEAD)
        target.abort()
        with pytest.raises(StorageError, match="is over"):
            target.write(b"late")
        assert len(content(store)) == 5_000 + len(HEAD)


class TestTryingAgain:
    @pytest.mark.parametrize("method", ["start_multipart", "put_part", "complete"])
    def test_hiccups_of_an_upload_in_parts(self, store: FaultyStore, method: str) -> None:
        store.before[method].extend([HICCUP, HICCUP])
        upload(store, media(5_000))
        assert content(store) == HEAD + media(5_000)

    def test_hiccups_of_a_put(self, store: FaultyStore) -> None:
        store.before["put"].extend([HICCUP, HICCUP])
        upload(store, media(500))
        assert content(store) == HEAD + media(500)

    def test_a_store_that_stays_down(self, store: FaultyStore) -> None:
        store.before["put_part"].extend([HICCUP] * 20)
        with pytest.raises(Transient):
            upload(store, media(2_000))
        assert list(store.list_uploads()) == []

    @pytest.mark.parametrize("size", [500, 5_000])
    @pytest.mark.parametrize("seen", [lambda meta: meta, without_checksums])
    def test_an_answer_that_got_lost(
        self, store: FaultyStore, size: int, seen: Callable[[ObjectMeta], ObjectMeta]
    ) -> None:
        """The store did it, we did not hear of it; the next try finds the upload over, or the key taken."""
        store.seen = seen
        store.after["put"].append(HICCUP)
        store.after["complete"].append(HICCUP)
        with upload_to(store) as target:
            target.write(media(size))
            uploaded = target.complete(HEAD, create_only=True)
        assert (content(store), uploaded.etag) == (HEAD + media(size), store.head(KEY).etag)

    @pytest.mark.parametrize("theirs", [b"something else", HEAD + media(5_000)[::-1]])
    def test_somebody_elses_object_is_not_taken_for_ours(self, store: FaultyStore, theirs: bytes) -> None:
        store.inner.put(KEY, theirs)
        store.before["complete"].append(HICCUP)
        target = upload_to(store)
        target.write(media(5_000))
        with pytest.raises(AlreadyExists):
            target.complete(HEAD, create_only=True)
        assert content(store) == theirs

    @pytest.mark.parametrize("theirs", [b"something else", None])
    def test_a_create_that_the_store_ended_for_somebody_else_s(self, store: FaultyStore, theirs: bytes | None) -> None:
        """S3 answers 409 to the one that lost, and knows its upload no longer."""
        store.before["complete"].extend([HICCUP, NotFound("complete", KEY, "NoSuchUpload")])
        target = upload_to(store)
        target.write(media(5_000))
        if theirs is not None:
            store.inner.put(KEY, theirs)
        with pytest.raises(AlreadyExists if theirs is not None else NotFound):
            target.complete(HEAD, create_only=True)
        assert target.equal_standing() is None
        assert list(store.list_uploads()) == []

    def test_create_only_without_a_hiccup_is_not_forgiven(self, store: FaultyStore) -> None:
        store.inner.put(KEY, HEAD + media(5_000))
        target = upload_to(store)
        target.write(media(5_000))
        with pytest.raises(AlreadyExists):
            target.complete(HEAD, create_only=True)
        assert list(store.list_uploads()) == []


class TestAnswers:
    @pytest.mark.parametrize("size", [500, 5_000])
    @pytest.mark.parametrize(
        ("lie", "failed"),
        [({"size_bytes": 17}, Proof.LENGTH), ({"checksums": Checksums(crc64xz="0" * 16)}, Proof.CRC64XZ)],
    )
    def test_a_store_that_has_something_else(
        self, store: FaultyStore, size: int, lie: dict[str, object], failed: Proof
    ) -> None:
        store.seen = lambda meta: replace(meta, **lie)  # type: ignore[arg-type]
        with pytest.raises(Corrupt) as caught:
            upload(store, media(size))
        assert caught.value.failed is failed

    def test_verify_by_the_stores_checksum_reads_nothing(self, store: FaultyStore) -> None:
        verify_upload(store, upload(store, media(5_000)))
        assert store.opened == []

    def test_verify_by_reading_back(self, store: FaultyStore) -> None:
        store.seen = without_checksums
        uploaded = upload(store, media(5_000))
        assert uploaded.proof is Proof.LENGTH
        verify_upload(store, uploaded)
        assert len(store.opened) == 1

    def test_verify_finds_other_bytes(self, store: FaultyStore) -> None:
        store.seen = without_checksums
        uploaded = upload(store, media(5_000))
        with pytest.raises(Corrupt) as caught:
            verify_upload(store, replace(uploaded, crc64xz="0" * 16))
        assert caught.value.failed is Proof.CRC64XZ

    def test_verify_finds_another_version_or_none(self, store: FaultyStore) -> None:
        store.seen = without_checksums
        uploaded = upload(store, media(5_000))
        store.inner.put(KEY, HEAD + media(5_000))
        with pytest.raises(Changed):
            verify_upload(store, uploaded)
        store.delete(KEY)
        with pytest.raises(NotFound):
            verify_upload(store, uploaded)


def test_who_aborts_does_not_wait_for_all_tries_of_a_part(store: FaultyStore) -> None:
    """An interrupt of a user ends an upload to a store that is down."""
    store.before["put_part"].extend([HICCUP] * 10_000)
    patient = Retry(attempts=10_000, first_wait_s=0.01, longest_wait_s=0.01)
    target = StreamingUpload(store, KEY, piece_bytes=PIECE, retry=patient)
    target.write(media(2 * PIECE))
    began = time.monotonic()
    target.abort()
    assert time.monotonic() - began < 2
    assert list(store.list_uploads()) == []


class TestLimits:
    def test_late_parts_hold_several_pieces(self) -> None:
        store = FaultyStore(inner=MemoryStore(capabilities=Capabilities(max_parts=6)))
        data = media(13 * PIECE + 7)
        with upload_to(store, workers=1) as target:
            target.write(data)
            uploaded = target.complete(HEAD)
        assert store.parts[:4] == [(2, PIECE), (3, PIECE), (4, 4 * PIECE), (5, 4 * PIECE)]
        assert content(store) == HEAD + data
        assert uploaded.parts_sha256 == parts_sha256(HEAD, data)
        assert uploaded.crc64xz == crc_of(HEAD + data)

    def test_too_large_is_said(self) -> None:
        store = FaultyStore(inner=MemoryStore(capabilities=Capabilities(max_parts=4)))
        target = upload_to(store)
        with pytest.raises(Unsupported, match="more than 4 parts"):
            target.write(media(20 * PIECE))
        assert list(store.list_uploads()) == []

    def test_a_store_that_wants_equal_parts_gets_them(self) -> None:
        store = FaultyStore(inner=MemoryStore(capabilities=Capabilities(max_parts=40, equal_parts=True)))
        upload(store, media(30 * PIECE + 7))
        sizes = [size for number, size in sorted(store.parts)]
        assert (set(sizes[1:-1]), sizes[-1]) == ({PIECE}, 7)
        assert content(store) == HEAD + media(30 * PIECE + 7)

    def test_a_store_whose_parts_we_cannot_make(self) -> None:
        store = FaultyStore(inner=MemoryStore(capabilities=Capabilities(min_part_bytes=PIECE + 1)))
        upload(store, media(PIECE))
        with pytest.raises(Unsupported, match="parts of 1000 bytes"):
            upload(store, media(2 * PIECE))

    def test_a_store_with_a_minimum_is_satisfied(self) -> None:
        store = FaultyStore(inner=MemoryStore(capabilities=Capabilities(min_part_bytes=PIECE)))
        upload(store, media(3 * PIECE + 1), head=b"")
        assert content(store) == media(3 * PIECE + 1)


def test_pieces_are_as_the_manifest_says() -> None:
    assert PIECE_BYTES == 8 * 1024 * 1024


def test_a_folder_takes_uploads_too(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    data = media(30_000)
    with StreamingUpload(store, KEY, piece_bytes=PIECE) as target:
        target.write(data)
        uploaded = target.complete(HEAD)
    assert (tmp_path / KEY).read_bytes() == HEAD + data
    assert uploaded.proof is Proof.LENGTH
    verify_upload(store, uploaded)


def void(_: object) -> None:
    """Nothing, whatever was done."""


def fail_if(condition: bool, error: Exception) -> None:
    if condition:
        raise error
