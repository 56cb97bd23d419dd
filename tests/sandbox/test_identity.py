import json
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import botocore.exceptions
import pytest
import urllib3
from botocore.credentials import Credentials

from deployments.sandbox.identity import Fault, IdentityService

_NO_RETRIES = urllib3.Retry(0, redirect=False)


@pytest.fixture
def service() -> Iterator[IdentityService]:
    with IdentityService() as service:
        yield service


def _ask(
    service: IdentityService, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
) -> tuple[int, bytes]:
    with urllib3.PoolManager() as pool:
        response = pool.request(
            method, service.endpoint + path, headers=dict(headers or {}), body=body, retries=_NO_RETRIES, timeout=5
        )
        return response.status, response.data


_CREDENTIALS = "/latest/meta-data/{}/security-credentials/"


@pytest.mark.parametrize(
    ("cloud", "fields"),
    [
        ("ram", {"AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration", "LastUpdated", "Code"}),
        ("cam", {"TmpSecretId", "TmpSecretKey", "Token", "ExpiredTime", "Expiration", "Code"}),
        ("iam", {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", "LastUpdated", "Code", "Type"}),
    ],
)
def test_metadata_names_the_role_and_issues_its_credentials(
    service: IdentityService, cloud: str, fields: set[str]
) -> None:
    path = _CREDENTIALS.format(cloud)
    assert _ask(service, "GET", path) == (200, b"recorder")
    status, document = _ask(service, "GET", path + "recorder")
    assert status == 200
    assert set(json.loads(document)) == fields
    assert _ask(service, "GET", path + "other")[0] == 404


@pytest.mark.parametrize(
    ("cloud", "vendor", "refusal"),
    [("ram", "X-aliyun-ecs-metadata-token", 403), ("iam", "X-aws-ec2-metadata-token", 401)],
)
def test_hardened_metadata_wants_a_session_token(cloud: str, vendor: str, refusal: int) -> None:
    path = _CREDENTIALS.format(cloud)
    with IdentityService(hardened=True) as service:
        assert _ask(service, "GET", path)[0] == refusal
        assert _ask(service, "PUT", "/latest/api/token", {f"{vendor}-ttl-seconds": "0"})[0] == 400
        status, token = _ask(service, "PUT", "/latest/api/token", {f"{vendor}-ttl-seconds": "60"})
        assert status == 200
        assert _ask(service, "GET", path, {vendor: token.decode()}) == (200, b"recorder")
        assert _ask(service, "GET", path, {vendor: "forged"})[0] == refusal


def test_an_instance_without_a_role_has_no_credentials() -> None:
    with IdentityService(role=None) as service:
        assert [_ask(service, "GET", _CREDENTIALS.format(cloud))[0] for cloud in ("ram", "cam", "iam")] == [404] * 3


def test_accounts_are_known_before_they_are_used() -> None:
    told: list[tuple[Any, ...]] = []
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    with IdentityService(
        on_issue=lambda *account: told.append(account), lifetime=timedelta(minutes=20), clock=lambda: moment
    ) as service:
        document = json.loads(_ask(service, "GET", _CREDENTIALS.format("cam") + "recorder")[1])
    assert told == [
        (document["TmpSecretId"], document["TmpSecretKey"], document["Token"], moment + timedelta(minutes=20))
    ]
    assert document["Expiration"] == "2030-01-02T03:24:05Z"
    assert document["ExpiredTime"] == int(told[0][3].timestamp())


_OIDC = {
    "Action": "AssumeRoleWithOIDC",
    "Version": "2015-04-01",
    "Format": "JSON",
    "Timestamp": "2030-01-01T00:00:00Z",
    "RoleArn": "acs:ram::1:role/recorder",
    "OIDCProviderArn": "acs:ram::1:oidc-provider/cluster",
    "OIDCToken": "header.claims.signature",
    "RoleSessionName": "test",
}


def test_alibaba_takes_its_parameters_from_query_and_form(service: IdentityService) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, document = _ask(service, "POST", "/?Action=AssumeRoleWithOIDC", form, urlencode(_OIDC))
    assert status == 200
    assert set(json.loads(document)["Credentials"]) == {"AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"OIDCToken": "forged"}, 401, "AuthenticationFail.OIDCToken.Invalid"),
        ({"RoleArn": ""}, 400, "MissingParameter"),
        ({"Version": "2014-01-01"}, 400, "InvalidVersion"),
    ],
)
def test_alibaba_refuses(service: IdentityService, change: dict[str, str], status: int, code: str) -> None:
    answered, document = _ask(service, "POST", "/?" + urlencode(_OIDC | change))
    assert (answered, json.loads(document)["Code"]) == (status, code)
    assert not service.issued


_TC = {
    "Authorization": "SKIP",
    "X-TC-Action": "AssumeRoleWithWebIdentity",
    "X-TC-Version": "2018-08-13",
    "X-TC-Region": "ap-guangzhou",
    "X-TC-Timestamp": "1893456000",
}
_TC_BODY = {
    "ProviderId": "cluster",
    "WebIdentityToken": "header.claims.signature",
    "RoleArn": "qcs::cam::uin/1:roleName/recorder",
    "RoleSessionName": "test",
}


def test_tencent_takes_a_call_that_is_not_signed(service: IdentityService) -> None:
    response = json.loads(_ask(service, "POST", "/", _TC, json.dumps(_TC_BODY))[1])["Response"]
    assert set(response) == {"Credentials", "ExpiredTime", "Expiration", "RequestId"}
    assert set(response["Credentials"]) == {"TmpSecretId", "TmpSecretKey", "Token"}


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (_TC | {"Authorization": "TC3-HMAC-SHA256"}, json.dumps(_TC_BODY), "AuthFailure.SignatureFailure"),
        (_TC, "{", "InvalidRequest"),
        (_TC, json.dumps(_TC_BODY | {"RoleArn": ""}), "MissingParameter"),
        (_TC, json.dumps(_TC_BODY | {"WebIdentityToken": "x"}), "InvalidParameter.WebIdentityTokenError"),
    ],
)
def test_tencent_refuses_with_status_200(
    service: IdentityService, headers: dict[str, str], body: str, code: str
) -> None:
    status, document = _ask(service, "POST", "/", headers, body)
    assert (status, json.loads(document)["Response"]["Error"]["Code"]) == (200, code)


