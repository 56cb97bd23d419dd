"""What examining a store answers: checks, each with what was seen and, unless all is well, the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from storage.errors import Denied, NoSpace, NotFound, Refusal, StorageError, Transient
from storage.urls import StoreUrl

CLOUDS = ("s3", "oss", "cos")
POLICIES = "deployments/policies"


class Role(StrEnum):
    """What a store is for."""

    SOURCE = "source"
    OUTPUT = "output"


class Outcome(StrEnum):
    """How a check ended, the best first. WARN: recordings are safe. FAIL: some would be lost or held up."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `seen` is a clause without a full stop; `fix` is a sentence, or ""."""

    name: str
    outcome: Outcome
    seen: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """All checks of one store; `url` holds no credentials."""

    role: Role
    url: str
    checks: Sequence[Check]

    @property
    def outcome(self) -> Outcome:
        """The worst one; what was skipped does not count."""
        outcomes = [check.outcome for check in self.checks if check.outcome is not Outcome.SKIPPED]
        return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store as it is configured. `scheme` is s3, oss, cos, file or memory; `prefix` is empty or ends in '/'."""

    role: Role
    url: str
    scheme: str
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, role: Role, url: str) -> "Place":
        """Raises Unsupported for the URL of a cloud that names no bucket, or says something twice."""
        scheme = urlsplit(url).scheme if "://" in url else "file"
        if scheme not in CLOUDS:
            return cls(role=role, url=url, scheme=scheme)
        parsed = StoreUrl.parse(url)
        return cls(role=role, url=url, scheme=scheme, prefix=parsed.prefix, options=parsed.options)

    @property
    def is_cloud(self) -> bool:
        """Whether it is a bucket, and no folder or memory."""
        return self.scheme in CLOUDS

    @property
    def policy(self) -> str:
        """The file with all rights that the role needs, and no more."""
        return f"{POLICIES}/{self.scheme}-{self.role.value}.json"

    @property
    def keys(self) -> str:
        """Where its credentials come from, in words."""
        named = self.options.get("credentials") or self.scheme
        if named.startswith("/"):
            return f"the file {named}"
        if named.lower() == "chain":
            return "what credentials=chain finds (the cloud's own variables, web identity, instance role)"
        return f"AFTERTAKE_{named.upper()}_KEY_ID and AFTERTAKE_{named.upper()}_SECRET"


def ok(name: str, seen: str, *, advice: str = "") -> Check:
    """As it should be; `advice` is a sentence for who wants still better."""
    return Check(name=name, outcome=Outcome.OK, seen=seen, fix=advice)


def warn(name: str, seen: str, fix: str) -> Check:
    """Not as it should be, but no recording is lost or held up by it."""
    return Check(name=name, outcome=Outcome.WARN, seen=seen, fix=fix)


def fail(name: str, seen: str, fix: str) -> Check:
    """Recordings would be lost or held up."""
    return Check(name=name, outcome=Outcome.FAIL, seen=seen, fix=fix)


def skipped(name: str, why: str) -> Check:
    """Not looked at."""
    return Check(name=name, outcome=Outcome.SKIPPED, seen=why)


def counted(count: int, noun: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _rights(service: str, **others: str) -> Mapping[str, str]:
    """Most are the operation of the API under its own name; `others` are the rest."""
    plain = {
        "list": f"{service}:ListBucket",
        "open": f"{service}:GetObject",
        "head": f"{service}:GetObject",
        "put": f"{service}:PutObject",
        "start_multipart": f"{service}:PutObject",
        "put_part": f"{service}:PutObject",
        "complete": f"{service}:PutObject",
        "abort_upload": f"{service}:AbortMultipartUpload",
        "list_uploads": f"{service}:ListBucketMultipartUploads",
        "delete": f"{service}:DeleteObject",
    }
    return MappingProxyType(plain | {operation: f"{service}:{action}" for operation, action in others.items()})


RIGHTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "s3": _rights("s3"),
        "oss": _rights("oss", list="ListObjects", list_uploads="ListMultipartUploads"),
        "cos": _rights(
            "name/cos",
            list="GetBucket",
            head="HeadObject",
            start_multipart="InitiateMultipartUpload",
            put_part="UploadPart",
            complete="CompleteMultipartUpload",
            list_uploads="ListMultipartUploads",
        ),
    }
)
"""What a key must be granted for an operation of `ObjectStore`, as IAM, RAM and CAM call it."""


def failed(name: str, place: Place, error: StorageError) -> Check:
    """The check that an error ended."""
    if isinstance(error, Denied) and error.reason in {Refusal.RIGHTS, Refusal.KMS}:
        return fail(name, f"{_right(place, error)} is refused: {error.detail}", _denied_fix(place, error))
    return fail(name, f"{error.operation} failed: {error.detail}", _fix(place, error))


def _right(place: Place, error: Denied) -> str:
    if error.reason is Refusal.KMS and place.scheme == "s3":
        return "kms:Decrypt or kms:GenerateDataKey"
    return RIGHTS.get(place.scheme, {}).get(error.operation, error.operation)


def _denied_fix(place: Place, error: Denied) -> str:
    if not place.is_cloud:
        return f"Let this user read {'and write ' if place.role is Role.OUTPUT else ''}there."
    if error.reason is not Refusal.KMS:
        return f"Grant {_right(place, error)}: {place.policy} holds all that is needed; see BUCKET and PREFIX in it."
    if place.scheme == "s3":
        return f"Attach {POLICIES}/s3-kms.json to this key as well, with the key of the bucket as KMS_KEY_ARN."
    return "Let this key id decrypt, and for an output generate data keys, with the KMS key of the bucket."


def _fix(place: Place, error: StorageError) -> str:
    if isinstance(error, Denied):
        return refusal_fix(place, error.reason)
    if isinstance(error, NotFound) and place.is_cloud:
        elsewhere = " and region=: COS says the same of a bucket in another region" if place.scheme == "cos" else ""
        return f"Check the name of the bucket in the store URL{elsewhere}."
    if isinstance(error, NotFound):
        return "Make the folder, or correct the URL."
    if isinstance(error, Transient):
        return "Run this again in a minute; if it stays so, look at the store's own status page and at the network."
    return "Free some space, or raise the quota." if isinstance(error, NoSpace) else error.advice


def refusal_fix(place: Place, reason: Refusal) -> str:
    """What to do about credentials, clock or region that a store refuses, or a certificate that we do."""
    return {
        Refusal.KEY_ID: f"Check the key id in {place.keys}: this cloud does not know it, or no longer.",
        Refusal.SECRET: f"Check the secret in {place.keys}: it is of another key id, or was cut when it was copied.",
        Refusal.TOKEN: f"Renew {place.keys} and their token: temporary credentials end; a file or chain is read again.",
        Refusal.CREDENTIALS: f"Set {place.keys}, or say in the store URL with credentials= where they are.",
        Refusal.CLOCK: "Set the clock of this machine (NTP).",
        Refusal.REGION: "Write the bucket's own region into the store URL: region=.",
        Refusal.CERTIFICATE: "Name the authority that signed it, the store's or a proxy's own, in AFTERTAKE_CA_BUNDLE "
        "(a PEM file). If it is for another name, correct endpoint=; if it has expired, have it renewed.",
    }.get(reason, "Check the credentials and what they may do here.")
