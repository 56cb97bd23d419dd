"""Requests that the real stores refuse are refused, with their codes."""

import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from deployments.sandbox.clouds import Account, BucketRules, Clouds
from tests.sandbox.clouds.clients import BUCKETS, CLIENTS, KEY_ID, SECRET, Client, Failed, failure, open_clouds
from tests.sandbox.clouds.conftest import Connect

NAMES = ["s3", "oss", "oss-v1", "cos"]
each_sdk = pytest.mark.parametrize("name", NAMES)


@each_sdk
def test_a_wrong_secret_does_not_match(connect: Connect, name: str) -> None:
    client = connect(name, secret="another")
    assert failure(lambda: client.get("k")) == Failed(403, "SignatureDoesNotMatch")
    assert failure(lambda: client.put("k", b"")) == Failed(403, "SignatureDoesNotMatch")


@each_sdk
def test_an_unknown_key_is_named(connect: Connect, name: str) -> None:
    client = connect(name, key_id="AKUNKNOWN")
    assert failure(lambda: client.get("k")) == Failed(403, "InvalidAccessKeyId")


@each_sdk
def test_a_removed_key_is_unknown_and_a_rotated_one_needs_its_new_secret(
    clouds: Clouds, connect: Connect, name: str
) -> None:
    client = connect(name)
    client.put("k", b"hello")
    clouds.add_account(Account(key_id=KEY_ID, secret="rotated"))
    assert failure(lambda: client.get("k")) == Failed(403, "SignatureDoesNotMatch")
    assert connect(name, secret="rotated").get("k").body == b"hello"
    clouds.remove_account(KEY_ID)
    assert failure(lambda: client.get("k")) == Failed(403, "InvalidAccessKeyId")


WRONG_TOKEN = {
    "s3": Failed(400, "InvalidToken"),
    "oss": Failed(403, "InvalidSecurityToken"),
    "cos": Failed(403, "InvalidAccessKeyId"),
}
EXPIRED_TOKEN = {
    "s3": Failed(400, "ExpiredToken"),
    "oss": Failed(403, "SecurityTokenExpired"),
    "cos": Failed(403, "ExpiredToken"),
}


@each_sdk
def test_a_temporary_key_needs_exactly_its_token(clouds: Clouds, connect: Connect, name: str) -> None:
    cloud = name.partition("-")[0]
    clouds.add_account(Account(key_id="TEMP", secret=SECRET, token="the-token"))
    client = connect(name, key_id="TEMP", token="the-token")
    client.put("k", b"hello")
    assert client.get("k").body == b"hello"
    without, other = connect(name, key_id="TEMP"), connect(name, key_id="TEMP", token="another")
    assert failure(lambda: without.get("k")) == Failed(403, "InvalidAccessKeyId")
    assert failure(lambda: other.get("k")) == WRONG_TOKEN[cloud]
    past = datetime.now(UTC) - timedelta(seconds=1)
    clouds.add_account(Account(key_id="TEMP", secret=SECRET, token="the-token", expires_at=past))
    assert failure(lambda: client.get("k")) == EXPIRED_TOKEN[cloud]


@pytest.mark.parametrize("name", ["s3", "oss", "oss-v1"])
def test_a_clock_that_is_too_far_off_is_told(name: str) -> None:
    now = datetime.now(UTC)
    assert _refused_at(name, now + timedelta(minutes=16)) == Failed(403, "RequestTimeTooSkewed")
    assert _refused_at(name, now - timedelta(minutes=16)) == Failed(403, "RequestTimeTooSkewed")
    assert _refused_at(name, now + timedelta(minutes=14)) == Failed(404, "NoSuchKey")


def test_cos_knows_only_when_a_signature_begins_and_ends() -> None:
    now = datetime.now(UTC)
    assert _refused_at("cos", now + timedelta(hours=4)) == Failed(403, "AccessDenied")
    assert _refused_at("cos", now - timedelta(minutes=17)) == Failed(403, "RequestTimeTooSkewed")
    assert _refused_at("cos", now + timedelta(hours=2)) == Failed(404, "NoSuchKey")


def _refused_at(name: str, now: datetime) -> Failed:
    """What a client hears whose clock is right, from a store whose clock says `now`."""
    with open_clouds(clock=lambda: now) as clouds, closing(_client(name, clouds)) as client:
        return failure(lambda: client.get("k"))


def _client(name: str, clouds: Clouds) -> Client:
    return CLIENTS[name](clouds.port, BUCKETS[name.partition("-")[0]])


