"""How values look in our JSON: seconds with 6 decimals, UTC times with milliseconds, digests in lower-case hex."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from catalog.errors import AlteredError, DocumentError

JsonObject = dict[str, Any]
T = TypeVar("T")

_HALF_MS: Final = timedelta(microseconds=500)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - _HALF_MS
_SHOWN_ERRORS: Final = 3
_SCHEMA: Final = re.compile(r"aftertake\.([a-z]+)/([0-9]{1,9})")


def utc_text(at: datetime) -> str:
    """`2026-11-20T15:44:00.123Z`: UTC, rounded to the millisecond. A time without a zone is refused."""
    if at.tzinfo is None:
        message = f"{at} has no time zone"
        raise ValueError(message)
    return (at.astimezone(UTC) + _HALF_MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_utc(at: datetime) -> datetime:
    """Raises ValueError for a time that UTC has not, or that could not be written."""
    try:
        found = at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("no calendar has that time in UTC") from error
    if found > _LAST:
        raise ValueError("no calendar goes on after that time")
    return found


def _rounded(value: float) -> float:
    return round(float(value), 6) + 0.0  # the sum turns -0.0 into 0.0


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


Decimal6 = Annotated[float, Field(allow_inf_nan=False), PlainSerializer(_rounded, return_type=float)]
"""A number that is written with at most 6 decimals."""
Seconds = Annotated[Decimal6, Field(ge=0)]
"""A duration in seconds."""
MediaTime = Decimal6
"""Seconds from the first sample of an output; what is lost before it has negative times."""
UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc), PlainSerializer(utc_text, return_type=str)]
Count = Annotated[int, Field(ge=0)]
Counts = Annotated[Mapping[str, Count], PlainSerializer(_sorted, return_type=dict[str, int])]
Crc64 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""CRC-64/XZ as 16 lower-case hex digits."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def to_document(adapter: TypeAdapter[T], value: T) -> JsonObject:
    """The value as a JSON object, its fields in the order of the class."""
    try:
        document: JsonObject = adapter.dump_python(value, mode="json", by_alias=True)
    except PydanticSerializationError as error:
        message = f"cannot be written: {error}"
        raise DocumentError(message) from error
    return document


def from_document(adapter: TypeAdapter[T], body: bytes | str) -> T:
    """The value that JSON text holds; unknown fields are ignored."""
    try:
        return adapter.validate_json(body, strict=True)
    except ValidationError as error:
        raise DocumentError(_summary(error)) from error


def to_bytes(document: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Compact UTF-8 JSON; equal documents give equal bytes. NaN, infinities and lone surrogates are refused."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
        return text.encode()
    except ValueError as error:
        message = f"cannot be written: {error}"
        raise DocumentError(message) from error


def parse_object(body: bytes) -> JsonObject:
    """The JSON object in the body, as it stands there."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = f"is not JSON: {error}"
        raise DocumentError(message) from error
    if not isinstance(document, dict):
        message = f"is a JSON {type(document).__name__}, not an object"
        raise DocumentError(message)
    return document


def require_schema(document: Mapping[str, Any], kind: str, version: int) -> None:
    """Raise `DocumentError` unless this is an `aftertake.{kind}/N` of a version up to `version`."""
    found = _SCHEMA.fullmatch(str(document.get("schema")))
    if found is None or found[1] != kind:
        message = f"is no {kind} of Aftertake: schema is {document.get('schema')!r}"
        raise DocumentError(message)
    if int(found[2]) > version:
        message = f"was written as {found[0]}; this Aftertake reads up to aftertake.{kind}/{version}: update it"
        raise DocumentError(message)


def require_digest(document: Mapping[str, Any], field: str, without: Collection[str]) -> None:
    """Raise `AlteredError` unless `field` has the digest of what the document says beside `without` and itself."""
    if document.get(field) != digest_of(document, {field, *without}):
        message = f"does not have the {field} that it states: it was changed after it was written"
        raise AlteredError(message)


def digest_of(document: Mapping[str, Any], without: Collection[str]) -> str:
    """SHA-256, in hex, of the document as JSON with sorted keys, without `schema` and some more of its fields."""
    content = {name: value for name, value in document.items() if name != "schema" and name not in without}
    return hashlib.sha256(to_bytes(content, sort_keys=True)).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not allowed"
    raise ValueError(message)


def _summary(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in problems]
    more = f" (and {len(shown) - _SHOWN_ERRORS} more)" if len(shown) > _SHOWN_ERRORS else ""
    return "; ".join(shown[:_SHOWN_ERRORS]) + more
