"""Writes to S3, OSS and COS that fail: the object is there wholly or not at all, and ours is told from theirs."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from deployments.sandbox.clouds import Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.faults import Kind
from storage.checksums import Proof
from storage.errors import AlreadyExists, Changed, Corrupt, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.writing import StreamingUpload, verify_upload
from tests.clouds import CLOUDS, ENVIRONMENT
from tests.faults.cloudy import NO_WAIT, Place, random_bytes
from tests.relays import Relay

CASES = 20
KEY = output_key("room/one.ts")
DATA = random_bytes(1, 300_000)


@pytest.mark.parametrize("case", range(CASES))
def test_uploads_are_there_wholly_or_not_at_all(clouds: Clouds, case: int) -> None:
    place = Place.new(clouds, CLOUDS[case % 3])
    piece = place.store.capabilities.min_part_bytes
    size = piece * 2 + case if case % 2 else 50_000
    data = random_bytes(case, size)
    rates: dict[Kind, float] = {"status": 0.15, "cut": 0.05, "lost_answer": 0.15}
    clouds.faults = FaultPlan(seed=case, rate={"": rates}, most_in_a_row=4)
    with StreamingUpload(place.store, KEY, piece_bytes=piece, retry=NO_WAIT) as upload:
        upload.write(data[100:])
        uploaded = upload.complete(data[:100], create_only=True)
    verify_upload(place.store, uploaded, retry=NO_WAIT)
    assert uploaded.size_bytes == size
    assert place.clouds.keys(place.cloud, place.bucket) == [KEY]
    assert place.held(KEY) == data
    asked = place.asked()
    assert len(asked) < 60
    begun = [seen for seen in asked if seen.action == "CreateMultipartUpload"]
    unheard = sum("lost_answer" in seen.faults or "cut" in seen.faults for seen in begun)
    assert len(clouds.uploads(place.cloud, place.bucket)) == unheard


@pytest.mark.parametrize("seed", range(5))
def test_an_upload_that_is_given_up_is_aborted(place: Place, seed: int) -> None:
    piece = place.store.capabilities.min_part_bytes
    with StreamingUpload(place.store, KEY, piece_bytes=piece, retry=NO_WAIT) as upload:
        upload.write(random_bytes(seed, 2 * piece))
        rates: dict[Kind, float] = {"status": 0.5, "cut": 0.1, "lost_answer": 0.3}
        place.clouds.faults = FaultPlan(seed=seed, rate={"AbortMultipartUpload": rates}, most_in_a_row=4)
    assert place.clouds.uploads(place.cloud, place.bucket) == []
    assert place.asked("AbortMultipartUpload") != []


@pytest.mark.parametrize("theirs", [True, False])
def test_a_create_that_lost_against_another_one_is_told_so(clouds: Clouds, *, theirs: bool) -> None:
    """S3 answers 409 to a complete that met another write, and may know the upload no longer after that."""
    place = Place.new(clouds, "s3")
    piece = place.store.capabilities.min_part_bytes
    conflict = Fault("status", status=409, code="ConditionalRequestConflict", operation="CompleteMultipartUpload")
    over = Fault("status", status=404, code="NoSuchUpload", operation="CompleteMultipartUpload", skip=1)
    place.clouds.faults = FaultPlan([conflict, over])
    with StreamingUpload(place.store, KEY, piece_bytes=piece, retry=NO_WAIT) as upload:
        upload.write(random_bytes(4, piece + 1))
        if theirs:
            place.lay(KEY, b"theirs")
        with pytest.raises(AlreadyExists if theirs else NotFound):
            upload.complete(b"head", create_only=True)
    assert place.clouds.keys("s3", place.bucket) == ([KEY] if theirs else [])
    assert place.clouds.uploads("s3", place.bucket) == []


@pytest.mark.parametrize("operation", ["PutObject", "CompleteMultipartUpload"])
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_create_whose_answer_was_lost(place: Place, operation: str, whose: str) -> None:
    piece = place.store.capabilities.min_part_bytes
    media = random_bytes(3, 100 if operation == "PutObject" else piece + 1000)
    if whose == "theirs":
        place.lay(KEY, b"theirs")
    place.clouds.faults = FaultPlan([Fault("lost_answer", operation=operation)])
    with StreamingUpload(place.store, KEY, piece_bytes=piece, retry=NO_WAIT) as upload:
        upload.write(media)
        if whose == "ours":
            assert upload.complete(b"head", create_only=True).size_bytes == 4 + len(media)
        else:
            with pytest.raises(AlreadyExists):
                upload.complete(b"head", create_only=True)
    assert place.held(KEY) == (b"theirs" if whose == "theirs" else b"head" + media)
    assert len(place.asked(operation)) == 2


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_an_error_in_an_answer_of_200_is_no_success(place: Place, code: str) -> None:
    upload = place.store.start_multipart(KEY)
    upload.put_part(1, DATA)
    broken = Fault("status", status=200, code=code, operation="CompleteMultipartUpload")
    place.clouds.faults = FaultPlan([broken])
    with pytest.raises(Transient):
        upload.complete()
    assert place.clouds.keys(place.cloud, place.bucket) == []
    assert upload.complete().size_bytes == len(DATA)
    assert place.held(KEY) == DATA


def test_an_upload_whose_join_is_never_understood_is_aborted(place: Place) -> None:
    piece = place.store.capabilities.min_part_bytes
    broken = Fault("status", status=200, code="InternalError", operation="CompleteMultipartUpload", times=0)
    place.clouds.faults = FaultPlan([broken])
    with StreamingUpload(place.store, KEY, piece_bytes=piece, retry=NO_WAIT) as upload:
        upload.write(random_bytes(4, piece + 1))
        with pytest.raises(Transient):
            upload.complete(b"head")
    assert list(place.store.list_uploads()) == []
    assert place.clouds.keys(place.cloud, place.bucket) == []


@pytest.mark.parametrize("call", ["put", "copy", "list", "head", "open", "start_multipart", "list_uploads"])
def test_no_call_takes_an_error_in_an_answer_of_200_for_a_success(place: Place, call: str) -> None:
    place.lay(KEY, DATA)
    broken = Fault("status", status=200, code="InternalError", times=0)
    head = Fault("slow", operation="HeadObject") if call == "copy" else broken
    place.clouds.faults = FaultPlan([replace(broken, operation="CopyObject"), head] if call == "copy" else [broken])
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: place.store.put(output_key("new"), b"abc"),
        "copy": lambda: place.store.copy(KEY, output_key("new")),
        "list": lambda: list(place.store.list()),
        "head": lambda: place.store.head(KEY),
        "open": lambda: place.store.open(KEY),
        "start_multipart": lambda: place.store.start_multipart(KEY),
        "list_uploads": lambda: list(place.store.list_uploads()),
    }
    with pytest.raises(Transient):
        calls[call]()


@pytest.mark.parametrize("call", ["list", "list_uploads", "start_multipart", "copy", "complete"])
def test_an_answer_with_a_flipped_bit_is_understood_or_transient(place: Place, call: str) -> None:
    """Nothing but our own errors comes out, at whichever byte; TLS sees to it that no wrong value does."""
    place.store.put(KEY, b"abc")
    for at in range(0, 700, 9):
        upload = place.store.start_multipart(KEY)
        upload.put_part(1, b"abc")
        calls: dict[str, Callable[[], object]] = {
            "list": lambda: list(place.store.list()),
            "list_uploads": lambda: list(place.store.list_uploads()),
            "start_multipart": lambda: place.store.start_multipart(KEY),
            "copy": lambda: place.store.copy(KEY, output_key("copy")),
            "complete": upload.complete,
        }
        place.clouds.faults = FaultPlan([Fault("flip", at_byte=at)])
        with suppress(StorageError):
            calls[call]()
        place.clouds.faults = FaultPlan()
        upload.abort()


def test_a_bit_that_flips_on_the_way_in_is_noticed(place: Place) -> None:
    """S3 refuses it and gets the same bytes again; OSS and COS answer with the CRC of what they took."""
    once = [b"marked bytes"]

    def alter(data: bytes) -> bytes:
        if once and once[0] in data:
            return data.replace(once.pop(), b"narked bytes")
        return data

    with Relay(place.clouds.port, alter=alter) as relay:
        store = place.opened_with({**ENVIRONMENT, "AFTERTAKE_PROXY": relay.url})
        with StreamingUpload(store, KEY, retry=NO_WAIT) as upload:
            upload.write(b"some marked bytes")
            if place.cloud == "s3":
                assert upload.complete(b"head").proof is Proof.CRC64NVME
                assert place.held(KEY) == b"headsome marked bytes"
            else:
                with pytest.raises(Corrupt) as caught:
                    upload.complete(b"head")
                assert caught.value.failed is Proof.CRC64XZ
    assert not once


def test_a_copy_of_what_changed_meanwhile(place: Place) -> None:
    place.lay(KEY, DATA)
    place.clouds.faults = FaultPlan([Fault("replace", operation="HeadObject", body=b"new")])
    with pytest.raises(Changed):
        place.store.copy(KEY, output_key("copy"))
