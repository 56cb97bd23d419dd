"""S3, OSS and COS that fail: the right bytes, proved, or an error that says what happened; never anything else."""

import gzip
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployments.sandbox.clouds import Account, BucketRules, Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.clouds.faults import KINDS, Kind
from storage.checksums import Proof
from storage.errors import Archived, Changed, Corrupt, Denied, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.listing import listed
from storage.opening import open_store
from storage.reading import PROGRESS_BYTES, VerifiedReader
from storage.retry import Retry
from tests.clouds import CLOUDS, ENVIRONMENT
from tests.faults.cloudy import NO_WAIT, Place, random_bytes
from tests.relays import Relay

CASES = 20
KEY = output_key("room/one.ts")
DATA = random_bytes(1, 300_000)
SIZES = (0, 1, 777, 65_536, 100_000, 300_000, 1_200_000)


ENDS: dict[Kind, tuple[type[StorageError], ...]] = {
    "status": (),
    "slow": (),
    "cut": (Transient,),
    "short": (),
    "clipped": (),
    "flip": (Corrupt,),
    "replace": (Changed,),
    "stale_list": (),
    "skew": (Denied,),
    "lost_answer": (),
    "ignores_condition": (),
    "shifts_range": (),
    "repeats_page": (),
    "foreign_key": (),
}
LEAST_READ_WELL: dict[Kind, int] = {"cut": 10, "flip": 5, "replace": 5, "skew": 0}
"""Of so many cases; those of all other kinds end well."""
HEALED_BY_A_SECOND_TRY: tuple[Kind, ...] = ("cut", "flip")


def test_every_kind_of_fault_is_tried() -> None:
    assert ENDS.keys() == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_ends_in_the_right_bytes_or_in_an_error_of_the_right_kind(place: Place, kind: Kind) -> None:
    """Never more than two faults strike one request in a row; a single cut or flip is always made good."""
    dice = random.Random(f"{place.cloud}|{kind}")
    read_well = 0
    for case in range(CASES):
        key, size = f"{case}.ts", dice.choice(SIZES)
        data = random_bytes(case, size)
        place.lay(key, data)
        meta = place.store.head(key)
        before = len(place.asked("GetObject"))
        seconds = {"skew": 4 * 3600.0}.get(kind, 0.001)
        times = dice.randrange(1, 3)
        scripted = [Fault(kind, operation="GetObject", key=key, seconds=seconds, times=times)]
        place.clouds.faults = FaultPlan(scripted, seed=case)
        try:
            read, proof = place.reader.read(meta)
        except ENDS[kind]:
            assert times > 1 or kind not in HEALED_BY_A_SECOND_TRY
        else:
            read_well += 1
            assert read == data
            assert (proof.size_bytes, proof.proof) == (size, Proof.CRC64NVME if place.cloud == "s3" else Proof.CRC64XZ)
        place.clouds.faults = FaultPlan()
        assert 1 <= len(place.asked("GetObject")) - before <= 2 * 6
    assert read_well >= LEAST_READ_WELL.get(kind, CASES)


