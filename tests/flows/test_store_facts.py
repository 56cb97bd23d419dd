"""What facts mean that no test machine has."""

import pytest

from flows.steps import store_facts
from flows.steps.store_checks import Outcome, Place, Role
from storage.errors import Denied, Refusal
from storage.examining import AbortRule, BucketFacts, Contact, CorsRule, Unseen
from storage.reaching import Reach

OUTPUT = Place(role=Role.OUTPUT, url="oss://b/out/", scheme="oss", prefix="out/")
GB = 1000**3


@pytest.mark.parametrize(("free", "outcome"), [(100 * GB, Outcome.OK), (5 * GB, Outcome.WARN), (GB // 2, Outcome.FAIL)])
def test_room(free: int, outcome: Outcome) -> None:
    space, mounts = store_facts.folder(OUTPUT, BucketFacts(free_bytes=free, mounted=()))
    assert (space.outcome, mounts.outcome) == (outcome, Outcome.OK)


def test_subfolders_of_other_file_systems() -> None:
    _, mounts = store_facts.folder(OUTPUT, BucketFacts(free_bytes=100 * GB, mounted=("media",)))
    assert (mounts.outcome, mounts.seen.split()[0]) == (Outcome.FAIL, "media")


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ((AbortRule(prefix="", days=7),), Outcome.OK),
        ((AbortRule(prefix="out/", days=None),), Outcome.OK),
        ((AbortRule(prefix="elsewhere/", days=7),), Outcome.WARN),
        ((AbortRule(prefix="out/media/", days=7),), Outcome.WARN),
    ],
)
def test_a_lifecycle_rule_must_cover_the_prefix(rules: tuple[AbortRule, ...], outcome: Outcome) -> None:
    assert store_facts.lifecycle(OUTPUT, rules).outcome is outcome


def test_one_rule_for_players_is_enough() -> None:
    poor = CorsRule(origins=("https://a.example",), methods=("PUT",), headers=(), exposed=())
    rich = CorsRule(origins=("*",), methods=("HEAD", "GET"), headers=("*",), exposed=("*",))
    assert store_facts.cors(OUTPUT, (poor, rich)).outcome is Outcome.OK


def test_plain_http_over_a_network() -> None:
    found = store_facts.reachable(OUTPUT, Reach(host="store.example"), "http://store.example:9000")
    assert (found.outcome, "endpoint=https" in found.fix) == (Outcome.WARN, True)


def test_a_store_that_is_known_for_equal_parts() -> None:
    place = Place(role=Role.OUTPUT, url="s3://b/", scheme="s3", options={"endpoint": "https://x"})
    found = store_facts.parts(place, "https://1.r2.cloudflarestorage.com")
    assert found
    assert (found.outcome, "parts=equal" in found.fix) == (Outcome.FAIL, True)
    assert (
        store_facts.parts(Place(role=Role.OUTPUT, url="s3://b/", scheme="s3"), "https://s3.amazonaws.com") is not None
    )


def test_a_store_that_tells_no_time() -> None:
    assert store_facts.clock(OUTPUT, Unseen.NOT_OFFERED, None).outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("", "AFTERTAKE_OSS_KEY_ID and AFTERTAKE_OSS_SECRET"),
        ("archive", "AFTERTAKE_ARCHIVE_KEY_ID and AFTERTAKE_ARCHIVE_SECRET"),
        ("/run/secrets/a.json", "the file /run/secrets/a.json"),
        ("chain", "what credentials=chain finds"),
    ],
)
def test_where_the_keys_come_from(named: str, words: str) -> None:
    place = Place(role=Role.SOURCE, url="", scheme="oss", options={"credentials": named} if named else {})
    assert words in place.keys


ELSEWHERE = Denied("list", "", "the bucket lies in another region than the store URL says", Refusal.REGION)


@pytest.mark.parametrize(
    ("contact", "error", "seen", "fix"),
    [
        (Contact(region="eu-west-1"), ELSEWHERE, "lies in eu-west-1, not in us-east-1", "region=eu-west-1"),
        (Contact(region="us-east-1"), ELSEWHERE, "another region", "region=us-east-1"),
        (Contact(), ELSEWHERE, "another region", "region=…"),
    ],
)
def test_a_wrong_region_fails(contact: Contact, error: Denied, seen: str, fix: str) -> None:
    found = store_facts.region(Place(role=Role.SOURCE, url="s3://b/", scheme="s3"), contact, error)
    assert (found.outcome, seen in found.seen, fix in found.fix) == (Outcome.FAIL, True, True)


def test_a_store_may_call_its_region_otherwise() -> None:
    found = store_facts.region(Place(role=Role.SOURCE, url="s3://b/", scheme="s3"), Contact(region="eu"), None)
    assert found.outcome is Outcome.OK