def test_faults_are_used_up(service: IdentityService) -> None:
    path = _CREDENTIALS.format("cam")
    service.fail(Fault(status=503), times=2)
    service.fail(Fault(garbage=b"\x00not http\r\n\r\n"))
    service.fail(Fault())
    assert [_ask(service, "GET", path)[0] for _ in range(2)] == [503, 503]
    for _ in range(2):
        with pytest.raises(urllib3.exceptions.HTTPError):
            _ask(service, "GET", path)
    assert _ask(service, "GET", path)[0] == 200
    assert len(service.seen("tencent-metadata")) == 5


def test_a_hanging_answer_does_not_outlive_the_service() -> None:
    with IdentityService() as service:
        service.fail(Fault(hang_s=60))
        with socket.create_connection(("127.0.0.1", int(service.endpoint.rsplit(":", 1)[1])), timeout=5) as caller:
            caller.sendall(b"GET /latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n")
            while not service.journal:
                time.sleep(0.005)
            service.__exit__(None, None, None)
            assert caller.recv(1) == b""


def test_what_nobody_serves_is_not_found(service: IdentityService) -> None:
    assert _ask(service, "GET", "/latest/user-data")[0] == 404
    assert _ask(service, "POST", "/", body="Action=GetCallerIdentity")[0] == 404
    assert [request.service for request in service.journal] == [None, None]


def test_the_journal_does_not_show_what_is_secret(service: IdentityService) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _ask(service, "POST", "/?Action=AssumeRoleWithOIDC", form, urlencode(_OIDC))
    shown = repr(service.journal) + repr(service.issued)
    issued = service.issued[0]
    assert not any(secret in shown for secret in (issued.secret, issued.token, "header.claims.signature"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which boto3's chain finds only what a test puts there."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "HTTP_PROXY",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return monkeypatch


def test_boto3_finds_the_role_of_its_instance(aws: pytest.MonkeyPatch) -> None:
    with IdentityService(hardened=True) as service:
        aws.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint)
        found = boto3.Session().get_credentials().get_frozen_credentials()
        issued = service.issued[0]
    assert (found.access_key, found.secret_key, found.token) == (issued.key_id, issued.secret, issued.token)
    assert [request.method for request in service.seen("aws-metadata")] == ["PUT", "GET", "GET"]


def _web_identity(aws: pytest.MonkeyPatch, service: IdentityService, tmp_path: Path, token: str) -> Credentials:
    (tmp_path / "token").write_text(token)
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    aws.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/recorder")
    aws.setenv("AWS_ENDPOINT_URL_STS", service.endpoint)
    aws.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found: Credentials = boto3.Session().get_credentials()
    return found


def test_boto3_finds_the_role_of_its_pod(aws: pytest.MonkeyPatch, service: IdentityService, tmp_path: Path) -> None:
    found = _web_identity(aws, service, tmp_path, service.identity_token).get_frozen_credentials()
    issued = service.issued[0]
    assert (found.access_key, found.secret_key, found.token) == (issued.key_id, issued.secret, issued.token)
    assert [request.service for request in service.journal] == ["aws-sts"]


def test_boto3_is_refused_a_role_for_a_forged_token(
    aws: pytest.MonkeyPatch, service: IdentityService, tmp_path: Path
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidIdentityToken"):
        _web_identity(aws, service, tmp_path, "forged").get_frozen_credentials()
