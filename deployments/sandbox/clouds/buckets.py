"""Buckets, objects as immutable versions, and the order of their keys. Nothing of HTTP."""

import bisect
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nlargest
from typing import Literal

from deployments.sandbox.clouds.checksums import Checksum

CloudName = Literal["s3", "oss", "cos"]

DEFAULT_REGIONS: Mapping[str, str] = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
MIN_PART_BYTES: Mapping[str, int] = {"s3": 5 << 20, "oss": 100 << 10, "cos": 1 << 20}
MAX_COPY_BYTES: Mapping[str, int] = {"s3": 5 << 30, "oss": 1 << 30, "cos": 5 << 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """One rule of a bucket for browsers, as the three stores list it; `*` stands for any text."""

    origins: tuple[str, ...] = ("*",)
    methods: tuple[str, ...] = ("GET", "HEAD")
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRules:
    """How one bucket behaves; what is None is the store's own value.

    `equal_parts`: all parts but the last must have one size. `checksums`: "crc64nvme" as Amazon, or "none" as a store
    that ignores the headers of checksums. `create_only` False: If-None-Match and forbid-overwrite are ignored.
    `kms_key`: objects are SSE-KMS. `public`: anybody may read objects. `copies_lack_crc`: OSS and COS copies have no
    CRC64.
    """

    region: str | None = None
    versioned: bool = False
    equal_parts: bool = False
    min_part_bytes: int | None = None
    max_copy_bytes: int | None = None
    checksums: Literal["crc64nvme", "none"] = "crc64nvme"
    create_only: bool = True
    kms_key: str | None = None
    cors: tuple[CorsRule, ...] = ()
    lifecycle_abort_days: int | None = None
    public: bool = False
    copies_lack_crc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One version. `etag` is plain, lower-case; `headers` are stored with it; `sequence` grows with each write."""

    key: str
    body: bytes
    etag: str
    last_modified: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    crc64: int | None = None
    storage_class: str = "STANDARD"
    multipart: bool = False
    archived: bool = False
    kms_key: str | None = None
    version_id: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One uploaded part."""

    number: int
    body: bytes
    etag: str
    last_modified: datetime
    checksum: Checksum | None = None


@dataclass(slots=True, kw_only=True)
class Upload:
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    started_at: datetime
    headers: Mapping[str, str]
    storage_class: str
    algorithm: str | None = None
    checksum_kind: str | None = None
    parts: dict[int, Part] = field(default_factory=dict)


class Bucket:
    """Objects and uploads under one lock. Keys are kept sorted by code point, which is the order of their UTF-8."""

    def __init__(self, cloud: CloudName, name: str, rules: BucketRules) -> None:
        self.cloud = cloud
        self.name = name
        self.rules = rules
        self.region = rules.region or DEFAULT_REGIONS[cloud]
        self.min_part_bytes = rules.min_part_bytes if rules.min_part_bytes is not None else MIN_PART_BYTES[cloud]
        self.max_copy_bytes = rules.max_copy_bytes if rules.max_copy_bytes is not None else MAX_COPY_BYTES[cloud]
        self._lock = threading.RLock()
        self._objects: dict[str, StoredObject] = {}
        self._order: list[str] = []
        self._versions: dict[tuple[str, str], StoredObject] = {}
        self._uploads: dict[str, Upload] = {}
        self._sequence = 0

    def find(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """The current version, or the named one; None where there is none."""
        with self._lock:
            return self._versions.get((key, version_id)) if version_id else self._objects.get(key)

    def write(self, item: StoredObject) -> StoredObject:
        """Put it under its key, at once, and say what is kept. Conditions are checked under `locked()`."""
        with self._lock:
            return self._keep(item)

    def _keep(self, item: StoredObject) -> StoredObject:
        self._sequence += 1
        version_id = uuid.uuid4().hex if self.rules.versioned else None
        kept = replace(item, sequence=self._sequence, version_id=version_id)
        if kept.key not in self._objects:
            bisect.insort(self._order, kept.key)
        self._objects[kept.key] = kept
        if version_id:
            self._versions[kept.key, version_id] = kept
        return kept

    def swap(self, key: str, **changes: object) -> None:
        """Change fields of the current version in place of a new write; harmless where the key is gone."""
        with self._lock:
            if key in self._objects:
                self._objects[key] = replace(self._objects[key], **changes)  # type: ignore[arg-type]

    def delete(self, key: str, version_id: str | None = None) -> str | None:
        """Remove the current version, or only the named one. The id of the delete marker where versions are kept."""
        with self._lock:
            if version_id:
                self._versions.pop((key, version_id), None)
            current = self._objects.get(key)
            if current is not None and version_id in {None, current.version_id}:
                del self._objects[key]
                del self._order[bisect.bisect_left(self._order, key)]
        return uuid.uuid4().hex if self.rules.versioned and not version_id else None

    def keys(self) -> list[str]:
        """All keys in order; a copy."""
        with self._lock:
            return list(self._order)

    def newest(self, count: int) -> frozenset[str]:
        """The keys that were written last."""
        with self._lock:
            items = nlargest(count, self._objects.values(), key=lambda item: item.sequence)
        return frozenset(item.key for item in items)

    def scan(self, *, after: str, inclusive: bool, prefix: str) -> Iterator[StoredObject]:
        """The objects with the prefix, in order, from `after` on. Hold `locked()` while reading it."""
        begin = bisect.bisect_left if inclusive or after < prefix else bisect.bisect_right
        position = begin(self._order, max(after, prefix))
        while position < len(self._order) and (key := self._order[position]).startswith(prefix):
            yield self._objects[key]
            position += 1

    def locked(self) -> threading.RLock:
        """The lock of everything here, for a reader who needs one moment of it."""
        return self._lock

    def start_upload(self, upload: Upload) -> None:
        """Remember a new upload."""
        with self._lock:
            self._uploads[upload.upload_id] = upload

    def find_upload(self, key: str, upload_id: str) -> Upload | None:
        """The upload, if it is to this key and still open."""
        with self._lock:
            upload = self._uploads.get(upload_id)
        return upload if upload is not None and upload.key == key else None

    def put_part(self, upload: Upload, part: Part) -> bool:
        """Keep a part, over an older one of its number; False where the upload has ended meanwhile."""
        with self._lock:
            if upload.upload_id not in self._uploads:
                return False
            upload.parts[part.number] = part
            return True

    def end_upload(self, upload: Upload) -> None:
        """Forget an upload with its parts."""
        with self._lock:
            self._uploads.pop(upload.upload_id, None)

    def uploads(self) -> list[Upload]:
        """The open uploads, by key and start."""
        with self._lock:
            found = list(self._uploads.values())
        return sorted(found, key=lambda upload: (upload.key, upload.started_at, upload.upload_id))
