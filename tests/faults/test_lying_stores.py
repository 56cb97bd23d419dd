"""Stores that answer something else than was asked for: never a mixed or shifted object, never an endless loop."""

import pytest

from deployments.sandbox.clouds import BucketRules, Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from storage.errors import BadRange, Changed, Corrupt, StorageError, Transient
from storage.keys import output_key
from storage.listing import listed
from storage.reading import PROGRESS_BYTES
from tests.clouds import CLOUDS
from tests.faults.cloudy import NO_WAIT, Place, random_bytes

KEY = output_key("room/one.ts")
DATA = random_bytes(1, 300_000)
CUT_AT = 2 * PROGRESS_BYTES
NOT_THESE_BYTES = (Changed, Corrupt, Transient, BadRange)
MOST_REQUESTS = 4 * NO_WAIT.attempts
ENDLESS = 100
"""So many times that nobody who is bounded meets the last; a test that fails still ends."""
PROOFS: list[tuple[CloudName, str]] = [*((cloud, "crc64nvme") for cloud in CLOUDS), ("s3", "none")]


def with_proofs(clouds: Clouds, cloud: CloudName, proofs: str) -> Place:
    """A bucket; one without checksums of its own has MD5 at most."""
    if proofs == "none":
        return Place.new(clouds, cloud, BucketRules(checksums="none", kms_key="k"), options="&checksums=none")
    return Place.new(clouds, cloud)


@pytest.mark.parametrize(("cloud", "proofs"), PROOFS)
@pytest.mark.parametrize("other", [DATA[::-1], DATA[:-1] + b"x", DATA + b"more"])
def test_two_versions_are_never_mixed_by_a_store_that_ignores_conditions(
    clouds: Clouds, cloud: CloudName, proofs: str, other: bytes
) -> None:
    """The first answer is cut off, and the rest is asked for of a store that has another version by then."""
    place = with_proofs(clouds, cloud, proofs)
    place.store.put(KEY, DATA)
    meta = place.store.head(KEY)
    place.clouds.faults = FaultPlan(
        [
            Fault("cut", operation="GetObject", after_bytes=CUT_AT, reset=False),
            Fault("replace", operation="GetObject", body=other),
            Fault("ignores_condition", operation="GetObject", times=0),
        ]
    )
    try:
        data, _ = place.reader.read(meta)
    except (Changed, Corrupt):
        pass
    else:
        assert data == DATA
    assert len(place.asked("GetObject")) <= MOST_REQUESTS


@pytest.mark.parametrize(("cloud", "proofs"), PROOFS)
def test_another_version_is_never_taken_for_the_listed_one(clouds: Clouds, cloud: CloudName, proofs: str) -> None:
    place = with_proofs(clouds, cloud, proofs)
    place.store.put(KEY, DATA)
    (meta,) = place.store.list()
    place.store.put(KEY, DATA[::-1])
    place.clouds.faults = FaultPlan([Fault("ignores_condition", operation="GetObject", times=0)])
    with pytest.raises((Changed, Corrupt)):
        place.reader.read(meta)
    with pytest.raises((Changed, Corrupt)):
        place.reader.read_range(meta, 1_000, 2_000)


@pytest.mark.parametrize("begin", [0, 1, 100_000])
def test_a_range_that_was_shifted_is_never_accepted(place: Place, begin: int) -> None:
    """Content-Range says which it is; no checksum of a part would."""
    place.lay(KEY, DATA)
    meta = place.store.head(KEY)
    place.clouds.faults = FaultPlan([Fault("shifts_range", operation="GetObject", times=0)])
    with pytest.raises(StorageError):
        place.reader.read_range(meta, begin, begin + 1_000)
    assert len(place.asked("GetObject")) <= MOST_REQUESTS


def test_a_range_that_was_shifted_once_is_read_again(place: Place) -> None:
    place.lay(KEY, DATA)
    meta = place.store.head(KEY)
    place.clouds.faults = FaultPlan([Fault("shifts_range", operation="GetObject")])
    try:
        data, _ = place.reader.read_range(meta, 1_000, 2_000)
    except NOT_THESE_BYTES:
        return
    assert data == DATA[1_000:2_000]


