"""The client of cos-python-sdk-v5 as we use it: no retries, nothing read from the surroundings, credentials of now."""

import ipaddress
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace

from qcloud_cos import CosClientError, CosConfig, CosS3Client
from qcloud_cos.cos_auth import CosS3Auth

from storage.connection import Connection
from storage.cos import CosStore
from storage.credentials import Credentials, Provider
from storage.errors import InvalidUrl
from storage.fetching import Fetching, Sign, SignedGet
from storage.urls import StoreUrl

OPTIONS = {
    "region": "the bucket's region, such as ap-guangzhou",
    "endpoint": "https://host of the region, an internal or an accelerated one",
    "domain": "https://host of the bucket's own domain",
    "credentials": "where the keys come from",
}


def open_cos(url: StoreUrl, credentials: Provider | None, connection: Connection) -> CosStore:
    """The bucket that a URL names; without `credentials` requests are not signed."""
    url.require_known(OPTIONS)
    region = url.required("region", "ap-guangzhou")
    session = connection.session()
    signed_by = None if credentials is None else _Current(credentials)

    def client(read_s: float) -> CosS3Client:
        config = _Config(
            Region=region,
            CredentialInstance=signed_by,
            Anonymous=signed_by is None,
            Timeout=(connection.connect_s, read_s),
            Proxies=connection.proxies,
            VerifySSL=connection.ca_bundle or True,
            **_addresses(url),
        )
        return CosS3Client(config, retry=0, session=session)

    try:
        usual, patient = client(connection.read_s), client(connection.complete_s)
        usual.get_conf().uri(bucket=url.bucket)
    except CosClientError as error:
        raise InvalidUrl("open_store", url.place, f"the SDK refuses it: {error}") from error
    fetching = Fetching(_signing(usual.get_conf(), url.bucket), connection)
    return CosStore(usual, url.bucket, patient=patient, region=region, url=str(url), fetching=fetching)


def _signing(config: CosConfig, bucket: str) -> Sign:
    """The q-sign signature of the header (COS, "Request Signature"), by the SDK's signer."""

    def sign(key: str, headers: Mapping[str, str]) -> SignedGet:
        # compressed on the way, neither the length nor the checksum would be that of the bytes
        signed = {**headers, "Accept-Encoding": "identity"}
        url = config.uri(bucket=bucket, path=key)
        if config._ip:  # noqa: SLF001
            signed["Host"] = config.get_host(Bucket=bucket)
        auth = CosS3Auth(config, key)
        if config._token:  # noqa: SLF001  after the signer has read the id and the secret: see _Current
            signed["x-cos-security-token"] = config._token  # noqa: SLF001
        auth(SimpleNamespace(method="GET", url=url, headers=signed))
        return SignedGet(url, {name: value for name, value in signed.items() if value})

    return sign


def _addresses(url: StoreUrl) -> dict[str, object]:
    """How requests find the bucket. An endpoint that is an IP address is told the bucket in the Host header."""
    own, endpoint = url.address("domain"), url.address("endpoint")
    if own is not None:
        return {"Scheme": own[0], "Domain": own[1]}
    if endpoint is None:
        return {"Scheme": "https"}
    scheme, address = endpoint
    host, _, port = address.rpartition(":")
    with suppress(ValueError):
        ip = ipaddress.ip_address((host or address).strip("[]"))
        return {"Scheme": scheme, "IP": str(ip), "Port": int(port) if host else None}
    return {"Scheme": scheme, "Endpoint": address}


class _Current:
    """What the SDK signs with: the credentials of the moment, whoever renews them.

    The SDK reads the id, then the secret, then the token of one request, in one thread: all are of one moment.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._of_request = threading.local()

    @property
    def secret_id(self) -> str:
        self._of_request.credentials = self.provider()
        return self._now().key_id

    @property
    def secret_key(self) -> str:
        return self._now().secret

    @property
    def token(self) -> str | None:
        return self._now().token

    def _now(self) -> Credentials:
        taken: Credentials | None = getattr(self._of_request, "credentials", None)
        return taken or self.provider()


class _Config(CosConfig):  # type: ignore[misc]
    """The SDK asks its credential instance for the id and secret of each request, but not for the token.

    It reads `_token` after both, when it sends the request.
    """

    @property
    def _token(self) -> str | None:
        signed_by: _Current | None = self._credential_inst
        return signed_by.token if signed_by and not self._fixed_token else self._fixed_token

    @_token.setter
    def _token(self, value: str | None) -> None:
        self._fixed_token = value
