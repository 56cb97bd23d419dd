"""Temporary credentials of a machine's or a pod's role, as Alibaba Cloud and Tencent Cloud issue them.

Sources. Alibaba: "Instance metadata" and "Obtain a temporary authorization token" of the ECS user guide,
AssumeRoleWithOIDC of STS 2015-04-01. Tencent: "Instance roles" of CVM (product/213/47668), AssumeRoleWithWebIdentity of
STS 2018-08-13 (product/1312/73070). What the pages leave open is as in the vendors' own SDKs: aliyun/credentials-python
and -go, TencentCloud/tencentcloud-sdk-python and -go.

Nothing that was sent or received stands in an error or a log, but for the error code of the service.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, urlencode

import urllib3

from storage.errors import Denied, Transient
from storage.renewal import Clock, Credentials, Fields, is_plain, read_json
from storage.retry import Retry

_ALIBABA = Fields("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
_TENCENT = Fields("TmpSecretId", "TmpSecretKey", "Token", "ExpiredTime")
_ANSWER_BYTES = 64 * 1024
_IDENTITY_TOKEN_BYTES = 20_000
"""The longest OIDCToken that AssumeRoleWithOIDC takes."""
_METADATA_TOKEN_SECONDS = "60"  # noqa: S105
"""One token serves two requests; 1 to 21,600 are allowed."""
_ERROR_CODE = re.compile(r"[A-Za-z]{1,40}(\.[A-Za-z]{1,40}){0,3}")
_PASSING_CODES = ("Throttling", "RequestLimitExceeded", "InternalError", "ServiceUnavailable")
_SESSION_NAME = "aftertake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where credentials are issued (addresses without a slash at the end), and how long to wait for it."""

    alibaba_metadata: str = "http://100.100.100.200"
    alibaba_sts: str = "https://sts.aliyuncs.com"
    tencent_metadata: str = "http://metadata.tencentyun.com"
    tencent_sts: str = "https://sts.tencentcloudapi.com"
    connect_s: float = 1.5
    metadata_read_s: float = 2.0
    sts_read_s: float = 5.0
    retry: Retry = field(default_factory=lambda: Retry(attempts=2, patience_s=15.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebIdentity:
    """The role of a Kubernetes workload. `token_file` is read at each renewal: the cluster replaces it.

    `region` is Tencent's; Alibaba has one address for all.
    """

    role_arn: str
    provider: str
    token_file: Path
    session_name: str = _SESSION_NAME
    region: str = ""

    def token(self) -> str:
        """The signed token of the pod. Raises Denied when the file holds none."""
        try:
            with self.token_file.open("rb") as file:
                text = file.read(_IDENTITY_TOKEN_BYTES + 1).strip().decode("ascii", "replace")
        except OSError as error:
            raise Denied("credentials", str(self.token_file), f"no identity token: {error.strerror}") from error
        if not is_plain(text) or len(text) > _IDENTITY_TOKEN_BYTES:
            raise Denied("credentials", str(self.token_file), "this file holds no identity token")
        return text


def alibaba_instance(services: Services) -> Credentials:
    """Those of the RAM role of this ECS instance; the session token of security hardening mode is tried first."""
    client = _Client(services.alibaba_metadata, services.metadata_read_s, services)
    headers = _alibaba_session(client)
    path = "/latest/meta-data/ram/security-credentials/"
    return _instance(client, path, headers, _ALIBABA)


def _alibaba_session(client: "_Client") -> dict[str, str]:
    """No headers, where the instance has the normal mode only."""
    ttl = {"X-aliyun-ecs-metadata-token-ttl-seconds": _METADATA_TOKEN_SECONDS}
    try:
        token = client.once("PUT", "/latest/api/token", headers=ttl).decode("ascii", "replace").strip()
    except (Transient, Denied):
        return {}
    return {"X-aliyun-ecs-metadata-token": token} if is_plain(token) else {}


def tencent_instance(services: Services) -> Credentials:
    """Those of the CAM role of this CVM instance."""
    client = _Client(services.tencent_metadata, services.metadata_read_s, services)
    return _instance(client, "/latest/meta-data/cam/security-credentials/", {}, _TENCENT)


def _instance(client: "_Client", path: str, headers: Mapping[str, str], fields: Fields) -> Credentials:
    role = client.get(path, headers=headers).decode("utf-8", "replace").strip()
    if not is_plain(role):
        client.denied("the metadata service names no role: attach one to this instance")
    answer = client.get(path + quote(role, safe=""), headers=headers)
    value = read_json(answer)
    if not isinstance(value, dict) or value.get("Code") != "Success":
        client.failed("the metadata service did not issue credentials", _code(value))
    return client.issued(fields, value)


def alibaba_web_identity(identity: WebIdentity, services: Services, clock: Clock) -> Credentials:
    """Those of the RAM role of a pod (RRSA). The token travels in the body: addresses are logged."""
    client = _Client(services.alibaba_sts, services.sts_read_s, services)
    called = {"Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON"}
    query = urlencode(called | {"Timestamp": clock().strftime("%Y-%m-%dT%H:%M:%SZ")})
    form = {
        "RoleArn": identity.role_arn,
        "OIDCProviderArn": identity.provider,
        "OIDCToken": identity.token(),
        "RoleSessionName": identity.session_name,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    value = read_json(client.post(f"/?{query}", headers=headers, body=urlencode(form)))
    return client.issued(_ALIBABA, value.get("Credentials") if isinstance(value, dict) else None)


def tencent_web_identity(identity: WebIdentity, services: Services, clock: Clock) -> Credentials:
    """Those of the CAM role of a pod. Faults come with status 200 too, so the answer says which it is."""
    client = _Client(services.tencent_sts, services.sts_read_s, services)
    headers = {
        "Authorization": "SKIP",
        "Content-Type": "application/json",
        "X-TC-Action": "AssumeRoleWithWebIdentity",
        "X-TC-Version": "2018-08-13",
        "X-TC-Region": identity.region,
        "X-TC-Timestamp": str(int(clock().timestamp())),
    }
    body = {
        "ProviderId": identity.provider,
        "WebIdentityToken": identity.token(),
        "RoleArn": identity.role_arn,
        "RoleSessionName": identity.session_name,
    }
    return client.issued(_TENCENT, _tencent_fields(client, client.post("/", headers=headers, body=json.dumps(body))))


def _tencent_fields(client: "_Client", answer: bytes) -> object:
    value = read_json(answer)
    response = value.get("Response") if isinstance(value, dict) else None
    if not isinstance(response, dict):
        return None
    if "Error" in response:
        client.failed("the role was not given", _code(response["Error"]))
    credentials = response.get("Credentials")
    expiry = {_TENCENT.expires_at: response.get(_TENCENT.expires_at)}
    return {**credentials, **expiry} if isinstance(credentials, dict) else None


class _Client:
    """Small requests to one service: no proxy, no redirect, no waiting."""

    def __init__(self, base: str, read_s: float, services: Services) -> None:
        self._base = base
        self._retry = services.retry
        timeout = urllib3.Timeout(connect=services.connect_s, read=read_s)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout)

    def get(self, path: str, *, headers: Mapping[str, str]) -> bytes:
        return self._retry.call(lambda: self.once("GET", path, headers=headers))

    def post(self, path: str, *, headers: Mapping[str, str], body: str) -> bytes:
        """Asking twice harms nobody: the first credentials just go unused."""
        return self._retry.call(lambda: self.once("POST", path, headers=headers, body=body))

    def once(self, method: str, path: str, *, headers: Mapping[str, str], body: str | None = None) -> bytes:
        """The body of a 200. Errors come without the library's: its text may repeat what the service sent."""
        try:
            status, answer = self._exchange(method, path, headers, body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            fault = type(error).__name__
        else:
            return self._checked(status, answer, _HINTS.get(status, "") if method == "GET" else "")
        raise Transient("credentials", self._base, f"no answer ({fault})")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> tuple[int, bytes]:
        response = self._pool.request(
            method, self._base + path, headers=dict(headers), body=body, redirect=False, preload_content=False
        )
        try:
            return response.status, _bounded(response)
        finally:
            response.close()

    def _checked(self, status: int, answer: bytes, hint: str) -> bytes:
        if status in {408, 429} or status >= 500:
            raise Transient("credentials", self._base, f"it answers with status {status}")
        if status != 200:
            self.failed(f"it answers with status {status}{hint}", _code(read_json(answer)))
        if len(answer) > _ANSWER_BYTES:
            raise Transient("credentials", self._base, f"its answer is longer than {_ANSWER_BYTES} bytes")
        return answer

    def failed(self, detail: str, code: str) -> NoReturn:
        """Transient, if the code of the service says that it passes."""
        kind = Transient if code.startswith(_PASSING_CODES) else Denied
        raise kind("credentials", self._base, f"{detail}, code {code}" if code else detail)

    def denied(self, detail: str) -> NoReturn:
        raise Denied("credentials", self._base, detail)

    def issued(self, fields: Fields, value: object) -> Credentials:
        """Credentials that expire, or Transient: the service is not well, or not what it should be."""
        try:
            credentials = fields.credentials(value)
        except ValueError as error:
            fault = str(error)
        else:
            if credentials.token is not None and credentials.expires_at is not None:
                return credentials
            fault = f"{fields.token} or {fields.expires_at} is missing"
        raise Transient("credentials", self._base, f"its answer holds no credentials: {fault}")


_HINTS: Mapping[int, str] = {  # of the metadata services, which are the ones that are asked with GET
    403: " (it may want a session token that it does not issue here)",
    404: " (no role is attached to this instance)",
}


def _bounded(response: urllib3.BaseHTTPResponse) -> bytes:
    """To the end, so that a body that was cut off is noticed; or a little more than may be."""
    answer = bytearray()
    for piece in response.stream(8192, decode_content=False):
        answer += piece
        if len(answer) > _ANSWER_BYTES:
            break
    return bytes(answer)


def _code(value: object) -> str:
    """The error code in an answer, if it looks like one: words and dots, so that no key or token passes for it."""
    code = value.get("Code") if isinstance(value, dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


InstanceRole = Callable[[Services], Credentials]
WebIdentityRole = Callable[[WebIdentity, Services, Clock], Credentials]
