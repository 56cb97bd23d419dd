"""What a bucket says of itself beyond its objects, for whoever examines a configuration before a recording is lost.

Apart from `base.py`, because nothing that moves recordings may rest on it: least-privilege keys are not allowed to look
at any of this. So "not allowed" and "not offered" are values here, and no errors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

from storage.answers import UNREADABLE
from storage.base import ObjectStore
from storage.errors import Denied, NotFound, Refusal, StorageError, Transient
from storage.headers import http_time

_Fact = TypeVar("_Fact")

_ABORT = "AbortIncompleteMultipartUpload"


class Unseen(StrEnum):
    """Why a fact is not known."""

    NOT_ALLOWED = "not allowed to look"
    NOT_OFFERED = "this store does not tell"


class Versioning(StrEnum):
    """Whether a bucket keeps older versions of its objects."""

    OFF = "off"
    ON = "on"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How new objects are encrypted unless a request says otherwise: AES256, aws:kms, KMS; None is not at all."""

    algorithm: str | None = None
    kms_key: str | None = None

    @property
    def uses_kms(self) -> bool:
        """Whether reading and writing need rights on a key."""
        return "kms" in (self.algorithm or "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRule:
    """An enabled lifecycle rule that drops uploads `days` after they began; None: it names a date instead."""

    prefix: str
    days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """What the pages of some origins may do (Fetch, "CORS protocol"); header names as the bucket lists them."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What any answer tells, a refusal too: the store's time (aware, to the second) and the bucket's region."""

    answered_at: datetime | Unseen = Unseen.NOT_OFFERED
    region: str | Unseen = Unseen.NOT_OFFERED


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """The settings of a bucket. Of a folder: `free_bytes`, and subfolders that are other file systems."""

    versioning: Versioning | Unseen = Unseen.NOT_OFFERED
    encryption: Encryption | Unseen = Unseen.NOT_OFFERED
    abort_rules: tuple[AbortRule, ...] | Unseen = Unseen.NOT_OFFERED
    cors: tuple[CorsRule, ...] | Unseen = Unseen.NOT_OFFERED
    free_bytes: int | Unseen = Unseen.NOT_OFFERED
    mounted: tuple[str, ...] | Unseen = Unseen.NOT_OFFERED


class Examiner(Protocol):
    """Looks at one bucket. Raises Transient, on which whoever calls may try again, and Denied for a certificate."""

    @property
    def origin(self) -> str:
        """`scheme://host[:port]` of the requests; "" where there is no network."""

    def contact(self) -> Contact:
        """Ask for anything, and see who answers."""

    def facts(self) -> BucketFacts:
        """Ask for each setting."""


@runtime_checkable
class Examinable(Protocol):
    """A store that can be examined."""

    def examine(self) -> Examiner:
        """Who looks at it."""


def examiner_of(bucket: ObjectStore) -> Examiner | None:
    """Who looks at a bucket; None for a store that has nothing to tell. Wrappers: `wrappers.bucket_inside` first."""
    return bucket.examine() if isinstance(bucket, Examinable) else None


def seen(ask: Callable[[], _Fact], *, absent: _Fact) -> _Fact | Unseen:
    """What a request for a setting answers; `absent` where the store says that there is none. Raises as Examiner."""
    try:
        return ask()
    except NotFound:
        return absent
    except Denied as error:
        _require_answer(error)
        return Unseen.NOT_ALLOWED
    except Transient:
        raise
    except (StorageError, *UNREADABLE):
        return Unseen.NOT_OFFERED


def facts_of(
    *,
    versioning: Callable[[], Versioning],
    encryption: Callable[[], Encryption],
    abort_rules: Callable[[], tuple[AbortRule, ...]],
    cors: Callable[[], tuple[CorsRule, ...]],
) -> BucketFacts:
    """Ask for each setting of a bucket; one that was never made is off, or empty."""
    return BucketFacts(
        versioning=seen(versioning, absent=Versioning.OFF),
        encryption=seen(encryption, absent=Encryption()),
        abort_rules=seen(abort_rules, absent=()),
        cors=seen(cors, absent=()),
    )


def versioning_of(status: str | None) -> Versioning:
    """The Status of a GetBucketVersioning; buckets that never had any say nothing."""
    return {"Enabled": Versioning.ON, "Suspended": Versioning.SUSPENDED}.get(status or "", Versioning.OFF)


def abort_rules_of(rules: Iterable[Mapping[str, Any]]) -> tuple[AbortRule, ...]:
    """Those of lifecycle rules under the names that S3 gave them, and COS took over."""
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled" and _ABORT in rule]
    return tuple(AbortRule(prefix=_prefix(rule), days=_days(rule[_ABORT])) for rule in enabled)


def _prefix(rule: Mapping[str, Any]) -> str:
    return (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or ""


def _days(abort: Mapping[str, Any]) -> int | None:
    days = abort.get("DaysAfterInitiation")
    return int(days) if days else None


def cors_rules_of(rules: Iterable[Mapping[str, Any]]) -> tuple[CorsRule, ...]:
    """Rules whose elements have S3's names, with boto3's plural `s` or, as in the XML, without."""
    names = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
    lists = ([tuple(rule.get(name) or rule.get(f"{name}s") or ()) for name in names] for rule in rules)
    return tuple(
        CorsRule(origins=origins, methods=methods, headers=headers, exposed=exposed)
        for origins, methods, headers, exposed in lists
    )


def contact_of(answers: list[Mapping[str, str]], region_header: str) -> Contact:
    """What the headers of answers tell, names in lower case; the first that names a region counts."""
    dates = [answer["date"] for answer in answers if "date" in answer]
    regions = (answer[region_header] for answer in answers if region_header in answer)
    answered_at: datetime | Unseen = Unseen.NOT_OFFERED
    with suppress(ValueError, IndexError):
        answered_at = http_time(dates[-1])
    return Contact(answered_at=answered_at, region=next(regions, Unseen.NOT_OFFERED))


def any_answer(ask: Callable[[], object]) -> None:
    """Make a request whose refusal is as good as its success. Raises Transient, and Denied for a certificate."""
    try:
        ask()
    except Transient:
        raise
    except StorageError as error:
        _require_answer(error)


def _require_answer(error: StorageError) -> None:
    """Raise the refusal that is our own: behind a certificate that is not trusted nobody was asked."""
    if isinstance(error, Denied) and error.reason is Refusal.CERTIFICATE:
        raise error


@contextmanager
def overheard(session: Any) -> Iterator[list[Mapping[str, str]]]:  # noqa: ANN401  requests has no types
    """The headers of the answers that a session of requests gets meanwhile, names in lower case.

    SDKs drop them, most of all those of refusals.
    """
    answers: list[Mapping[str, str]] = []

    def listen(response: Any, **_: object) -> None:  # noqa: ANN401
        answers.append({name.lower(): value for name, value in response.headers.items()})

    session.hooks["response"].append(listen)
    try:
        yield answers
    finally:
        session.hooks["response"].remove(listen)
