# ruff: noqa: S105 -- the secrets are made up
import itertools
import json
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from deployments.sandbox.identity import Fault, IdentityService
from storage.credentials import Credentials, Provider, Services, provider
from storage.errors import Denied, StorageError, Transient
from storage.renewal import MARGIN
from tests.storage.fakes import FakeTime
from tests.storage.leaks import whole_story

_IDENTITY_TOKEN = "eyJhbGciOiJSUzI1NiJ9.canary-claims.canary-signature"
_CLOUDS = ["oss", "cos"]
_SOURCES = [(cloud, source) for cloud in _CLOUDS for source in ("instance", "pod")]
_SERVICE_OF = {
    ("oss", "instance"): "alibaba-metadata",
    ("oss", "pod"): "alibaba-sts",
    ("cos", "instance"): "tencent-metadata",
    ("cos", "pod"): "tencent-sts",
}


class World:
    """A machine or a pod of a cloud: the identity service, a clock that both sides read, and what is set there."""

    def __init__(self, service: IdentityService, token_file: Path) -> None:
        self.service = service
        self.token_file = token_file
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.time = FakeTime()
        self.address: str | None = None
        self.read_s = 5.0
        service.clock = self.clock
        service.identity_token = _IDENTITY_TOKEN
        token_file.write_text(_IDENTITY_TOKEN + "\n")

    def clock(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def provider(self, cloud: str, source: str) -> Provider:
        address = self.address or self.service.endpoint
        services = Services(
            alibaba_metadata=address,
            alibaba_sts=address,
            tencent_metadata=address,
            tencent_sts=address,
            metadata_read_s=self.read_s,
            sts_read_s=self.read_s,
            retry=self.time.retry(attempts=2),
        )
        found = provider(
            cloud,
            "chain",
            environment=self.pod(cloud) if source == "pod" else {},
            services=services,
            clock=self.clock,
            monotonic=self.monotonic,
        )
        assert found is not None
        return found

    def pod(self, cloud: str) -> dict[str, str]:
        if cloud == "oss":
            return {
                "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/recorder",
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/cluster",
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(self.token_file),
            }
        return {
            "TKE_REGION": "ap-guangzhou",
            "TKE_PROVIDER_ID": "cluster",
            "TKE_WEB_IDENTITY_TOKEN_FILE": str(self.token_file),
            "TKE_ROLE_ARN": "qcs::cam::uin/1:roleName/recorder",
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with IdentityService() as service:
        yield World(service, tmp_path / "token")


def _issued(world: World) -> Credentials:
    last = world.service.issued[-1]
    return Credentials(key_id=last.key_id, secret=last.secret, token=last.token, expires_at=last.expires_at)


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_the_credentials_are_those_that_were_issued(world: World, cloud: str, source: str) -> None:
    found = world.provider(cloud, source)
    assert not world.service.journal
    assert found() == _issued(world)
    assert {request.service for request in world.service.journal} == {_SERVICE_OF[cloud, source]}


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_sixteen_threads_renew_once(world: World, cloud: str, source: str) -> None:
    found = world.provider(cloud, source)
    found()
    world.now += timedelta(hours=1) - MARGIN
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: found(), range(64)))
    assert len(world.service.issued) == 2
    assert found() == _issued(world)


@pytest.mark.parametrize(("hardened", "session_tokens"), [(False, True), (True, True), (False, False)])
def test_ecs_metadata_is_asked_with_a_session_token_where_there_are_any(
    world: World, *, hardened: bool, session_tokens: bool
) -> None:
    world.service.hardened, world.service.session_tokens = hardened, session_tokens
    assert world.provider("oss", "instance")() == _issued(world)
    sent = ["x-aliyun-ecs-metadata-token" in request.headers for request in world.service.journal]
    assert sent == [False, session_tokens, session_tokens]
    assert world.service.journal[0].method == "PUT"


def test_an_identity_token_is_never_in_an_address(world: World) -> None:
    for cloud in _CLOUDS:
        world.provider(cloud, "pod")()
    assert not [request for request in world.service.journal if "canary" in request.target]


def test_an_identity_token_is_never_sent_in_the_clear() -> None:
    assert all(address.startswith("https://") for address in (Services().alibaba_sts, Services().tencent_sts))


