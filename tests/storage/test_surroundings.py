"""What lies around changes nothing: proxies, .netrc, the SDKs' own files and variables. What is asked for does."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from deployments.sandbox.clouds import Account, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.identity import IdentityService
from storage.base import ObjectStore
from storage.connection import Connection
from storage.cos_client import open_cos
from storage.credentials import Credentials, Provider, Services, provider
from storage.errors import StorageError
from storage.keys import output_key
from storage.opening import open_store
from storage.oss import open_oss
from storage.s3_client import open_s3
from storage.urls import StoreUrl
from tests.clouds import CLOUDS, ENVIRONMENT, new_bucket, running_clouds
from tests.relays import Relay

KEY = output_key("room/one.ts")
DEAD = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> CloudName:
    name: CloudName = request.param
    return name


def use(store: ObjectStore) -> None:
    store.put(KEY, b"abc")
    assert [meta.key for meta in store.list()] == [KEY]
    assert store.head(KEY).size_bytes == 3
    with store.open(KEY, start=1) as body:
        assert body.read(10) == b"bc"
    upload = store.start_multipart(KEY)
    upload.put_part(1, b"joined")
    upload.complete()
    store.copy(KEY, output_key("copy"))
    with build_opener(ProxyHandler({})).open(store.presign_get(KEY, 60, "one.ts")) as answer:
        assert answer.read() == b"joined"
    for key in (KEY, "copy"):
        store.delete(key)


def homely(home: Path) -> None:
    """A home with everything in it that the SDKs look for, all of it wrong."""
    (home / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (home / ".netrc").chmod(0o600)
    (home / ".aws").mkdir()
    other = f"region = eu-west-9\nendpoint_url = {DEAD}\nmax_attempts = 9\nretry_mode = adaptive\nca_bundle = /none\n"
    s3 = (
        "s3 =\n    addressing_style = virtual\n    use_accelerate_endpoint = true\n    payload_signing_enabled = true\n"
    )
    checks = "request_checksum_calculation = when_supported\nresponse_checksum_validation = when_supported\n"
    (home / ".aws/config").write_text(f"[default]\n{other}{s3}{checks}[profile other]\n{other}")
    (home / ".aws/credentials").write_text("[default]\naws_access_key_id = WRONG\naws_secret_access_key = WRONG\n")
    (home / ".aws/models/s3/2006-03-01").mkdir(parents=True)
    (home / ".aws/models/s3/2006-03-01/service-2.json").write_text("{}")
    (home / ".aws/models/endpoints.json").write_text("{}")
    (home / ".cos.conf").write_text("[common]\nsecret_id = WRONG\nsecret_key = WRONG\nregion = ap-none\n")
    (home / ".ossutilconfig").write_text("[Credentials]\naccessKeyID = WRONG\naccessKeySecret = WRONG\n")


PROXIES = {
    f"{name}": DEAD for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
} | {"NO_PROXY": "", "no_proxy": ""}
AMAZON = {
    "AWS_ACCESS_KEY_ID": "WRONG",
    "AWS_SECRET_ACCESS_KEY": "WRONG",
    "AWS_SESSION_TOKEN": "WRONG",
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_REGION": "eu-west-9",
    "AWS_DEFAULT_REGION": "eu-west-9",
    "AWS_ENDPOINT_URL": DEAD,
    "AWS_ENDPOINT_URL_S3": DEAD,
    "AWS_CA_BUNDLE": "/none",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy",
    "AWS_DEFAULTS_MODE": "mobile",
    "AWS_STS_REGIONAL_ENDPOINTS": "legacy",
    "AWS_DATA_PATH": "/none",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/wrong",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/none",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{DEAD}/keys",
    "AWS_BEARER_TOKEN_S3": "WRONG",
}
OTHERS = {
    "OSS_ACCESS_KEY_ID": "WRONG",
    "OSS_ACCESS_KEY_SECRET": "WRONG",
    "OSS_SESSION_TOKEN": "WRONG",
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "WRONG",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "WRONG",
    "COS_SECRET_ID": "WRONG",
    "COS_SECRET_KEY": "WRONG",
    "COS_REGION": "WRONG",
    "TENCENTCLOUD_SECRET_ID": "WRONG",
    "TENCENTCLOUD_SECRET_KEY": "WRONG",
    "REQUESTS_CA_BUNDLE": "/none",
    "CURL_CA_BUNDLE": "/none",
    "SSL_CERT_FILE": "/none",
    "NETRC": "/none",
}


def surround(monkeypatch: pytest.MonkeyPatch, home: Path, variables: Mapping[str, str]) -> None:
    homely(home)
    monkeypatch.setenv("HOME", str(home))
    for name in os.environ:
        if name.startswith(("AWS_", "AFTERTAKE_")):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


class TestNothingAroundCounts:
    @pytest.mark.parametrize("variables", [PROXIES, AMAZON, OTHERS, PROXIES | AMAZON | OTHERS])
    def test_variables_and_files(
        self,
        clouds: Clouds,
        cloud: CloudName,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        variables: dict[str, str],
    ) -> None:
        surround(monkeypatch, tmp_path, variables)
        clouds.journal.clear()
        use(open_store(new_bucket(clouds, cloud), environment=ENVIRONMENT))
        seen = clouds.journal.seen()
        assert {one.account for one in seen} == {"AKSANDBOX"}
        assert {one.status for one in seen} <= {200, 204, 206}
        assert len(seen) == 12

    def test_requests_are_the_same_ones(
        self, clouds: Clouds, cloud: CloudName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def asked() -> list[tuple[str, str, frozenset[str]]]:
            clouds.journal.clear()
            use(open_store(new_bucket(clouds, cloud), environment=ENVIRONMENT))
            return [(one.method, one.operation, frozenset(one.headers)) for one in clouds.journal.seen()]

        plain = asked()
        surround(monkeypatch, tmp_path, PROXIES | AMAZON | OTHERS)
        assert asked() == plain


class TestWhatIsAskedFor:
    def test_our_own_proxy_sees_every_request(self, clouds: Clouds, cloud: CloudName) -> None:
        url = new_bucket(clouds, cloud)
        clouds.journal.clear()
        with Relay(clouds.port) as relay:
            proxy = relay.url.replace("http://", "http://me:pass%20word@")
            store = open_store(url, environment={**ENVIRONMENT, "AFTERTAKE_PROXY": proxy})
            store.put(KEY, b"abc")
            assert len(list(store.list())) == 1
            with store.open(KEY) as opened:
                assert opened.read(9) == b"abc"
            sent = bytes(relay.sent).split(b"\r\n")
        lines = [line for line in sent if line.endswith(b" HTTP/1.1")]
        assert len(lines) == 3
        assert all(line.split()[1].startswith(b"http://") for line in lines)
        said = b"proxy-authorization: basic " + base64.b64encode(b"me:pass word").lower()
        assert [line.lower() for line in sent if line.lower().startswith(b"proxy-authorization")] == [said] * 3

    @pytest.mark.parametrize("value", [None, "", "/certificates.pem"])
    def test_our_own_certificates_are_handed_on(self, value: str | None) -> None:
        environment = {} if value is None else {"AFTERTAKE_CA_BUNDLE": value}
        connection = Connection.from_environment(environment)
        assert connection.session().verify == (value or True)
        assert connection.session().trust_env is False

    def test_a_file_of_certificates_that_is_none_is_not_passed_over(self, clouds: Clouds, cloud: CloudName) -> None:
        regions = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
        endpoint = clouds.endpoint.replace("http:", "https:")
        url = f"{cloud}://bucket-1250000000/?region={regions[cloud]}&endpoint={endpoint}"
        store = open_store(url, environment={**ENVIRONMENT, "AFTERTAKE_CA_BUNDLE": "/none.pem"})
        with pytest.raises(StorageError, match=r"none\.pem|certificate|No such file"):
            store.head(KEY)

    def test_the_chain_of_s3_reads_what_amazon_s_own_tools_read(
        self, clouds: Clouds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        url = new_bucket(clouds, "s3") + "&credentials=chain"
        keys = {"AWS_ACCESS_KEY_ID": "AKSANDBOX", "AWS_SECRET_ACCESS_KEY": ENVIRONMENT["AFTERTAKE_S3_SECRET"]}
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        use(open_store(url, environment={}))


class Keys:
    """A file of credentials that somebody replaces; each is known to the clouds, the one before no longer."""

    def __init__(self, clouds: Clouds, path: Path) -> None:
        self.clouds = clouds
        self.path = path
        self.number = 0

    def renew(self) -> None:
        if self.number:
            self.clouds.remove_account(f"AK{self.number}")
        self.number += 1
        key_id, secret, token = (f"{name}{self.number}" for name in ("AK", "secret-", "token-"))
        fields = {"key_id": key_id, "secret": secret, "token": token}
        self.clouds.add_account(Account(key_id=key_id, secret=secret, token=token))
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(fields))
        new.replace(self.path)


class TestCredentialsThatRotate:
    def test_the_next_request_has_the_new_ones(self, clouds: Clouds, cloud: CloudName, tmp_path: Path) -> None:
        keys = Keys(clouds, tmp_path / "keys.json")
        keys.renew()
        store = open_store(f"{new_bucket(clouds, cloud)}&credentials={keys.path}", environment={})
        for _ in range(3):
            use(store)
            keys.renew()
        upload = store.start_multipart(KEY)
        part = b"x" * store.capabilities.min_part_bytes
        for number in range(1, 5):
            upload.put_part(number, part)
            keys.renew()
        upload.complete(create_only=True)
        keys.renew()
        with store.open(KEY) as body:
            assert body.read(10) == part[:10]

    def test_a_presigned_url_has_key_and_token_of_one_moment(
        self, clouds: Clouds, cloud: CloudName, tmp_path: Path
    ) -> None:
        keys = Keys(clouds, tmp_path / "keys.json")
        keys.renew()
        store = open_store(f"{new_bucket(clouds, cloud)}&credentials={keys.path}", environment={})
        store.put(KEY, b"abc")
        keys.renew()
        with build_opener(ProxyHandler({})).open(store.presign_get(KEY, 60, "one.ts")) as answer:
            assert answer.read() == b"abc"

    @pytest.mark.parametrize("cloud", ["oss", "cos"])
    def test_a_role_s_keys_are_renewed_before_they_are_over(self, clouds: Clouds, cloud: CloudName) -> None:
        """In the middle of an upload: eight of ten minutes later the clouds know only the keys issued last."""
        later = timedelta()

        def issued(key_id: str, secret: str, token: str, expires_at: datetime) -> None:
            clouds.add_account(Account(key_id=key_id, secret=secret, token=token, expires_at=expires_at))

        with IdentityService(lifetime=timedelta(minutes=10), on_issue=issued) as service:
            address = service.endpoint
            found = provider(
                cloud,
                "chain",
                environment={},
                services=Services(alibaba_metadata=address, tencent_metadata=address),
                clock=lambda: datetime.now(UTC) + later,
                monotonic=lambda: time.monotonic() + later.total_seconds(),
            )
            store = _opened(cloud, StoreUrl.parse(new_bucket(clouds, cloud)), found)
            upload = store.start_multipart(KEY)
            upload.put_part(1, b"x" * store.capabilities.min_part_bytes)
            later = timedelta(minutes=8)
            upload.put_part(2, b"renewed")
            clouds.remove_account(service.issued[0].key_id)
            upload.complete()
        assert len(service.issued) == 2

    def test_key_secret_and_token_are_of_one_moment(self, clouds: Clouds, cloud: CloudName) -> None:
        """Sixteen threads, and other credentials at each look: a mixed request would be refused."""
        numbers, lock = iter(range(10_000)), threading.Lock()

        def fresh() -> Credentials:
            with lock:
                number = next(numbers)
            key_id, secret, token = (f"{name}{number}" for name in ("RK", "rs", "rt"))
            clouds.add_account(Account(key_id=key_id, secret=secret, token=token))
            return Credentials(key_id=key_id, secret=secret, token=token)

        url = StoreUrl.parse(new_bucket(clouds, cloud))
        store = _opened(cloud, url, fresh)
        clouds.journal.clear()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: store.put(output_key(f"{number}"), b"abc"), range(160)))
        seen = clouds.journal.seen()
        assert [one.status for one in seen] == [200] * 160
        assert len({one.account for one in seen}) == 160


Open = Callable[[StoreUrl, Provider | None, Connection], ObjectStore]
OPENERS: Mapping[str, Open] = {"s3": open_s3, "oss": open_oss, "cos": open_cos}


def _opened(cloud: CloudName, url: StoreUrl, keys: Provider | None) -> ObjectStore:
    return OPENERS[cloud](url, keys, Connection())
