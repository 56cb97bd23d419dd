"""boto3's client as we use it: nothing read from the surroundings, no retries and no checks of its own.

boto3 reads some forty environment variables, `~/.aws/config`, `~/.aws/credentials` and `~/.aws/models`. Here all of
them are answered with botocore's own defaults, so that a store URL means the same on every machine. Who wants the
default chain of credentials says `?credentials=chain`, and then gets all of it.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import boto3
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.handlers import validate_bucket_name
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

from storage.connection import Connection
from storage.credentials import Provider
from storage.errors import InvalidUrl
from storage.fetching import Fetching, Sign, SignedGet
from storage.s3 import EqualPartsS3Store, S3Rules, S3Store, answered
from storage.urls import StoreUrl

OPTIONS = {
    "region": "the bucket's region, us-east-1 unless said",
    "endpoint": "https://host of an S3-compatible store",
    "addressing": "path or virtual: where the bucket's name stands in the URL",
    "checksums": "crc64nvme or none: whether uploads and downloads carry CRC64NVME",
    "etags": "md5 or opaque: whether the ETag of a plain put is its MD5",
    "parts": "any or equal: whether all parts of an upload must have one size",
    "creates": "atomic or asked: whether If-None-Match is kept on writes",
    "credentials": "where the keys come from",
}
_CHECKSUM_MODE = "x-amz-checksum-mode"


def open_s3(url: StoreUrl, credentials: Provider | None, connection: Connection) -> S3Store:
    """The bucket that a URL names. `credentials` None means the default chain, or nobody with `credentials=none`."""
    url.require_known(OPTIONS)
    endpoint = url.address("endpoint")
    amazon = endpoint is None
    rules = S3Rules(
        checksums=url.choice("checksums", ("crc64nvme", "none") if amazon else ("none", "crc64nvme")) == "crc64nvme",
        md5_etags=url.choice("etags", ("md5", "opaque")) == "md5",
        conditional_writes=url.choice("creates", ("atomic", "asked")) == "atomic",
    )
    config = Config(
        signature_version=UNSIGNED if url.options.get("credentials") == "none" else "s3v4",
        region_name=url.options.get("region", "us-east-1"),
        s3={"addressing_style": url.choice("addressing", ("virtual", "path") if amazon else ("path", "virtual"))},
        max_pool_connections=connection.pool,
        connect_timeout=connection.connect_s,
        read_timeout=connection.read_s,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies=connection.proxies,
        ignore_configured_endpoint_urls=True,
    )
    session = _session(credentials, chain=url.options.get("credentials") == "chain")
    try:
        client = boto3.Session(botocore_session=session).client(
            "s3",
            config=config,
            endpoint_url=None if endpoint is None else "://".join(endpoint),
            verify=connection.ca_bundle or True,
        )
        validate_bucket_name({"Bucket": url.bucket})
    except (BotoCoreError, ValueError) as error:
        raise InvalidUrl("open_store", url.place, f"boto3 refuses it: {str(error).rstrip('.')}") from error
    client.meta.events.register("before-call.s3", _never_redirect)
    if rules.checksums:
        client.meta.events.register("before-sign.s3.HeadObject", _ask_for_checksums)
    fetching = Fetching(_signing(session, client, url.bucket, rules), connection)
    kind = EqualPartsS3Store if url.choice("parts", ("any", "equal")) == "equal" else S3Store
    return kind(client, url.bucket, url=str(url), rules=rules, fetching=fetching)


def _session(credentials: Provider | None, *, chain: bool) -> Session:
    session = Session()
    if not chain:
        _isolate(session)
        nobody = Credentials("", "")
        found = nobody if credentials is None else _Current(credentials)
        session._credentials = found  # noqa: SLF001  set_credentials takes values, not a source of them
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    return session


def _isolate(session: Session) -> None:
    defaults = {
        name: ConstantProvider(default) for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    nothing = {"config_file": ConstantProvider(None), "credentials_file": ConstantProvider(None)}
    sections = {"s3": ConstantProvider({}), "proxies_config": ConstantProvider({})}
    session.register_component("config_store", ConfigValueStore(mapping=defaults | nothing | sections))
    session.register_component("data_loader", _models())


class _Current(Credentials):  # type: ignore[misc]
    """What botocore signs with: the credentials of the moment, whoever renews them."""

    def __init__(self, provider: Provider) -> None:
        super().__init__("", "")
        self._provider = provider

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        now = self._provider()
        return ReadOnlyCredentials(now.key_id, now.secret, now.token)


def _never_redirect(context: dict[str, Any], **_: object) -> None:
    """A bucket in another region is refused, whatever is asked: botocore would ask twice for each first answer."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _ask_for_checksums(request: AWSRequest, **_: object) -> None:
    """Ask S3 for its checksum where botocore is told to leave checksums alone."""
    request.headers[_CHECKSUM_MODE] = "ENABLED"


def _signing(session: Session, client: Any, bucket: str, rules: S3Rules) -> Sign:
    """Signature version 4 in the header (Amazon S3 API reference, "Authenticating Requests"), by botocore's signer."""
    unsigned = client.meta.config.signature_version is UNSIGNED
    asked = {_CHECKSUM_MODE: "ENABLED"} if rules.checksums else {}

    @cache
    def address() -> str:
        """What stands before the key, as botocore's rules for endpoints have it."""
        example: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
        return example.partition("?")[0].removesuffix("x")

    def signed(key: str, headers: Mapping[str, str]) -> SignedGet:
        request = AWSRequest("GET", address() + quote(key, safe="/~"), headers={**headers, **asked})
        if not unsigned:
            found = session.get_credentials()
            now = found.get_frozen_credentials() if found else None
            S3SigV4Auth(now, "s3", client.meta.region_name).add_auth(request)
        return SignedGet(request.url, dict(request.headers.items()))

    return lambda key, headers: answered("open", key, lambda: signed(key, headers))


@cache
def _models() -> Loader:
    """The descriptions of AWS's API that botocore brings along; one for all clients, as reading them takes a while."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _timestamp(text: Any) -> datetime:
    """Times of listings and headers; botocore's own parser takes half of the time of a listing."""
    iso = isinstance(text, str) and text.endswith("Z")
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(text) if iso else parsedate_to_datetime(text)
    other: datetime = parse_timestamp(text)
    return other