@pytest.mark.parametrize(("cloud", "proofs"), PROOFS)
def test_what_goes_on_in_a_shifted_range_is_never_accepted(clouds: Clouds, cloud: CloudName, proofs: str) -> None:
    place = with_proofs(clouds, cloud, proofs)
    place.store.put(KEY, DATA)
    meta = place.store.head(KEY)
    cut = Fault("cut", operation="GetObject", after_bytes=CUT_AT, reset=False)
    place.clouds.faults = FaultPlan([cut, Fault("shifts_range", operation="GetObject", times=0, shift_bytes=7)])
    try:
        data, _ = place.reader.read(meta)
    except StorageError:
        pass
    else:
        assert data == DATA
    assert len(place.asked("GetObject")) <= MOST_REQUESTS


def test_a_shifted_range_that_is_denied_is_found_by_the_checksum_of_the_whole(place: Place) -> None:
    place.lay(KEY, DATA)
    meta = place.store.head(KEY)
    cut = Fault("cut", operation="GetObject", after_bytes=CUT_AT, reset=False)
    lie = Fault("shifts_range", operation="GetObject", times=0, shift_bytes=7, truthful=False)
    place.clouds.faults = FaultPlan([cut, lie])
    try:
        data, _ = place.reader.read(meta)
    except StorageError:
        pass
    else:
        assert data == DATA


def first_ones(place: Place, prefix: str = "", most: int = 50) -> list[str]:
    """What a listing gives, up to more than there is: a loop without an end is seen, and does not hang the test."""
    found = []
    for meta in listed(place.store, prefix, retry=NO_WAIT):
        found.append(meta.key)
        assert len(found) < most, "the listing has no end"
        assert len(place.asked()) <= MOST_REQUESTS
    return found


def test_a_page_that_is_repeated_for_ever_is_transient(place: Place) -> None:
    for number in range(5):
        place.lay(f"room/{number}.ts", b"")
    place.clouds.faults = FaultPlan([Fault("repeats_page", times=ENDLESS)])
    with pytest.raises(Transient):
        first_ones(place, "room/")
    assert len(place.asked()) <= MOST_REQUESTS


def test_a_page_that_is_repeated_once_gives_no_key_twice(place: Place) -> None:
    keys = [f"room/{number}.ts" for number in range(5)]
    for key in keys:
        place.lay(key, b"")
    place.clouds.faults = FaultPlan([Fault("repeats_page", times=2)])
    try:
        found = first_ones(place, "room/")
    except Transient:
        return
    assert found == keys


@pytest.mark.parametrize(
    ("shows", "size_bytes"), [("hall/one.ts", 5), ("roon", 5), ("room/a.ts", 5), ("room/z.ts", -5), ("room/z.ts", -1)]
)
def test_what_a_listing_cannot_show_is_transient(place: Place, shows: str, size_bytes: int) -> None:
    """A key outside of the prefix, one out of order, and a size that none can be."""
    place.lay("room/b.ts", b"data")
    fault = Fault("foreign_key", shows=shows, shows_bytes=size_bytes, times=ENDLESS)
    place.clouds.faults = FaultPlan([fault])
    with pytest.raises(Transient):
        first_ones(place, "room/")
    assert len(place.asked()) <= MOST_REQUESTS


def test_what_a_listing_showed_wrong_once_is_listed_again(place: Place) -> None:
    place.lay("room/b.ts", b"data")
    place.clouds.faults = FaultPlan([Fault("foreign_key", shows="hall/one.ts")])
    assert first_ones(place, "room/") == ["room/b.ts"]


@pytest.mark.parametrize("status", [403, 404, 503])
@pytest.mark.parametrize("error_bytes", [65_000, 65_536, 66_000, 70_000, 300_000])
def test_a_request_after_a_long_refusal_works_at_once(place: Place, status: int, error_bytes: int) -> None:
    """What is left unread of a refusal must not be taken for the next answer."""
    place.lay(KEY, DATA)
    meta = place.store.head(KEY)
    long = Fault("status", status=status, code="SlowDown", operation="GetObject", error_bytes=error_bytes)
    place.clouds.faults = FaultPlan([long])
    with pytest.raises(StorageError):
        place.store.open(KEY)
    for _ in range(3):
        with place.store.open(KEY, etag=meta.etag) as body:
            assert body.read(100) == DATA[:100]
    assert len(place.asked("GetObject")) == 4
