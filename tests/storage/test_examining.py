"""What buckets say of themselves, asked for real, and why some do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.sandbox.clouds import Account, BucketRules, Clouds, CorsRule, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from storage.errors import Transient
from storage.examining import (
    AbortRule,
    BucketFacts,
    Contact,
    Encryption,
    Examiner,
    Unseen,
    Versioning,
    examiner_of,
)
from storage.examining import CorsRule as Rule
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.opening import open_source, open_store
from storage.wrappers import ReadOnlyStore, bucket_inside
from tests.clouds import CLOUDS, ENVIRONMENT, SECRET, new_bucket, running_clouds

REGIONS = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
SET = BucketRules(
    versioned=True,
    lifecycle_abort_days=7,
    cors=(
        CorsRule(origins=("https://a.example", "https://b.example"), headers=("Range",), expose=("ETag",)),
        CorsRule(methods=("GET",)),
    ),
)


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


def examiner(clouds: Clouds, cloud: CloudName, rules: BucketRules | None = None) -> Examiner:
    found = examiner_of(open_store(new_bucket(clouds, cloud, rules), environment=ENVIRONMENT))
    assert found
    return found


@pytest.mark.parametrize("cloud", CLOUDS)
def test_settings_that_are_made(clouds: Clouds, cloud: CloudName) -> None:
    facts = examiner(clouds, cloud, SET).facts()
    assert facts.versioning is Versioning.ON
    assert facts.abort_rules == (AbortRule(prefix="", days=7),)
    assert facts.cors == (
        Rule(
            origins=("https://a.example", "https://b.example"),
            methods=("GET", "HEAD"),
            headers=("Range",),
            exposed=("ETag",),
        ),
        Rule(origins=("*",), methods=("GET",), headers=(), exposed=()),
    )


@pytest.mark.parametrize("cloud", CLOUDS)
def test_settings_that_nobody_made(clouds: Clouds, cloud: CloudName) -> None:
    default = Encryption(algorithm="AES256") if cloud == "s3" else Encryption()
    expected = BucketFacts(versioning=Versioning.OFF, encryption=default, abort_rules=(), cors=())
    assert examiner(clouds, cloud).facts() == expected


def test_a_kms_key(clouds: Clouds) -> None:
    default = examiner(clouds, "s3", BucketRules(kms_key="arn:key")).facts().encryption
    assert default == Encryption(algorithm="aws:kms", kms_key="arn:key")
    assert isinstance(default, Encryption)
    assert default.uses_kms


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_one_may_not_look_at(clouds: Clouds, cloud: CloudName) -> None:
    clouds.add_account(Account(key_id="AKSANDBOX", secret=SECRET, may=lambda *_: False))
    looked = examiner(clouds, cloud, SET)
    secret = Unseen.NOT_ALLOWED
    assert looked.facts() == BucketFacts(versioning=secret, encryption=secret, abort_rules=secret, cors=secret)
    assert isinstance(looked.contact().answered_at, datetime)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_a_store_does_not_have(clouds: Clouds, cloud: CloudName) -> None:
    clouds.faults = FaultPlan([Fault("status", times=0, status=501, code="NotImplemented")])
    assert examiner(clouds, cloud).facts() == BucketFacts()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_bad_moment_is_no_fact(clouds: Clouds, cloud: CloudName) -> None:
    clouds.faults = FaultPlan([Fault("status", times=0)])
    with pytest.raises(Transient):
        examiner(clouds, cloud).facts()
    with pytest.raises(Transient):
        examiner(clouds, cloud).contact()


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("known", [True, False])
def test_the_time_is_told_to_strangers_too(cloud: CloudName, known: bool) -> None:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=3)
    with Clouds(clock=lambda: now) as clouds:
        if known:
            clouds.add_account(Account(key_id="AKSANDBOX", secret=SECRET))
        contact = examiner(clouds, cloud).contact()
    assert contact.answered_at == now
    if known:
        assert contact.region == REGIONS[cloud]


def test_the_region_that_s3_names(clouds: Clouds) -> None:
    assert examiner(clouds, "s3", BucketRules(region="eu-west-1")).contact().region == "eu-west-1"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_requests_go_to_the_origin(clouds: Clouds, cloud: CloudName) -> None:
    assert examiner(clouds, cloud).origin == clouds.endpoint


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_bucket_inside_of_wrappers(clouds: Clouds, cloud: CloudName) -> None:
    url = new_bucket(clouds, cloud, prefix="a/b/")
    for store in (open_store(url, environment=ENVIRONMENT), ReadOnlyStore(open_source(url, environment=ENVIRONMENT))):
        bucket, prefix = bucket_inside(store)
        assert prefix == "a/b/"
        assert examiner_of(bucket) is not None


def test_a_folder_knows_its_room(tmp_path: Path) -> None:
    looked = LocalStore(tmp_path / "to" / "come").examine()
    facts = looked.facts()
    assert isinstance(facts.free_bytes, int)
    assert facts.free_bytes > 0
    assert facts.mounted == ()
    assert (looked.contact(), looked.origin) == (Contact(), "")


def test_memory_has_nothing_to_tell() -> None:
    assert examiner_of(MemoryStore()) is None
