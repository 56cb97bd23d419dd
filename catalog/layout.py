"""Keys of the output bucket, both ways: `decode_key(text).key == text` for every key that we write.

Media keys made by a naming rule (`catalog.naming`) are read from their manifest; only their end can be decoded.

media/{vendor}/{task_id}/{stream}/{plan16}[-{attempt}][.audio|.video][.p{nn}].{ext}
segments/{vendor}/{task_id}/{stream}/{sha16}.jsonl.gz
manifests/{vendor}/{task_id}/{revision:06d}-{digest12}.json      manifests/{vendor}/{task_id}/latest.json
index/{room|user|stream}/{id}/{first_published_at}_{vendor}_{task_id}.json
backup/{vendor}/{task_id}/{name}
exports/{export_id}/{name}.{mp4|zip}      exports/{export_id}/{name}.{mp4|zip}.certificate.json
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from catalog.components import Component, decode_component, encode_component
from catalog.errors import LayoutError
from catalog.model import VENDOR, RecordingId
from catalog.wire import utc_text
from media.samples import TrackType
from storage.base import Served

LAYOUT_VERSION: Final = "1"

CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "mp4": "video/mp4",
        "m4a": "audio/mp4",
        "webm": "video/webm",
        "mp3": "audio/mpeg",
        "aac": "audio/aac",
        "flv": "video/x-flv",
        "json": "application/json",
        "gz": "application/gzip",
        "zip": "application/zip",
    }
)
"""Content type of what is published, by extension."""

_ASK_AGAIN: Final = "private, no-cache"
_FOR_EVER: Final = "private, max-age=31536000, immutable"
"""RFC 8246."""

_MEDIA_EXTENSIONS: Final = frozenset(CONTENT_TYPES) - {"json", "gz", "zip"}
_EXPORT_ID: Final = re.compile(r"[0-9a-f]{32}")
_EXPORT_EXTENSIONS: Final = ("mp4", "zip")
_CERTIFICATE: Final = ".certificate.json"
_HEX12: Final = re.compile(r"[0-9a-f]{12}")
_HEX16: Final = re.compile(r"[0-9a-f]{16}")
_MEDIA_TAIL: Final = re.compile(
    r"(?:\A|(?<=[./]))(?P<plan16>[0-9a-f]{16})(?:-(?P<attempt>[0-9]{1,9}))?(?:\.(?P<content>audio|video))?"
    r"(?:\.p(?P<part>[0-9]{2,9}))?\.(?P<extension>[a-z0-9]+)\Z"
)
_MANIFEST_NAME: Final = re.compile(r"(?P<revision>[0-9]{6,12})-(?P<digest12>[0-9a-f]{12})\.json")
_INDEX_NAME: Final = re.compile(r"(?P<at>[0-9]{8}T[0-9]{9}Z)_(?P<vendor>[^_]+)_(?P<task_id>.+)\.json")


class IndexAxis(StrEnum):
    """What recordings can be found by in the bucket itself."""

    ROOM = "room"
    USER = "user"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaName:
    """The end of every media key.

    `plan16` is the first 16 hex digits of the plan digest. `attempt` 2 and up: another object stood under the key.
    `content` where audio and video are files of their own; `part` (from 1) where one file cannot hold the output.
    """

    plan16: str
    extension: str
    attempt: int = 1
    content: TrackType | None = None
    part: int | None = None

    def __post_init__(self) -> None:
        _require(bool(_HEX16.fullmatch(self.plan16)), "plan16", self.plan16)
        _require(self.extension in _MEDIA_EXTENSIONS, "extension", self.extension)
        _require(self.attempt >= 1, "attempt", self.attempt)
        _require(self.part is None or self.part >= 1, "part", self.part)

    def __str__(self) -> str:
        attempt = "" if self.attempt == 1 else f"-{self.attempt}"
        return f"{self.plan16}{attempt}{self.suffix}"

    @property
    def suffix(self) -> str:
        """What tells the files of one output apart: `.mp4`, `.video.webm`, `.p02.mp4`."""
        content = f".{self.content}" if self.content else ""
        part = f".p{self.part:02d}" if self.part else ""
        return f"{content}{part}.{self.extension}"

    @classmethod
    def from_end_of(cls, text: str) -> "MediaName | None":
        """The media name that the text ends with, if it does."""
        found = _MEDIA_TAIL.search(text)
        if found is None or found["extension"] not in _MEDIA_EXTENSIONS:
            return None
        content: TrackType | None = "audio" if found["content"] == "audio" else "video" if found["content"] else None
        return cls(
            plan16=found["plan16"],
            extension=found["extension"],
            attempt=int(found["attempt"] or 1),
            content=content,
            part=int(found["part"]) if found["part"] else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaKey:
    """`media/{vendor}/{task_id}/{stream}/{name}`."""

    vendor: str
    task_id: Component
    stream: Component
    name: MediaName

    @property
    def key(self) -> str:
        """The key as text."""
        return f"media/{_recording(self.vendor, self.task_id)}/{encode_component(self.stream)}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsKey:
    """`segments/{vendor}/{task_id}/{stream}/{sha16}.jsonl.gz`; `sha16` begins the SHA-256 of the object."""

    vendor: str
    task_id: Component
    stream: Component
    sha16: str

    def __post_init__(self) -> None:
        _require(bool(_HEX16.fullmatch(self.sha16)), "sha16", self.sha16)

    @property
    def key(self) -> str:
        """The key as text."""
        stream = encode_component(self.stream)
        return f"segments/{_recording(self.vendor, self.task_id)}/{stream}/{self.sha16}.jsonl.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestKey:
    """`manifests/{vendor}/{task_id}/{revision:06d}-{digest12}.json`, immutable."""

    vendor: str
    task_id: Component
    revision: int
    digest12: str

    def __post_init__(self) -> None:
        _require(self.revision >= 1, "revision", self.revision)
        _require(bool(_HEX12.fullmatch(self.digest12)), "digest12", self.digest12)

    @property
    def key(self) -> str:
        """The key as text."""
        return f"{manifests_prefix(self.vendor, self.task_id)}{self.revision:06d}-{self.digest12}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestKey:
    """`manifests/{vendor}/{task_id}/latest.json`, a hint at the newest manifest."""

    vendor: str
    task_id: Component

    @property
    def key(self) -> str:
        """The key as text."""
        return f"{manifests_prefix(self.vendor, self.task_id)}latest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexKey:
    """`index/{axis}/{id}/{first_published_at}_{vendor}_{task_id}.json`, the time as `20261120T154400123Z`."""

    axis: IndexAxis
    id: Component
    first_published_at: datetime
    vendor: str
    task_id: Component

    @property
    def key(self) -> str:
        """The key as text."""
        at = re.sub(r"[-:.]", "", utc_text(self.first_published_at))
        recording = _recording(self.vendor, self.task_id, separator="_")
        return f"{index_prefix(self.axis, self.id)}{at}_{recording}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKey:
    """`backup/{vendor}/{task_id}/{name}`: an object of a recording, fetched from its vendor's own store."""

    vendor: str
    task_id: Component
    name: Component

    @property
    def key(self) -> str:
        """The key as text."""
        return f"{backup_prefix(self.vendor, self.task_id)}{encode_component(self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportKey:
    """`exports/{export_id}/{name}.{extension}`: what was cut for somebody, and beside it `….certificate.json`."""

    export: str
    name: Component
    extension: str

    def __post_init__(self) -> None:
        _require(bool(_EXPORT_ID.fullmatch(self.export)), "export", self.export)
        _require(self.extension in _EXPORT_EXTENSIONS, "extension", self.extension)

    @property
    def key(self) -> str:
        """The key as text."""
        return f"{export_prefix(self.export)}{encode_component(self.name)}.{self.extension}"

    @property
    def certificate(self) -> str:
        """The key of its certificate."""
        return certificate_name(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateKey:
    """`exports/{export_id}/{name}.{extension}.certificate.json`."""

    of: ExportKey

    @property
    def key(self) -> str:
        """The key as text."""
        return self.of.certificate


LayoutKey = MediaKey | SegmentsKey | ManifestKey | LatestKey | IndexKey | BackupKey | ExportKey | CertificateKey


def decode_key(key: str) -> LayoutKey:
    """What a key of the output bucket (below its configured prefix) says. Raises `LayoutError` for any other key."""
    try:
        decoded = _decode(key.split("/"))
        if decoded is not None and decoded.key == key:
            return decoded
        reason = "it has another form"
    except LayoutError as error:
        reason = str(error)
    message = f"{key!r} is no key of ours: {reason}"
    raise LayoutError(message)


def manifests_prefix(vendor: str, task_id: Component) -> str:
    """Below this stand all manifests of a recording, and nothing else."""
    return f"manifests/{_recording(vendor, task_id)}/"


def backup_prefix(vendor: str, task_id: Component) -> str:
    """Below this stands what was fetched of a recording from its vendor's own store."""
    return f"backup/{_recording(vendor, task_id)}/"


def certificate_name(file: str) -> str:
    """What the certificate of a file is called that lies beside it."""
    return f"{file}{_CERTIFICATE}"


def export_prefix(export: str) -> str:
    """Below this stand the file of an export and its certificate."""
    return f"exports/{export}/"


def recording_prefixes(recording: RecordingId) -> tuple[str, ...]:
    """Below these stands all that is written of a recording (unless a naming rule puts outputs elsewhere)."""
    ids = _recording(recording.vendor, recording.task_id)
    return tuple(f"{kind}/{ids}/" for kind in ("media", "segments", "manifests", "backup"))


def index_prefix(axis: IndexAxis, value: Component) -> str:
    """Below this stand the pointers of one room, user or stream, the first published first."""
    return f"index/{axis}/{encode_component(value)}/"


def served(key: str) -> Served:
    """How browsers get an object of ours: its type by extension; what never changes may be kept for ever."""
    try:
        content_type = CONTENT_TYPES[key.rpartition(".")[2]]
    except KeyError:
        message = f"{key!r} has no extension of ours"
        raise LayoutError(message) from None
    changes = key.startswith("index/") or key.endswith("/latest.json")
    return Served(content_type=content_type, cache_control=_ASK_AGAIN if changes else _FOR_EVER)


def _decode(parts: list[str]) -> LayoutKey | None:  # noqa: PLR0911 - one for each kind of key
    match parts:
        case ["media", vendor, task_id, stream, name]:
            return _decode_media(vendor, decode_component(task_id), decode_component(stream), name)
        case ["segments", vendor, task_id, stream, name]:
            ids = decode_component(task_id), decode_component(stream)
            return SegmentsKey(vendor=vendor, task_id=ids[0], stream=ids[1], sha16=name.removesuffix(".jsonl.gz"))
        case ["manifests", vendor, task_id, "latest.json"]:
            return LatestKey(vendor=vendor, task_id=decode_component(task_id))
        case ["manifests", vendor, task_id, name] if found := _MANIFEST_NAME.fullmatch(name):
            revision, digest12 = int(found["revision"]), found["digest12"]
            return ManifestKey(vendor=vendor, task_id=decode_component(task_id), revision=revision, digest12=digest12)
        case ["backup", vendor, task_id, name]:
            return BackupKey(vendor=vendor, task_id=decode_component(task_id), name=decode_component(name))
        case ["exports", export, name] if name.endswith(_CERTIFICATE):
            return CertificateKey(of=_decode_export(export, name.removesuffix(_CERTIFICATE)))
        case ["exports", export, name]:
            return _decode_export(export, name)
        case ["index", axis, value, name] if axis in set(IndexAxis) and (found := _INDEX_NAME.fullmatch(name)):
            return _decode_index(IndexAxis(axis), decode_component(value), found)
    return None


def _decode_media(vendor: str, task_id: Component, stream: Component, text: str) -> MediaKey | None:
    name = MediaName.from_end_of(text)
    return MediaKey(vendor=vendor, task_id=task_id, stream=stream, name=name) if name else None


def _decode_export(export: str, text: str) -> ExportKey:
    name, _, extension = text.rpartition(".")
    return ExportKey(export=export, name=decode_component(name), extension=extension)


def _decode_index(axis: IndexAxis, value: Component, found: re.Match[str]) -> IndexKey:
    return IndexKey(
        axis=axis,
        id=value,
        first_published_at=_decode_time(found["at"]),
        vendor=found["vendor"],
        task_id=decode_component(found["task_id"]),
    )


def _decode_time(text: str) -> datetime:
    try:
        whole = datetime.strptime(text[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        message = f"{text} is no time"
        raise LayoutError(message) from error
    return whole.replace(microsecond=int(text[15:18]) * 1000)


def _recording(vendor: str, task_id: Component, separator: str = "/") -> str:
    _require(bool(VENDOR.fullmatch(vendor)), "vendor", vendor)
    return f"{vendor}{separator}{encode_component(task_id)}"


def _require(holds: bool, field: str, value: object) -> None:
    if not holds:
        message = f"{field} cannot be {value!r}"
        raise LayoutError(message)