def test_a_pod_may_name_its_session(world: World) -> None:
    environment = world.pod("oss") | {"ALIBABA_CLOUD_ROLE_SESSION_NAME": "nightly"}
    services = Services(alibaba_sts=world.service.endpoint)
    found = provider("oss", "chain", environment=environment, services=services, clock=world.clock)
    assert found is not None
    found()
    assert world.service.journal[0].parameters["RoleSessionName"] == "nightly"


@pytest.mark.parametrize("cloud", _CLOUDS)
def test_the_token_of_a_pod_is_read_at_each_renewal(world: World, cloud: str) -> None:
    found = world.provider(cloud, "pod")
    found()
    world.service.identity_token = "rotated"
    world.token_file.write_text("rotated")
    world.now += timedelta(hours=1)
    assert found() == _issued(world)
    assert len(world.service.issued) == 2


@pytest.mark.parametrize("cloud", _CLOUDS)
@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "No such file"), (b"", "holds no identity token"), (b"a b", "holds no"), (b"x" * 20_001, "holds no")],
)
def test_a_pod_without_a_token_is_denied(world: World, cloud: str, content: bytes | None, fault: str) -> None:
    world.token_file.unlink()
    if content is not None:
        world.token_file.write_bytes(content)
    with pytest.raises(Denied, match=fault) as caught:
        world.provider(cloud, "pod")()
    assert str(world.token_file) in str(caught.value)


@pytest.mark.parametrize(
    ("cloud", "code"),
    [("oss", "AuthenticationFail.OIDCToken.Invalid"), ("cos", "InvalidParameter.WebIdentityTokenError")],
)
def test_a_refused_pod_is_told_the_code_and_gets_no_other_role(world: World, cloud: str, code: str) -> None:
    world.token_file.write_text("forged.canary.token")
    with pytest.raises(Denied, match=f"code {code}") as caught:
        world.provider(cloud, "pod")()
    assert world.service.endpoint in str(caught.value)
    assert "canary" not in whole_story(caught.value)
    assert len(world.service.journal) == 1


@pytest.mark.parametrize("cloud", _CLOUDS)
def test_an_instance_without_a_role_is_denied(world: World, cloud: str) -> None:
    world.service.role = None
    with pytest.raises(Denied, match="no role is attached to this instance"):
        world.provider(cloud, "instance")()


_TRIED = {
    "oss": ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "the instance role at"],
    "cos": ["TENCENTCLOUD_SECRET_ID", "TKE_WEB_IDENTITY_TOKEN_FILE", "the instance role at"],
}


@pytest.mark.parametrize("cloud", _CLOUDS)
def test_where_nobody_answers_it_ends_soon_and_says_what_was_tried(world: World, cloud: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        world.address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Transient, match="no answer") as caught:
            world.provider(cloud, "instance")()
    text = str(caught.value)
    places = [text.index(tried) for tried in _TRIED[cloud]]
    assert places == sorted(places)
    assert world.address in text
    assert "?credentials=NAME" in text
    assert len(world.time.waits_s) == 1
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_a_passing_failure_is_tried_once_more(world: World, cloud: str, source: str) -> None:
    if (cloud, source) == ("oss", "instance"):
        world.service.session_tokens = False
        world.service.fail(Fault(status=404))
    world.service.fail(Fault(status=503))
    assert world.provider(cloud, source)() == _issued(world)
    assert len(world.time.waits_s) == 1


