import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import pytest
from awscrt import checksums
from fastcrc import crc32

from storage.base import ObjectMeta
from storage.checksums import HASHERS, Checksums, Crc64, Proof
from storage.errors import Changed, Corrupt, Denied, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.reading import READ_BYTES, ReadProof, VerifiedReader
from tests.storage.fakes import Break, FakeTime, FaultyStore, without_checksums

KEY = output_key("room/one.ts")
DATA = random.Random(7).randbytes(2 * READ_BYTES + 12_345)
HICCUP = Transient("open", KEY, "503 SlowDown")


def crc_of(data: bytes) -> str:
    crc = Crc64()
    crc.update(data)
    return crc.hexdigest()


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore()
    store.inner.put(KEY, DATA)
    return store


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def reader(store: FaultyStore, time: FakeTime) -> VerifiedReader:
    return VerifiedReader(store, retry=time.retry())


def read_whole(reader: VerifiedReader, meta: ObjectMeta) -> tuple[bytes, ReadProof]:
    data, proof = reader.read(meta)
    return bytes(data), proof


def read_stream(reader: VerifiedReader, meta: ObjectMeta) -> tuple[bytes, ReadProof]:
    stream = reader.stream(meta, piece_bytes=400_000)
    return b"".join(stream), stream.proof


Read = Callable[[VerifiedReader, ObjectMeta], tuple[bytes, ReadProof]]
both_ways = pytest.mark.parametrize("read", [read_whole, read_stream])


