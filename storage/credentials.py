"""Where the keys of a store come from: its URL's `?credentials=`, which names a place and never holds a key.

    (nothing)            AFTERTAKE_OSS_KEY_ID, AFTERTAKE_OSS_SECRET and, for temporary ones, AFTERTAKE_OSS_TOKEN
    NAME                 AFTERTAKE_NAME_KEY_ID and so on, for a second account
    /run/secrets/a.json  {"key_id", "secret", "token"?, "expires_at"?}, read again whenever it was replaced
    chain                what the cloud's own tools use: environment, the pod's web identity, the instance's role
    none                 no credentials at all: for buckets that everybody may read

Why not the chain by default? Because then a forgotten variable is somebody else's account.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from storage import roles
from storage.errors import Denied, StorageError, Unsupported
from storage.renewal import Clock, Credentials, Fields, Provider, Renewed, is_plain, read_json, utc_now
from storage.roles import Services, WebIdentity

__all__ = ["Credentials", "Provider", "Services", "provider"]

_log = logging.getLogger(__name__)

CLOUDS = ("s3", "oss", "cos")
_NAME = re.compile(r"[A-Za-z0-9_]{1,20}")
_FORMS = "write ?credentials=NAME for AFTERTAKE_NAME_KEY_ID, or the absolute path of a file, chain or none"
_REAL = Services()


def provider(
    cloud: str,
    named: str | None,
    *,
    environment: Mapping[str, str] = os.environ,
    services: Services = _REAL,
    clock: Clock = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Provider | None:
    """The credentials that a store's URL names; None for `none`: requests are not signed.

    `cloud` is "s3", "oss" or "cos". Variables and files are looked at now, a role's service at the first use.
    Raises Denied when there are no credentials, Unsupported for what `?credentials=` does not understand, and
    ValueError for the chain of S3, which is boto3's own.
    """
    if cloud not in CLOUDS:
        raise ValueError(f"{cloud!r} is none of {', '.join(CLOUDS)}")
    if named is None:
        return _from_variables(cloud, cloud.upper(), environment)
    if named.startswith("/"):
        return _CredentialsFile(Path(named), clock)
    if named == "none":
        return None
    if named == "chain":
        return _chain(cloud, environment, services, clock, monotonic)
    if not _NAME.fullmatch(named):
        # not repeated: it may be a key, as everything long may
        raise Unsupported("credentials", cloud, f"this is nothing that ?credentials= understands; {_FORMS}")
    return _from_variables(cloud, named.upper(), environment)


def _from_variables(cloud: str, name: str, environment: Mapping[str, str]) -> Provider:
    key_id, secret, token = (f"AFTERTAKE_{name}_{field}" for field in ("KEY_ID", "SECRET", "TOKEN"))
    keys = _pair(cloud, environment, key_id, secret, (token,))
    if keys is None:
        raise Denied("credentials", cloud, f"set {key_id} and {secret}, or in the store's URL {_FORMS}")
    return lambda: keys


def _pair(
    cloud: str, environment: Mapping[str, str], key_id: str, secret: str, tokens: tuple[str, ...]
) -> Credentials | None:
    """The keys in these variables, None when neither is set. An empty variable is one that is not set."""
    if not _all_or_none(cloud, environment, (key_id, secret)):
        return None
    token = next((name for name in tokens if environment.get(name)), None)
    _check_plain(cloud, environment, (key_id, secret, *filter(None, [token])))
    return Credentials(
        key_id=environment[key_id], secret=environment[secret], token=environment[token] if token else None
    )


def _check_plain(cloud: str, environment: Mapping[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        if not is_plain(environment[name]):
            raise Denied("credentials", cloud, f"{name} is not of printable ASCII characters without spaces")


def _all_or_none(cloud: str, environment: Mapping[str, str], names: tuple[str, ...]) -> bool:
    missing = [name for name in names if not environment.get(name)]
    if missing and len(missing) < len(names):
        found = next(name for name in names if name not in missing)
        raise Denied("credentials", cloud, f"{found} is set, but not {' and '.join(missing)}; set them together")
    return not missing


_FILE_KEYS = ("key_id", "secret", "token", "expires_at")
_FILE = Fields(*_FILE_KEYS)
_FILE_BYTES = 64 * 1024
_Version = tuple[int, int, int]


class _CredentialsFile:
    """A Provider over a file that somebody replaces, at best by a rename, as Kubernetes does with its secrets.

    While it is broken, the credentials it held before go on, until they expire.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._warned = ""
        self._held, self._version = self._read()

    def __call__(self) -> Credentials:
        with self._lock:
            if self._held.near_expiry(self._clock()) or self._version != self._now():
                self._read_again()
            if self._held.expired(self._clock()):
                expired = f"the credentials in this file expired at {self._held.expires_at}; write new ones there"
                raise self._denied(expired)
            return self._held

    def _read_again(self) -> None:
        try:
            self._held, self._version = self._read()
            self._warned = ""
        except Denied as error:
            if self._held.expired(self._clock()):
                raise
            self._warn(error)

    def _warn(self, error: Denied) -> None:
        """Once for each fault, not at each use."""
        if error.detail != self._warned:
            _log.warning("going on with the credentials that were there before: %s", error)
            self._warned = error.detail

    def _now(self) -> _Version | None:
        """None, which no file is, when it cannot be looked at."""
        try:
            return _version(self._path.stat())
        except OSError:
            return None

    def _read(self) -> tuple[Credentials, _Version | None]:
        try:
            with self._path.open("rb") as file:
                version = _version(os.fstat(file.fileno()))
                text = file.read(_FILE_BYTES + 1)
        except OSError as error:
            raise self._denied(f"the file of the credentials cannot be read: {error.strerror}") from error
        try:
            return _parsed(text), version
        except ValueError as error:
            fault = str(error)
        raise self._denied(f"this file holds no credentials: {fault}")

    def _denied(self, detail: str) -> Denied:
        return Denied("credentials", str(self._path), detail)


