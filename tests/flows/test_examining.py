"""Every fault that a person can configure, made for real on the sandbox's clouds, and what is said of it."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployments.sandbox.clouds import BucketRules, CorsRule, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from flows.steps.examining import CHECKS, Examination
from flows.steps.store_checks import Outcome, Place, Role
from flows.steps.store_probes import EXPORTED, PASSING, PROBE, UPLOAD
from storage.keys import output_key
from storage.opening import open_store
from tests.certificates import TlsRelay, TunnelProxy, self_signed
from tests.clouds import CLOUDS, SECRET
from tests.flows.patients import PLAYERS, RECORDED, REGIONS, WELL, Ward, actions, check_of, names, says, ward
from tests.sandbox.operations import KMS_KEY, PREFIX

OK, WARN, FAIL, SKIPPED = Outcome.OK, Outcome.WARN, Outcome.FAIL, Outcome.SKIPPED
SOURCE, OUTPUT = Role.SOURCE, Role.OUTPUT
SETTINGS = {SOURCE: ["versioning", "encryption"], OUTPUT: ["versioning", "encryption", "lifecycle", "cors"]}


@pytest.fixture
def sick() -> Iterator[Ward]:
    with ward() as running:
        yield running


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def bucket_of(place: Place) -> str:
    return place.url.partition("://")[2].partition("/")[0]


class TestAllWell:
    @pytest.mark.parametrize("cloud", CLOUDS)
    @pytest.mark.parametrize("role", Role)
    def test_with_the_policies_of_the_role_and_of_the_doctor(self, sick: Ward, cloud: CloudName, role: Role) -> None:
        report = sick.examine(sick.bucket(cloud, role, kinds=(role.value, "doctor")))
        assert (names(report, FAIL), names(report, WARN)) == ([], [])
        assert names(report, SKIPPED) == (["parts"] if (cloud, role) == ("s3", OUTPUT) else [])
        assert [check.name for check in report.checks] == [name for name in CHECKS[role] if name != "apart"]

    @pytest.mark.parametrize("cloud", CLOUDS)
    @pytest.mark.parametrize("role", Role)
    def test_settings_are_skipped_without_the_doctors_policy(self, sick: Ward, cloud: CloudName, role: Role) -> None:
        report = sick.examine(sick.bucket(cloud, role))
        assert report.outcome is OK
        for name in SETTINGS[role]:
            fix = f"not allowed to look (grant deployments/policies/{cloud}-doctor.json to see it)"
            assert says(check_of(report, name), SKIPPED, fix)

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_a_source_is_never_written(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE, kinds=("source", "output", "doctor"))
        report = sick.examine(place)
        assert [seen for seen in sick.clouds.journal.seen() if seen.writes] == []
        assert says(
            check_of(report, "rights"), OK, "may also list uploads", f"deployments/policies/{cloud}-source.json"
        )

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_runs_write_over_what_the_last_one_left(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, OUTPUT)
        for _ in range(2):
            assert sick.examine(place).outcome is OK
        left = [f"{PREFIX}/{PROBE}", f"{PREFIX}/{UPLOAD}"]
        assert sick.clouds.keys(cloud, bucket_of(place)) == left
        assert sick.clouds.uploads(cloud, bucket_of(place)) == []
        written = {seen.key for seen in sick.clouds.journal.seen() if seen.writes}
        assert written == {*left, f"{PREFIX}/{EXPORTED}"}, "the latter is deleted each time"


SHOWN_BY = {
    "ListBucket": "list",
    "ListObjects": "list",
    "GetBucket": "list",
    "GetObject": "read",
    "PutObject": "write",
    "AbortMultipartUpload": "abort",
    "DeleteObject": "delete",
    "ListBucketMultipartUploads": "uploads",
    "ListMultipartUploads": "uploads",
    "InitiateMultipartUpload": "multipart",
    "UploadPart": "multipart",
    "CompleteMultipartUpload": "multipart",
}
MISSING = [(cloud, role, action) for cloud in CLOUDS for role in Role for action in actions(cloud, role.value)]


@pytest.mark.parametrize(("cloud", "role", "action"), MISSING)
def test_each_right_of_a_policy_is_missed_by_name(sick: Ward, cloud: CloudName, role: Role, action: str) -> None:
    report = sick.examine(sick.bucket(cloud, role, without=action))
    short = action.rpartition(":")[2]
    name = "read" if short == "HeadObject" else SHOWN_BY[short]
    fix = f"Grant {action}: deployments/policies/{cloud}-{role.value}.json holds all that is needed"
    assert says(check_of(report, name), FAIL, f"{action} is refused", fix)


SETTING_OF = {"version": "versioning", "encryption": "encryption", "lifecycle": "lifecycle", "cors": "cors"}
LOOKED_AT = [(cloud, action) for cloud in CLOUDS for action in actions(cloud, "doctor")]


@pytest.mark.parametrize(("cloud", "action"), LOOKED_AT)
def test_each_right_of_the_doctor_shows_one_setting(sick: Ward, cloud: CloudName, action: str) -> None:
    report = sick.examine(sick.bucket(cloud, OUTPUT, kinds=("output", "doctor"), without=action))
    hidden = [name for word, name in SETTING_OF.items() if word in action.lower()]
    assert report.outcome is OK
    assert [name for name in names(report, SKIPPED) if name != "parts"] == hidden
    if not hidden:
        assert says(check_of(report, "region"), OK, f"the store accepts {REGIONS[cloud]}")


class TestCredentials:
    @pytest.mark.parametrize("cloud", CLOUDS)
    @pytest.mark.parametrize(
        ("variable", "value", "seen", "fix"),
        [
            (
                "SECRET",
                "another",
                "another signature",
                "Check the secret in AFTERTAKE_KEY0_KEY_ID and AFTERTAKE_KEY0_SECRET",
            ),
            ("KEY_ID", "nobody", "does not know the key id", "Check the key id in AFTERTAKE_KEY0_KEY_ID"),
            (
                "SECRET",
                "",
                "AFTERTAKE_KEY0_KEY_ID is set, but not",
                "Set AFTERTAKE_KEY0_KEY_ID and AFTERTAKE_KEY0_SECRET",
            ),
        ],
    )
    def test_wrong(self, sick: Ward, cloud: CloudName, *, variable: str, value: str, seen: str, fix: str) -> None:
        place = sick.bucket(cloud, OUTPUT)
        sick.environment[f"AFTERTAKE_KEY0_{variable}"] = value
        report = sick.examine(place)
        assert says(check_of(report, "credentials"), FAIL, seen, fix)
        assert says(check_of(report, "write"), SKIPPED, "first credentials has to be right")
        assert SECRET not in str(report)

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_a_token_that_is_over(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE, token="alive")  # noqa: S106
        assert sick.examine(place).outcome is OK
        account = sick.clouds._service.accounts.find("key0")
        sick.clouds.add_account(replace(account, expires_at=datetime.now(UTC) - timedelta(minutes=1)))
        report = sick.examine(place)
        assert says(
            check_of(report, "credentials"), FAIL, "the temporary credentials are over", "Renew AFTERTAKE_KEY0_"
        )


class TestClock:
    @pytest.mark.parametrize("cloud", CLOUDS)
    @pytest.mark.parametrize(
        ("minutes", "outcome", "seen"),
        [(-5, WARN, "300 s ahead of the store"), (5, WARN, "300 s behind"), (12, FAIL, "720 s behind the store")],
    )
    def test_off(self, cloud: CloudName, minutes: int, outcome: Outcome, seen: str) -> None:
        with ward(clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes)) as running:
            report = running.examine(running.bucket(cloud, SOURCE))
        told = check_of(report, "clock")
        if (cloud, minutes) == ("cos", -5):  # its signatures say from when on they hold
            assert says(told, FAIL, "which refuses requests so far off", "NTP")
            return
        assert says(replace(told, seen=told.seen.replace("299", "300").replace("719", "720")), outcome, seen, "NTP")
        assert says(check_of(report, "read"), OK, RECORDED)

    @pytest.mark.parametrize("cloud", CLOUDS)
    @pytest.mark.parametrize("hours", [-20, 20])
    def test_so_far_off_that_nothing_works(self, cloud: CloudName, hours: int) -> None:
        with ward(clock=lambda: datetime.now(UTC) + timedelta(hours=hours)) as running:
            report = running.examine(running.bucket(cloud, SOURCE))
        assert names(report, FAIL) == ["clock"]
        assert says(check_of(report, "credentials"), SKIPPED, "first clock has to be right")


class TestRegion:
    def test_s3_sends_elsewhere(self, sick: Ward) -> None:
        report = sick.examine(sick.bucket("s3", SOURCE, region="eu-west-1"))
        assert says(check_of(report, "region"), FAIL, "lies in us-east-1, not in eu-west-1", "Write region=us-east-1")
        assert says(check_of(report, "read"), SKIPPED, "first region")

    def test_oss_refuses(self, sick: Ward) -> None:
        report = sick.examine(sick.bucket("oss", SOURCE, region="cn-beijing"))
        assert says(check_of(report, "region"), FAIL, "another region", "Write region=… into the store URL")
        assert says(check_of(report, "read"), SKIPPED, "first region")

    def test_cos_knows_no_such_bucket(self, sick: Ward) -> None:
        report = sick.examine(sick.bucket("cos", SOURCE, region="ap-beijing"))
        assert says(
            check_of(report, "list"), FAIL, "NoSuchBucket", "Check the name of the bucket in the store URL and region"
        )

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_no_such_bucket(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE)
        report = sick.examine(Place.parse(SOURCE, place.url.replace("://key0", "://nothing")))
        assert names(report, FAIL) == ["list"]
        assert "Check the name of the bucket" in check_of(report, "list").fix


class TestKms:
    RULES = replace(WELL, kms_key=KMS_KEY)

    def test_a_source_that_may_not_decrypt(self, sick: Ward) -> None:
        report = sick.examine(sick.bucket("s3", SOURCE, self.RULES))
        assert says(check_of(report, "read"), FAIL, "kms:Decrypt", "Attach deployments/policies/s3-kms.json")

    @pytest.mark.parametrize(("action", "name"), [("kms:GenerateDataKey", "write"), ("kms:Decrypt", "multipart")])
    def test_an_output_that_lacks_one_right(self, sick: Ward, action: str, name: str) -> None:
        report = sick.examine(sick.bucket("s3", OUTPUT, self.RULES, kinds=("output", "kms"), without=action))
        assert says(check_of(report, name), FAIL, action, "s3-kms.json")

    @pytest.mark.parametrize("role", Role)
    def test_with_the_key(self, sick: Ward, role: Role) -> None:
        report = sick.examine(sick.bucket("s3", role, self.RULES, kinds=(role.value, "kms", "doctor")))
        assert report.outcome is OK
        assert says(check_of(report, "encryption"), OK, KMS_KEY)


class TestCreateOnly:
    @pytest.mark.parametrize("cloud", ["oss", "cos"])
    def test_is_void_where_versions_are_kept(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, OUTPUT, replace(WELL, versioned=True), kinds=("output", "doctor"))
        report = sick.examine(place)
        assert says(check_of(report, "create_only"), WARN, "does not keep the condition", "Turn versioning off")
        assert says(check_of(report, "versioning"), WARN, "on: this cloud then ignores create-only", "noncurrent")

    def test_holds_on_versioned_buckets_of_s3(self, sick: Ward) -> None:
        place = sick.bucket("s3", OUTPUT, replace(WELL, versioned=True), kinds=("output", "doctor"))
        report = sick.examine(place)
        assert says(check_of(report, "create_only"), OK, "kept")
        assert says(check_of(report, "versioning"), OK, "on", "noncurrent versions")

    def test_can_be_asked_of_a_store_that_ignores_it(self, sick: Ward) -> None:
        rules = replace(WELL, create_only=False)
        report = sick.examine(sick.bucket("s3", OUTPUT, rules))
        assert says(check_of(report, "create_only"), WARN, "does not keep", "Write creates=asked")
        asked = sick.examine(sick.bucket("s3", OUTPUT, rules, options="&creates=asked"))
        assert says(check_of(asked, "create_only"), OK, "asked for before each write")

    def test_fails_where_it_is_not_understood(self, sick: Ward) -> None:
        unknown = Fault("status", operation="PutObject", skip=1, times=0, status=501, code="NotImplemented")
        sick.clouds.faults = FaultPlan([unknown])
        report = sick.examine(sick.bucket("s3", OUTPUT))
        assert says(check_of(report, "create_only"), FAIL, "NotImplemented", "Write creates=asked")


class TestReading:
    def test_a_store_without_checksums(self, sick: Ward) -> None:
        bare = replace(WELL, checksums="none")
        source = sick.examine(sick.bucket("s3", SOURCE, bare, options="&checksums=none"))
        assert says(check_of(source, "checksums"), OK, "md5 is offered")
        opaque = sick.examine(sick.bucket("s3", SOURCE, bare, options="&checksums=none&etags=opaque"))
        assert says(check_of(opaque, "checksums"), WARN, "only its length", "Write checksums=crc64nvme")
        output = sick.examine(sick.bucket("s3", OUTPUT, bare))
        assert says(check_of(output, "checksums"), WARN, "uploads in parts", "Nothing more can be asked")

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_archived_objects(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE)
        sick.clouds.archive(cloud, bucket_of(place), RECORDED)
        only = sick.examine(place)
        assert says(check_of(only, "read"), FAIL, "InvalidObjectState", "Restore it")
        later = datetime.now(UTC) + timedelta(minutes=1)
        sick.clouds.put(cloud, bucket_of(place), f"{PREFIX}/b/1.ts", b"new", last_modified=later)
        newer = sick.examine(place)
        assert says(check_of(newer, "read"), WARN, f"{RECORDED} lies in an archive storage class", "Restore")

    def test_an_empty_source(self, sick: Ward) -> None:
        place = sick.bucket("oss", SOURCE)
        sick.clouds.delete("oss", bucket_of(place), RECORDED)
        report = sick.examine(place)
        assert report.outcome is OK
        assert says(check_of(report, "read"), SKIPPED, "let a recording arrive")

    def test_more_keys_than_are_counted(self, sick: Ward) -> None:
        place = sick.bucket("oss", SOURCE)
        for number in range(10_000):
            sick.clouds.put("oss", bucket_of(place), f"{PREFIX}/b/{number}", b"")
        report = sick.examine(place)
        assert says(check_of(report, "listing"), WARN, "more than 10000 keys, 11 requests", "Name a narrower prefix")
        assert names(report, FAIL) == []


class TestNetwork:
    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_nobody_listens(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE)
        sick.clouds.stop()
        began = time.monotonic()
        report = sick.examine(place)
        assert time.monotonic() - began < 5
        assert says(
            check_of(report, "reachable"), FAIL, "takes no connection (Connection refused)", "region= and endpoint="
        )
        assert names(report, SKIPPED) == [name for name in CHECKS[SOURCE] if name != "reachable"]

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_somebody_listens_and_says_nothing_sensible(self, sick: Ward, cloud: CloudName) -> None:
        place = sick.bucket(cloud, SOURCE)
        sick.clouds.faults = FaultPlan([Fault("lost_answer", times=0)])
        report = sick.examine(place)
        assert says(check_of(report, "reachable"), FAIL, "the connection failed", "AFTERTAKE_PROXY")

    def test_a_proxy_that_is_not_there(self, sick: Ward) -> None:
        place = sick.bucket("oss", SOURCE)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        sick.environment["AFTERTAKE_PROXY"] = f"http://user:{SECRET}@127.0.0.1:{port}"
        report = sick.examine(place)
        assert says(check_of(report, "reachable"), FAIL, "the proxy 127.0.0.1 takes no connection", "AFTERTAKE_PROXY")
        assert SECRET not in str(report)

    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_a_certificate_that_is_not_trusted(self, sick: Ward, cloud: CloudName, tmp_path: Path) -> None:
        place = sick.bucket(cloud, SOURCE)
        pem = self_signed(tmp_path)
        with TlsRelay(port_of(sick.clouds.endpoint), pem) as relay, TunnelProxy(port_of(relay.url)) as proxy:
            behind = Place.parse(SOURCE, place.url.replace(sick.clouds.endpoint, relay.url))
            direct = sick.examine(behind)
            sick.environment["AFTERTAKE_PROXY"] = proxy.url
            through_proxy = sick.examine(behind)
            sick.environment["AFTERTAKE_CA_BUNDLE"] = str(pem)
            trusted = sick.examine(behind)
        for report in (direct, through_proxy):
            assert names(report, FAIL) == ["reachable"]
            assert says(check_of(report, "reachable"), FAIL, "not trusted", "in AFTERTAKE_CA_BUNDLE (a PEM file)")
        assert trusted.outcome is OK

    def test_a_store_that_breaks_down_meanwhile(self, sick: Ward) -> None:
        sick.clouds.faults = FaultPlan(
            [Fault("status", operation="PutObject", times=0), Fault("status", operation="GetBucketCors", times=0)]
        )
        report = sick.examine(sick.bucket("cos", OUTPUT, kinds=("output", "doctor")))
        assert says(check_of(report, "write"), FAIL, "SlowDown", "Run this again")
        assert says(check_of(report, "create_only"), SKIPPED, "nothing could be written")
        assert says(check_of(report, "cors"), SKIPPED, "SlowDown")


class TestSettings:
    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_nothing_is_set(self, sick: Ward, cloud: CloudName) -> None:
        report = sick.examine(sick.bucket(cloud, OUTPUT, BucketRules(), kinds=("output", "doctor")))
        assert says(check_of(report, "lifecycle"), WARN, "no rule", f"deployments/policies/{cloud}-lifecycle.")
        assert says(check_of(report, "cors"), WARN, "no page", f"deployments/policies/{cloud}-cors.")

    @pytest.mark.parametrize(
        ("rule", "lacks"),
        [
            (replace(PLAYERS, methods=("GET",)), "GET and HEAD"),
            (replace(PLAYERS, headers=()), "the header Range"),
            (replace(PLAYERS, expose=("ETag",)), "to see accept-ranges, content-length, content-range"),
        ],
    )
    def test_pages_that_may_not_read_enough(self, sick: Ward, rule: CorsRule, lacks: str) -> None:
        report = sick.examine(sick.bucket("oss", OUTPUT, replace(WELL, cors=(rule,)), kinds=("output", "doctor")))
        assert says(check_of(report, "cors"), WARN, lacks, "oss-cors.xml")


class TestUploads:
    @pytest.mark.parametrize("cloud", CLOUDS)
    def test_abandoned_ones_are_counted_and_swept(self, cloud: CloudName) -> None:
        past = [timedelta(days=8), timedelta(days=3), timedelta(0)]
        with ward(clock=lambda: datetime.now(UTC)) as running:
            place = running.bucket(cloud, OUTPUT)
            store = open_store(place.url, environment=running.environment)
            for number, ago in enumerate(past):
                store.start_multipart(output_key(f"media/{number}.mp4"))
                upload = next(u for u in running.clouds.uploads(cloud, bucket_of(place)) if f"/{number}." in u.key)
                upload.started_at -= ago
            report = running.examine(place)
            assert says(check_of(report, "uploads"), WARN, "2 abandoned, the oldest since", "--sweep")
            swept = Examination(environment=running.environment).sweep(place, timedelta(days=7))
            left = [upload.key for upload in running.clouds.uploads(cloud, bucket_of(place))]
        assert [upload.key for upload in swept] == ["media/0.mp4"]
        assert left == [f"{PREFIX}/media/1.mp4", f"{PREFIX}/media/2.mp4"]


class TestParts:
    def test_equal_ones_need_a_right_to_delete(self, sick: Ward) -> None:
        rules = replace(WELL, equal_parts=True)
        place = sick.bucket("s3", OUTPUT, rules, options="&parts=equal")
        report = sick.examine(place)
        assert says(check_of(report, "parts"), FAIL, "s3:DeleteObject is refused", "Grant s3:DeleteObject on")
        sick.clouds.delete("s3", bucket_of(place), f"{PREFIX}/{PASSING}")
        sick.clouds.add_account(replace(sick.clouds._service.accounts.find("key0"), may=None))
        assert says(check_of(sick.examine(place), "parts"), OK, "of one size")
        assert f"{PREFIX}/{PASSING}" not in sick.clouds.keys("s3", bucket_of(place))


class TestFolders:
    def examine(self, role: Role, url: str, *sources: str) -> list[tuple[str, Outcome, str]]:
        places = [Place.parse(SOURCE, source) for source in sources]
        report = Examination(environment={}).of(Place.parse(role, url), sources=places)
        return [(check.name, check.outcome, check.seen) for check in report.checks]

    def test_well(self, tmp_path: Path) -> None:
        source = tmp_path / "in"
        source.mkdir()
        (source / "1.ts").write_bytes(b"slice")
        read = self.examine(SOURCE, source.as_uri())
        assert {outcome for _, outcome, _ in read} == {OK, SKIPPED}
        assert [path.name for path in source.iterdir()] == ["1.ts"]
        written = self.examine(OUTPUT, str(tmp_path / "out"), str(source))
        outcomes = {name: outcome for name, outcome, _ in written if name != "space"}
        assert outcomes["write"] is outcomes["apart"] is outcomes["mounts"] is OK
        assert FAIL not in outcomes.values()

    def test_a_source_that_is_not_there(self, tmp_path: Path) -> None:
        assert [(name, outcome) for name, outcome, _ in self.examine(SOURCE, str(tmp_path / "no"))] == [("list", FAIL)]

    def test_an_output_in_the_source(self, tmp_path: Path) -> None:
        found = self.examine(OUTPUT, str(tmp_path / "out"), str(tmp_path))
        assert [(name, outcome) for name, outcome, _ in found] == [("apart", FAIL)]
        assert list(tmp_path.iterdir()) == []

    def test_an_output_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        found = {name: outcome for name, outcome, _ in self.examine(OUTPUT, str(tmp_path / "file" / "out"))}
        assert found["write"] is FAIL

    def test_memory(self) -> None:
        assert FAIL not in {outcome for _, outcome, _ in self.examine(OUTPUT, "memory://doctor")}


def test_an_output_below_the_prefix_of_a_source_bucket(sick: Ward) -> None:
    source = sick.bucket("s3", SOURCE)
    output = Place.parse(OUTPUT, source.url.replace(f"{PREFIX}/?", f"{PREFIX}/published/?"))
    report = Examination(environment=sick.environment).of(output, sources=[source])
    assert says(
        check_of(report, "apart"), FAIL, "lies in the source", "Choose an output with a prefix that lies beside"
    )
    assert sick.clouds.journal.seen() == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_output_in_a_source_whose_keys_are_missing(sick: Ward, cloud: CloudName) -> None:
    output = sick.bucket(cloud, OUTPUT)
    source = Place.parse(SOURCE, output.url.replace("credentials=key0", "credentials=OTHER"))
    report = Examination(environment=sick.environment).of(output, sources=[source])
    assert says(check_of(report, "apart"), FAIL, "lies in the source")
    assert sick.clouds.journal.seen() == []


def test_an_output_in_a_source_at_another_name_of_the_same_host(sick: Ward) -> None:
    output = sick.bucket("s3", OUTPUT)
    source = Place.parse(SOURCE, output.url.replace("127.0.0.1", "localhost"))
    report = Examination(environment=sick.environment).of(output, sources=[source])
    assert says(check_of(report, "apart"), FAIL, "lies in the source")
    assert sick.clouds.journal.seen() == []