class TestReading:
    def test_a_cut_body_goes_on_at_its_byte_under_the_same_etag(self, place: Place) -> None:
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        cuts = [Fault("cut", operation="GetObject", after_bytes=at) for at in (100_000, 50_000)]
        place.clouds.faults = FaultPlan([cuts[0], replace(cuts[1], skip=1)])
        data, _ = place.reader.read(meta)
        assert data == DATA
        gets = place.asked("GetObject")
        begins = [int(seen.headers.get("range", "bytes=0-")[6:-1]) for seen in gets]
        assert len(begins) == 3
        # a reset may swallow bytes that were on their way: never more than were sent are skipped
        assert 0 == begins[0] <= begins[1] <= 100_000
        assert begins[1] <= begins[2] <= begins[1] + 50_000
        assert {seen.headers["if-match"].strip('"') for seen in gets} == {meta.etag}

    def test_a_body_that_ends_early_in_good_order_goes_on_at_exactly_its_byte(self, place: Place) -> None:
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        place.clouds.faults = FaultPlan([Fault("cut", operation="GetObject", after_bytes=123_456, reset=False)])
        data, _ = place.reader.read(meta)
        assert data == DATA
        assert [seen.headers.get("range") for seen in place.asked("GetObject")] == [None, "bytes=123456-"]

    def test_what_is_replaced_while_it_is_read_is_never_mixed(self, place: Place) -> None:
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        torn = Fault("cut", operation="GetObject", after_bytes=2 * PROGRESS_BYTES)
        place.clouds.faults = FaultPlan([torn, Fault("replace", operation="GetObject", body=DATA[::-1])])
        with pytest.raises(Changed):
            place.reader.read(meta)
        assert [seen.status for seen in place.asked("GetObject")] == [200, 412]
        assert place.reader.read(place.store.head(KEY))[0] == DATA[::-1]

    def test_what_was_replaced_after_the_listing_is_changed_at_once(self, place: Place) -> None:
        place.lay(KEY, DATA)
        (meta,) = place.store.list()
        place.lay(KEY, DATA[::-1])
        with pytest.raises(Changed):
            place.reader.read(meta)
        assert len(place.asked("GetObject")) == 1

    def test_what_was_deleted_after_the_listing_is_not_found_at_once(self, place: Place) -> None:
        place.lay(KEY, DATA)
        (meta,) = place.store.list()
        place.clouds.delete(place.cloud, place.bucket, KEY)
        with pytest.raises(NotFound):
            place.reader.read(meta)
        assert len(place.asked("GetObject")) == 1

    def test_a_bit_that_always_flips_is_corrupt_after_two_requests(self, place: Place) -> None:
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        place.clouds.faults = FaultPlan([Fault("flip", operation="GetObject", at_byte=200_000, times=0)])
        with pytest.raises(Corrupt) as caught:
            place.reader.read(meta)
        assert caught.value.failed is (Proof.CRC64NVME if place.cloud == "s3" else Proof.CRC64XZ)
        assert len(place.asked("GetObject")) == 2

    @pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests")])
    def test_a_store_that_is_down_is_asked_six_times_by_who_has_six(self, place: Place, status: int, code: str) -> None:
        """As NO_WAIT has; the real retry asks more often, and for two minutes."""
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        place.clouds.faults = FaultPlan([Fault("status", status=status, code=code, times=0)])
        with pytest.raises(Transient, match=f"{status} {code}"):
            place.reader.read(meta)
        assert len(place.asked("GetObject")) == 6

    def test_a_stale_listing_hides_and_a_head_finds(self, place: Place) -> None:
        for number in range(5):
            place.lay(f"{number}.ts", DATA[:number])
        place.clouds.faults = FaultPlan([Fault("stale_list", newest=2)])
        assert [meta.key for meta in listed(place.store)] == ["0.ts", "1.ts", "2.ts"]
        assert place.store.head("4.ts").size_bytes == 4
        assert len(list(listed(place.store))) == 5

    def test_an_archived_object_is_refused_once(self, place: Place) -> None:
        place.lay(KEY, DATA)
        place.clouds.archive(place.cloud, place.bucket, KEY)
        with pytest.raises(Archived, match="InvalidObjectState"):
            place.reader.read(place.store.head(KEY))
        assert len(place.asked("GetObject")) == 1

    def test_a_range_that_oss_ignored_is_refused(self, clouds: Clouds) -> None:
        place = Place.new(clouds, "oss")
        place.lay(KEY, DATA)
        hide = b"\r\nRange: ", b"\r\nX-Was: "
        with Relay(clouds.port, alter=lambda data: data.replace(*hide).replace(hide[0].lower(), hide[1])) as relay:
            store = place.opened_with({**ENVIRONMENT, "AFTERTAKE_PROXY": relay.url})
            with pytest.raises(StorageError, match="the range that was asked for was ignored"):
                store.open(KEY, start=1000)
        assert [seen.status for seen in place.asked("GetObject")] == [200]

    def test_compressed_objects_are_read_as_they_are_stored(self, place: Place) -> None:
        packed = gzip.compress(DATA)
        _put_encoded(place, packed)
        data, proof = place.reader.read(place.store.head(KEY))
        assert data == packed
        assert proof.proof is not Proof.LENGTH


def _put_encoded(place: Place, data: bytes) -> None:
    """As somebody else's tool would, with a Content-Encoding."""
    store: object = place.store
    if place.cloud == "oss":
        store.bucket.put_object(KEY, data, headers={"Content-Encoding": "gzip"})  # type: ignore[attr-defined]
    else:
        given = {"Bucket": place.bucket, "Key": KEY, "Body": data, "ContentEncoding": "gzip"}
        store.client.put_object(**given)  # type: ignore[attr-defined]
    assert place.held(KEY) == data