_PASSING = [
    Fault(status=500, body=b"canary"),
    Fault(status=429),
    Fault(garbage=b"canary: not http\r\n\r\n"),
    Fault(garbage=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncanary"),
    Fault(garbage=b""),
    Fault(hang_s=0.5),
]


@pytest.mark.parametrize("fault", _PASSING, ids=range(len(_PASSING)))
@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_a_service_that_is_not_well_is_transient(world: World, cloud: str, source: str, fault: Fault) -> None:
    world.read_s = 0.1
    world.service.fail(fault, times=20)
    with pytest.raises(Transient) as caught:
        world.provider(cloud, source)()
    assert "canary" not in whole_story(caught.value)


def _bodies() -> list[bytes]:
    keys = {"AccessKeyId": "id", "AccessKeySecret": "canary", "TmpSecretId": "id", "TmpSecretKey": "canary"}
    no_expiry = {"Code": "Success", **keys, "Token": "canary", "SecurityToken": "canary"}
    no_token = {"Code": "Success", **keys, "Expiration": "2030-01-02T00:00:00Z", "ExpiredTime": 1893542400}
    whole = [no_expiry, no_token, {**no_expiry, "Expiration": "canary", "ExpiredTime": "canary"}]
    return [
        *(json.dumps(value).encode() for value in whole),
        *(json.dumps({"Credentials": value, "Response": {"Credentials": value}}).encode() for value in whole),
        b'{"Code": "canary 7", "Response": {"Error": {"Code": "canary0"}}, "Credentials": "canary"}',
        b'{"Code": ["canary"], "Response": "canary"}',
        b'["canary"]',
        b"canary <html>\xff",
        b"",
        b"canary" * 20_000,
    ]


@pytest.mark.parametrize("body", _bodies(), ids=range(len(_bodies())))
@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_strange_answers_are_errors_that_repeat_nothing(
    world: World, caplog: pytest.LogCaptureFixture, cloud: str, source: str, body: bytes
) -> None:
    if source == "instance":
        world.service.fail(Fault(status=404) if cloud == "oss" else Fault(status=200, body=b"recorder"))
        if cloud == "oss":
            world.service.fail(Fault(status=200, body=b"recorder"))
    world.service.fail(Fault(status=200, body=body), times=2)
    with caplog.at_level(logging.DEBUG), pytest.raises(StorageError) as caught:
        world.provider(cloud, source)()
    assert "canary" not in whole_story(caught.value)
    assert "canary" not in caplog.text


def test_an_endless_answer_is_not_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib3.HTTPResponse, "stream", lambda *_, **__: itertools.repeat(bytes(8192)))
    with pytest.raises(Transient, match="longer than 65536 bytes"):
        world.provider("cos", "pod")()


@pytest.mark.parametrize("name", [b"", b"a role", b"<html>\n</html>", "rôle".encode()])
def test_a_name_that_is_none_is_not_asked_for(world: World, name: bytes) -> None:
    world.service.fail(Fault(status=200, body=name))
    with pytest.raises(Denied, match="names no role: attach one"):
        world.provider("cos", "instance")()
    assert len(world.service.journal) == 1


def test_the_name_of_a_role_stays_one_part_of_the_address(world: World) -> None:
    world.service.fail(Fault(status=200, body=b"../../user-data?x"))
    with pytest.raises(Denied):
        world.provider("cos", "instance")()
    assert world.service.journal[-1].target.endswith("/security-credentials/..%2F..%2Fuser-data%3Fx")


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_redirects_are_not_followed(world: World, cloud: str, source: str) -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    world.service.fail(Fault(garbage=redirect), times=5)
    with pytest.raises(Denied, match="status 302"):
        world.provider(cloud, source)()
    assert not [request for request in world.service.journal if request.path == "/elsewhere"]


@pytest.mark.parametrize(
    ("cloud", "status", "body"),
    [
        ("oss", 400, b'{"Code": "Throttling.User"}'),
        ("cos", 200, b'{"Response": {"Error": {"Code": "RequestLimitExceeded"}}}'),
        ("cos", 200, b'{"Response": {"Error": {"Code": "InternalError.DbError"}}}'),
    ],
)
def test_codes_that_pass_are_transient(world: World, cloud: str, status: int, body: bytes) -> None:
    world.service.fail(Fault(status=status, body=body), times=2)
    with pytest.raises(Transient, match="code "):
        world.provider(cloud, "pod")()


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_proxies_of_the_environment_are_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, cloud: str, source: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert world.provider(cloud, source)() == _issued(world)


@pytest.mark.parametrize(("cloud", "source"), _SOURCES)
def test_nothing_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture, cloud: str, source: str) -> None:
    with caplog.at_level(logging.DEBUG):
        found = world.provider(cloud, source)
        found()
        world.now += timedelta(hours=1) - MARGIN
        world.service.fail(Fault(status=503), times=9)
        found()
    assert [record for record in caplog.records if record.levelno == logging.WARNING and "503" in record.getMessage()]
    issued = world.service.issued[0]
    secret = (issued.secret, issued.token, _IDENTITY_TOKEN)
    assert not [text for text in secret if text in caplog.text]