def _open(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_link_with_a_changed_piece_is_refused(client: Client) -> None:
    client.put("film.mp4", b"film")
    client.put("other.mp4", b"other")
    link = client.presigned("film.mp4", disposition="attachment")
    assert _open(link) == (200, "film")
    tampered = [link.replace("film.mp4", "other.mp4"), link.replace("=attachment", "=inline")]
    parts = urllib.parse.urlsplit(link)
    for name, value in urllib.parse.parse_qsl(parts.query):
        if "ignature" in name and len(value) > 20:
            tampered.append(link.replace(urllib.parse.quote(value, safe=""), "0" * len(value)))
    assert len(tampered) == 3
    for changed in tampered:
        status, body = _open(changed)
        assert status == 403
        assert "<Code>SignatureDoesNotMatch</Code>" in body
        assert "<StringToSign>" in body
    assert _open(link.partition("?")[0])[0] == 403


@each_sdk
def test_a_link_ends(name: str) -> None:
    moved = [datetime.now(UTC)]
    with open_clouds(clock=lambda: moved[0]) as clouds, closing(_client(name, clouds)) as client:
        client.put("k", b"hello")
        link = client.presigned("k", 60)
        assert _open(link) == (200, "hello")
        moved[0] += timedelta(seconds=63)
        status, body = _open(link)
        assert status == 403
        assert "<Code>AccessDenied</Code><Message>Request has expired" in body


@pytest.mark.parametrize("name", ["s3", "oss"])
def test_a_link_lasts_a_week_at_most(connect: Connect, name: str) -> None:
    client = connect(name)
    client.put("k", b"hello")
    assert _open(client.presigned("k", 7 * 24 * 3600)) == (200, "hello")
    if name == "oss":
        assert _open(client.presigned("k", 7 * 24 * 3600 + 1))[0] == 400


def test_s3_names_the_region_that_the_signature_must_be_for(clouds: Clouds) -> None:
    clouds.create_bucket("s3", "elsewhere", BucketRules(region="eu-west-1"))
    clouds.put("s3", "elsewhere", "k", b"hello")
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
    sdk = boto3.client("s3", endpoint_url=clouds.endpoint, region_name="us-east-1", config=config, **keys)
    # The SDK learns the region from the refusal and asks again by itself.
    with sdk.get_object(Bucket="elsewhere", Key="k")["Body"] as body:
        assert body.read() == b"hello"
    sdk.close()
    assert next((seen.status, seen.code) for seen in clouds.journal.seen()) == (400, "AuthorizationHeaderMalformed")


def test_s3_sends_who_asks_a_regional_endpoint_of_another_region_elsewhere(clouds: Clouds) -> None:
    clouds.create_bucket("s3", "elsewhere", BucketRules(region="eu-west-1"))
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, proxies={"http": clouds.endpoint})
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
    where = "http://s3.us-west-2.amazonaws.com"
    sdk = boto3.client("s3", endpoint_url=where, region_name="us-west-2", config=config, **keys)
    # The SDK goes there with the region that it learned, but on loopback the endpoint stays what it was.
    with pytest.raises(botocore.exceptions.ClientError):
        sdk.get_object(Bucket="elsewhere", Key="k")
    sdk.close()
    first = clouds.journal.seen()[0]
    assert (first.status, first.code) == (301, "PermanentRedirect")


def test_oss_refuses_a_signature_for_another_region(connect: Connect) -> None:
    client = connect("oss", region="cn-beijing")
    assert failure(lambda: client.get("k")) == Failed(400, "InvalidArgument")


def test_anonymous_readers_see_public_buckets_alone(clouds: Clouds) -> None:
    for cloud, bucket in (("s3", "open"), ("oss", "open-oss"), ("cos", "open-1250000000")):
        clouds.create_bucket(cloud, bucket, BucketRules(public=True))  # type: ignore[arg-type]
        clouds.put(cloud, bucket, "k", b"hello")  # type: ignore[arg-type]
        assert _open(f"{clouds.endpoint}/{bucket}/k") == (200, "hello")
        assert _open(f"{clouds.endpoint}/{bucket}")[0] == 403
        assert clouds.journal.seen()[-1].cloud == cloud
    assert _open(f"{clouds.endpoint}/recordings/k")[0] == 403


def test_the_answer_carries_the_time_of_the_store(connect: Connect) -> None:
    client = connect("s3")
    sent = client.put("k", b"")["date"]
    assert abs(
        datetime.strptime(sent, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) - datetime.now(UTC)
    ) < timedelta(seconds=5)