@both_ways
class TestBothWays:
    def test_proof_of_a_clean_read(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        (meta,) = store.list()
        data, proof = read(reader, meta)
        assert data == DATA
        assert proof == ReadProof(size_bytes=len(DATA), crc64xz=crc_of(DATA), etag=meta.etag, proof=Proof.CRC64XZ)
        assert (store.opened, store.closed) == ([(0, meta.etag)], 1)

    @pytest.mark.parametrize(
        "broken",
        [Break(how, at) for how in ("cut", "end") for at in (0, 1, 700_000, READ_BYTES, len(DATA) - 1)],
        ids=str,
    )
    def test_a_broken_body_goes_on_from_its_byte_under_the_same_etag(
        self, store: FaultyStore, reader: VerifiedReader, read: Read, broken: Break
    ) -> None:
        store.bodies.append(broken)
        (meta,) = store.list()
        assert read(reader, meta)[0] == DATA
        assert store.opened == [(0, meta.etag), (broken.at, meta.etag)]
        assert store.closed == 2

    def test_failures_without_progress_end(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        store.bodies.extend(Break("cut", 1000) for _ in range(50))
        with pytest.raises(Transient, match="was cut"):
            read(reader, store.head(KEY))
        assert len(store.opened) == 6

    def test_many_breaks_with_progress_in_between(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        store.bodies.extend(Break("cut", 100_000) for _ in range(15))
        assert read(reader, store.head(KEY))[0] == DATA
        assert len(store.opened) == 16

    def test_errors_on_opening_are_tried_again(
        self, store: FaultyStore, reader: VerifiedReader, time: FakeTime, read: Read
    ) -> None:
        store.before["open"].extend([HICCUP, HICCUP, HICCUP])
        assert read(reader, store.head(KEY))[0] == DATA
        assert time.waits_s == [0.25, 0.5, 1.0]

    def test_a_store_that_stays_down_is_transient(
        self, store: FaultyStore, reader: VerifiedReader, time: FakeTime, read: Read
    ) -> None:
        store.before["open"].extend([HICCUP] * 20)
        with pytest.raises(Transient, match="503 SlowDown"):
            read(reader, store.head(KEY))
        assert time.waits_s == [0.25, 0.5, 1.0, 2.0, 4.0]

    def test_a_body_that_always_ends_early_is_corrupt(
        self, store: FaultyStore, reader: VerifiedReader, read: Read
    ) -> None:
        store.bodies.append(Break("end", 1000))
        store.bodies.extend(Break("end", 0) for _ in range(20))
        with pytest.raises(Corrupt, match="ended after 1000 of") as caught:
            read(reader, store.head(KEY))
        assert caught.value.failed is Proof.LENGTH

    @pytest.mark.parametrize("error", [NotFound, Denied])
    def test_other_errors_are_not_tried_again(
        self, store: FaultyStore, reader: VerifiedReader, time: FakeTime, read: Read, error: type[StorageError]
    ) -> None:
        store.before["open"].append(error("open", KEY, "so it is"))
        with pytest.raises(error):
            read(reader, store.head(KEY))
        assert (len(store.opened), time.waits_s) == (1, [])

    def test_replaced_since_it_was_listed(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        meta = store.head(KEY)
        store.inner.put(KEY, DATA)
        with pytest.raises(Changed):
            read(reader, meta)

    def test_replaced_between_two_connections(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        store.bodies.append(Break("cut", 700_000))
        store.on_open = lambda count: None if count == 1 else void(store.inner.put(KEY, DATA[::-1]))
        with pytest.raises(Changed):
            read(reader, store.head(KEY))
        assert store.closed == 1

    def test_without_a_checksum_the_length_is_the_proof(
        self, store: FaultyStore, reader: VerifiedReader, read: Read
    ) -> None:
        store.seen = without_checksums
        _, proof = read(reader, store.head(KEY))
        assert (proof.proof, proof.crc64xz) == (Proof.LENGTH, crc_of(DATA))

    @pytest.mark.parametrize(
        ("offered", "proof"),
        [
            (Checksums(md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest()), Proof.MD5),
            (Checksums(crc32c=f"{crc32.iscsi(DATA):08x}", md5="0" * 32), Proof.CRC32C),
            (Checksums(crc64xz=crc_of(DATA), crc32c="0" * 8), Proof.CRC64XZ),
            (Checksums(crc32=f"{crc32.iso_hdlc(DATA):08x}", md5="0" * 32), Proof.CRC32),
            (Checksums(crc64nvme=f"{checksums.crc64nvme(DATA):016x}", crc32="0" * 8), Proof.CRC64NVME),
            (Checksums(), Proof.LENGTH),
        ],
    )
    def test_the_strongest_checksum_that_can_be_computed(
        self, store: FaultyStore, reader: VerifiedReader, read: Read, offered: Checksums, proof: Proof
    ) -> None:
        store.seen = lambda meta: replace(meta, checksums=offered)
        assert read(reader, store.head(KEY))[1].proof is proof

    @pytest.mark.parametrize("failed", list(HASHERS))
    def test_a_checksum_that_never_holds_is_corrupt(
        self, store: FaultyStore, reader: VerifiedReader, read: Read, failed: Proof
    ) -> None:
        store.seen = lambda meta: replace(meta, checksums=Checksums(**{failed.value: "0" * 16}))
        with pytest.raises(Corrupt, match=f"{failed} of the bytes") as caught:
            read(reader, store.head(KEY))
        assert caught.value.failed is failed

    @pytest.mark.parametrize("listed", [len(DATA) - 1, len(DATA) + 1])
    def test_a_listing_that_lies_about_the_size(
        self, store: FaultyStore, reader: VerifiedReader, read: Read, listed: int
    ) -> None:
        with pytest.raises(Corrupt) as caught:
            read(reader, replace(store.head(KEY), size_bytes=listed))
        assert caught.value.failed is Proof.LENGTH

    def test_an_empty_object_is_opened_and_proved(self, store: FaultyStore, reader: VerifiedReader, read: Read) -> None:
        meta = store.inner.put(KEY, b"")
        store.before["open"].append(HICCUP)
        data, proof = read(reader, meta)
        assert (data, proof.size_bytes, proof.proof) == (b"", 0, Proof.CRC64XZ)
        store.delete(KEY)
        with pytest.raises(NotFound):
            read(reader, meta)


@pytest.mark.parametrize("how", ["cut", "end"])
def test_a_range_goes_on_from_its_byte_and_asks_for_nothing_beyond(
    store: FaultyStore, reader: VerifiedReader, how: Literal["cut", "end"]
) -> None:
    store.bodies.append(Break(how, 70_000))
    meta = store.head(KEY)
    data, proof = reader.read_range(meta, 1_000, 900_000)
    wanted = DATA[1_000:900_000]
    assert data == wanted
    assert proof == ReadProof(size_bytes=len(wanted), crc64xz=crc_of(wanted), etag=meta.etag, proof=Proof.LENGTH)
    assert store.opened == [(1_000, meta.etag), (71_000, meta.etag)]
    assert store.ends == [900_000, 900_000]


def test_more_bytes_than_the_store_promised(store: FaultyStore, reader: VerifiedReader) -> None:
    store.seen = lambda meta: replace(meta, size_bytes=1000, checksums=Checksums())
    with pytest.raises(Corrupt, match="more than the 1000 bytes") as caught:
        reader.read(store.head(KEY))
    assert caught.value.failed is Proof.LENGTH


def test_a_bit_flipped_on_the_way_is_read_again(store: FaultyStore, reader: VerifiedReader) -> None:
    store.bodies.append(Break("flip", 5000))
    data, proof = reader.read(store.head(KEY))
    assert (bytes(data) == DATA, proof.crc64xz, len(store.opened)) == (True, crc_of(DATA), 2)


def test_a_bit_flipped_twice_is_corrupt(store: FaultyStore, reader: VerifiedReader) -> None:
    store.bodies.extend([Break("flip", 5000), Break("flip", 5000)])
    with pytest.raises(Corrupt):
        reader.read(store.head(KEY))
    assert len(store.opened) == 2


def test_a_stream_is_corrupt_after_its_last_piece(store: FaultyStore, reader: VerifiedReader) -> None:
    store.bodies.append(Break("flip", 5000))
    stream = reader.stream(store.head(KEY))
    taken = bytearray()

    def drain() -> None:
        for piece in stream:
            taken.extend(piece)

    with pytest.raises(Corrupt):
        drain()
    assert len(taken) == len(DATA)
    with pytest.raises(RuntimeError, match="only after its last piece"):
        _ = stream.proof


def test_pieces_have_the_size_asked_for(store: FaultyStore, reader: VerifiedReader) -> None:
    sizes = [len(piece) for piece in reader.stream(store.head(KEY), piece_bytes=1_000_000)]
    assert sizes == [1_000_000, 1_000_000, len(DATA) - 2_000_000]


def test_a_stream_that_is_left_gives_its_connection_back(store: FaultyStore, reader: VerifiedReader) -> None:
    pieces: Iterator[bytes] = iter(reader.stream(store.head(KEY)))
    next(pieces)
    del pieces
    assert store.closed == 1


def test_waits_are_jittered_and_bounded(store: FaultyStore) -> None:
    time = FakeTime()
    store.before["open"].extend([HICCUP] * 50)
    with pytest.raises(Transient):
        VerifiedReader(store, retry=time.retry(attempts=50, patience_s=100, random=0.5)).read(store.head(KEY))
    assert time.waits_s[:4] == [0.1875, 0.375, 0.75, 1.5]
    assert max(time.waits_s) == 15
    assert sum(time.waits_s) <= 100


def test_random_cuts_and_hiccups_never_give_other_bytes(store: FaultyStore) -> None:
    for seed in range(60):
        chance = random.Random(seed)
        reader = VerifiedReader(store, retry=FakeTime().retry(attempts=20))
        store.bodies.clear()
        store.before["open"].clear()
        store.bodies.extend(Break(chance.choice(["cut", "end"]), chance.randrange(900_000)) for _ in range(6))
        store.before["open"].extend([HICCUP] * chance.randrange(3))
        assert reader.read(store.head(KEY))[0] == DATA


def void(_: object) -> None:
    """Nothing, whatever was done."""