class TestProofs:
    """The proof says by what the bytes were shown to be right, also where there is little."""

    @pytest.mark.parametrize(
        ("cloud", "rules", "parts", "proof"),
        [
            ("s3", BucketRules(), 1, Proof.CRC64NVME),
            ("s3", BucketRules(), 2, Proof.CRC64NVME),
            ("s3", BucketRules(checksums="none"), 1, Proof.MD5),
            ("s3", BucketRules(checksums="none"), 2, Proof.LENGTH),
            ("s3", BucketRules(checksums="none", kms_key="k"), 1, Proof.LENGTH),
            ("oss", BucketRules(), 1, Proof.CRC64XZ),
            ("oss", BucketRules(), 2, Proof.CRC64XZ),
            ("cos", BucketRules(), 1, Proof.CRC64XZ),
            ("cos", BucketRules(), 2, Proof.CRC64XZ),
        ],
    )
    def test_of_what_the_store_keeps(
        self, clouds: Clouds, cloud: CloudName, rules: BucketRules, parts: int, proof: Proof
    ) -> None:
        place = Place.new(clouds, cloud, rules, options="&checksums=none" if rules.checksums == "none" else "")
        data = random_bytes(parts, place.store.capabilities.min_part_bytes * 2)
        if parts == 1:
            place.store.put(KEY, data)
        else:
            upload = place.store.start_multipart(KEY)
            upload.put_part(1, data[: len(data) // 2])
            upload.put_part(2, data[len(data) // 2 :])
            upload.complete()
        read, found = place.reader.read(place.store.head(KEY))
        assert (bytes(read), found.proof) == (data, proof)

    @pytest.mark.parametrize("cloud", ["oss", "cos"])
    def test_of_copies_without_a_checksum(self, clouds: Clouds, cloud: CloudName) -> None:
        place = Place.new(clouds, cloud, BucketRules(copies_lack_crc=True))
        place.store.put(KEY, DATA)
        copy = place.store.copy(KEY, output_key("copy"))
        read, found = place.reader.read(place.store.head(copy.key))
        assert (bytes(read), found.proof) == (DATA, Proof.MD5)

    @pytest.mark.parametrize(("named", "proof"), [("CRC32", Proof.CRC32), ("CRC32C", Proof.CRC32C)])
    def test_of_what_others_put_to_s3(self, clouds: Clouds, named: str, proof: Proof) -> None:
        place = Place.new(clouds, "s3")
        client = place.store.client  # type: ignore[attr-defined]
        client.put_object(Bucket=place.bucket, Key=KEY, Body=DATA, ChecksumAlgorithm=named)
        read, found = place.reader.read(place.store.head(KEY))
        assert (bytes(read), found.proof) == (DATA, proof)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_store_at_which_nobody_answers_is_tried_again(clouds: Clouds, cloud: CloudName) -> None:
    nobody = Place.new(clouds, cloud).url.replace(clouds.endpoint, "http://127.0.0.1:9")
    tries: list[float] = []
    with pytest.raises(Transient, match="the connection failed"):
        list(listed(open_store(nobody, environment=ENVIRONMENT), retry=Retry(attempts=6, sleep=tries.append)))
    assert len(tries) == 5


def variables(key_id: str, secret: str, token: str = "") -> dict[str, str]:
    fields = {"KEY_ID": key_id, "SECRET": secret, "TOKEN": token}
    return {f"AFTERTAKE_{cloud}_{name}": value for cloud in ("S3", "OSS", "COS") for name, value in fields.items()}


class TestRefusals:
    @pytest.mark.parametrize(
        ("environment", "says"),
        [
            (variables("AKSANDBOX", "not-the-secret"), "the secret does not belong to the key id"),
            (variables("NOBODY", "not-the-secret"), "the store does not know the key id"),
            (variables("OVER", "temporary", "token"), "the temporary credentials are over"),
        ],
    )
    def test_wrong_keys_are_refused_once_and_the_message_says_which(
        self, place: Place, environment: dict[str, str], says: str
    ) -> None:
        past = datetime.now(UTC) - timedelta(minutes=1)
        place.clouds.add_account(Account(key_id="OVER", secret="temporary", token="token", expires_at=past))  # noqa: S106
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        store = place.opened_with(environment)
        with pytest.raises(Denied, match=says):
            VerifiedReader(store, retry=NO_WAIT).read(meta)
        assert len(place.asked("GetObject")) == 1

    @pytest.mark.parametrize("hours", [-4, 4])
    def test_a_wrong_clock_is_refused_once_and_the_message_says_so(self, place: Place, hours: int) -> None:
        place.lay(KEY, DATA)
        meta = place.store.head(KEY)
        place.clouds.faults = FaultPlan([Fault("skew", seconds=hours * 3600, times=0)])
        with pytest.raises(Denied, match="the clock of this machine is wrong"):
            place.reader.read(meta)
        assert len(place.asked("GetObject")) == 1

    def test_a_listing_by_nobody_is_refused_once(self, place: Place) -> None:
        with pytest.raises(Denied):
            list(listed(place.opened_with({}, options="&credentials=none"), retry=NO_WAIT))
        assert len(place.asked()) == 1