def _version(status: os.stat_result) -> _Version:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _parsed(text: bytes) -> Credentials:
    """Raises ValueError that says what is wrong, with no word of the content but the names of unknown keys."""
    if len(text) > _FILE_BYTES:
        raise ValueError(f"it is longer than {_FILE_BYTES} bytes")
    value = read_json(text)
    unknown = sorted(value.keys() - set(_FILE_KEYS)) if isinstance(value, dict) else []
    if unknown:
        raise ValueError(f"unknown keys {unknown}; those known are {list(_FILE_KEYS)}")
    return _FILE.credentials(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """The variables of one cloud's tools, in the order of the sources, and who issues what they name."""

    key_id: str
    secret: str
    tokens: tuple[str, ...]
    role_arn: str
    identity_provider: str
    token_file: str
    session_name: str = ""
    region: str = ""
    web_identity: roles.WebIdentityRole
    instance: roles.InstanceRole

    def identity(self, cloud: str, environment: Mapping[str, str]) -> WebIdentity | None:
        """The pod's, when its variables are set, which Kubernetes does."""
        needed = (self.role_arn, self.identity_provider, self.token_file, *filter(None, [self.region]))
        if not _all_or_none(cloud, environment, needed):
            return None
        _check_plain(cloud, environment, needed)
        return WebIdentity(
            role_arn=environment[self.role_arn],
            provider=environment[self.identity_provider],
            token_file=Path(environment[self.token_file]),
            region=environment.get(self.region, ""),
            session_name=environment.get(self.session_name) or "aftertake",
        )


_CHAINS: Mapping[str, _Chain] = MappingProxyType(
    {
        "oss": _Chain(
            key_id="ALIBABA_CLOUD_ACCESS_KEY_ID",
            secret="ALIBABA_CLOUD_ACCESS_KEY_SECRET",  # noqa: S106
            tokens=("ALIBABA_CLOUD_SECURITY_TOKEN",),
            role_arn="ALIBABA_CLOUD_ROLE_ARN",
            identity_provider="ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
            token_file="ALIBABA_CLOUD_OIDC_TOKEN_FILE",  # noqa: S106
            session_name="ALIBABA_CLOUD_ROLE_SESSION_NAME",
            web_identity=roles.alibaba_web_identity,
            instance=roles.alibaba_instance,
        ),
        "cos": _Chain(
            key_id="TENCENTCLOUD_SECRET_ID",
            secret="TENCENTCLOUD_SECRET_KEY",  # noqa: S106
            tokens=("TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_TOKEN"),
            role_arn="TKE_ROLE_ARN",
            identity_provider="TKE_PROVIDER_ID",
            token_file="TKE_WEB_IDENTITY_TOKEN_FILE",  # noqa: S106
            region="TKE_REGION",
            web_identity=roles.tencent_web_identity,
            instance=roles.tencent_instance,
        ),
    }
)


def _chain(
    cloud: str, environment: Mapping[str, str], services: Services, clock: Clock, monotonic: Callable[[], float]
) -> Provider:
    """The first source that is set up; if that one fails, it is an error and not the next one's turn.

    So a pod whose own role is refused never goes on with the wider one of its machine.
    """
    if cloud not in _CHAINS:
        raise ValueError("the chain of S3 is boto3's own")
    chain = _CHAINS[cloud]
    keys = _pair(cloud, environment, chain.key_id, chain.secret, chain.tokens)
    if keys is not None:
        return lambda: keys
    identity = chain.identity(cloud, environment)
    if identity is not None:
        return Renewed(partial(chain.web_identity, identity, services, clock), clock=clock, monotonic=monotonic)
    return Renewed(partial(_instance_role, chain, services), clock=clock, monotonic=monotonic)


def _instance_role(chain: _Chain, services: Services) -> Credentials:
    """The last of the chain, so its error tells of the others too."""
    try:
        return chain.instance(services)
    except StorageError as error:
        tried = f"{chain.key_id} is not set, {chain.token_file} is not set, and the instance role at {error.key} failed"
        advice = f"on a machine without a role, set {chain.key_id} and {chain.secret} or {_FORMS}"
        raise type(error)("credentials", error.key, f"{tried}: {error.detail}; {advice}") from error
