"""What an operation is given, and where the three stores differ."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import Bucket, CloudName, Part, StoredObject, Upload
from deployments.sandbox.clouds.checksums import Checksum, Data
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.messages import Answer, Refusal, Request, encoded, whole_number
from deployments.sandbox.clouds.signatures import Asked, Lookup

STORED_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
ANONYMOUS = Account(key_id="", secret="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation on one bucket: who asks, and when.

    Faults of a listing: the keys that it must not show, whether it shows its first page only, and what it shows that is
    not there, as keys and sizes.
    """

    dialect: "Dialect"
    operation: str
    request: Request
    bucket: Bucket
    key: str
    now: datetime
    account: Account
    find_bucket: Callable[[str], Bucket]
    hidden: frozenset[str] = frozenset()
    repeats: bool = False
    foreign: tuple[tuple[str, int], ...] = ()

    def allowed(self, action: str, resource: str = "") -> bool:
        """Whether the account may; `resource` is the object or bucket of the call where it is not given."""
        if self.account is ANONYMOUS:
            return self.bucket.rules.public and action in self.dialect.public_actions
        prefix = self.request.query.get("prefix", "") if not self.key else ""
        where = resource or self.dialect.resource(self.bucket, self.key)
        return self.account.may is None or self.account.may(action, where, prefix)

    def require(self, action: str, resource: str = "") -> None:
        """Refusal AccessDenied unless the account may."""
        if not self.allowed(action, resource):
            raise self.dialect.denied(action, self.account)

    def header(self, name: str) -> str:
        """A header of the vendor's own by the rest of its name: "copy-source" for x-amz-copy-source."""
        return self.request.header(self.dialect.prefix + name)

    def stored(self) -> StoredObject:
        """The object (or its version) that is asked for; Refusal as the store says it where there is none."""
        found = self.bucket.find(self.key, self.request.query.get("versionId"))
        if found is None:
            raise self.dialect.missing_key(self)
        return found


class Dialect(ABC):
    """How one store names, signs, lists and refuses. Values are those of its documents."""

    cloud: CloudName
    prefix: str
    """What its own headers begin with."""
    server: str
    xmlns = ""
    own_names: ClassVar[Mapping[str, str]] = {}
    """Its names of operations where they are not those of S3."""
    actions: ClassVar[Mapping[str, tuple[str, ...]]]
    """What an account must be allowed for each operation."""
    public_actions: frozenset[str]
    default_content_type = "application/octet-stream"
    default_page = 1000
    md5_mismatch = "BadDigest"
    archive_class = "ARCHIVE"
    tells_marker = True
    """Whether a listing of version 1 without a delimiter has a NextMarker."""
    etag_in_header = True
    """Whether copy and complete answer the ETag as a header too."""
    no_lifecycle = "NoSuchLifecycleConfiguration"
    no_encryption = ""
    """The code of a bucket without encryption by default; "" where there is always some."""
    longest_key = 1024
    key_too_long = "KeyTooLongError"

    @abstractmethod
    def verify(self, asked: Asked, lookup: Lookup) -> Account:
        """Who signed the request, or Refusal."""

    @abstractmethod
    def signed(self, request: Request) -> bool:
        """Whether the request names one of this store's signatures."""

    @abstractmethod
    def resource(self, bucket: Bucket, key: str) -> str:
        """The name of a bucket, or of an object in it, in this store's policies."""

    @abstractmethod
    def list_action(self) -> str:
        """What an account needs to be told that a key is missing; "" where the store tells anybody."""

    @abstractmethod
    def integrity(self, call: Call, item: StoredObject, *, whole: bool) -> dict[str, str]:
        """The headers of checksums of an object that is read, wholly or in part."""

    @abstractmethod
    def written(self, item: StoredObject, *, told_in_body: bool = False) -> dict[str, str]:
        """The vendor's own headers of an object that was written; `told_in_body`: the answer has XML as well."""

    @abstractmethod
    def sealed(self, call: Call, item: StoredObject, trailers: Mapping[str, str]) -> StoredObject:
        """The object with the checksums that this store keeps; Refusal where one that was sent is wrong."""

    @abstractmethod
    def joined(self, call: Call, upload: Upload, parts: list[Part], item: StoredObject) -> StoredObject:
        """The same for an object that was joined from parts."""

    @abstractmethod
    def part_headers(self, part: Part) -> dict[str, str]:
        """The headers of checksums of a part that was written."""

    @abstractmethod
    def check_write(self, call: Call, current: StoredObject | None) -> None:
        """Refusal where the request has a condition that what stands under the key now does not meet."""

    @abstractmethod
    def lifecycle_rule(self, days: int) -> str:
        """The rule that drops abandoned uploads."""

    def name_of(self, operation: str) -> str:
        """The API's own name."""
        return self.own_names.get(operation, operation)

    def etag(self, etag: str) -> str:
        """An etag as it stands in a header."""
        return f'"{etag}"'

    def storage_class(self, name: str) -> str:
        """A class as this store writes it."""
        return name

    def described(self, item: StoredObject) -> dict[str, str]:
        """The vendor's own headers of an object that is read, without its checksums."""
        return {} if item.storage_class == "STANDARD" else {f"{self.prefix}storage-class": item.storage_class}

    def listed(self, item: StoredObject) -> str:
        """What a listing says of an object beside key, time, etag and size."""
        return xml.element("StorageClass", item.storage_class)

    def clipped(self, call: Call, size: int, begin: int, end: int) -> tuple[int, int] | None:
        """A range that may lie past the end, as (first, last); None: the whole object. Refusal where neither."""
        del call
        if begin >= size:
            details = {"RangeRequested": f"bytes={begin}-{end}", "ActualObjectSize": str(size)}
            headers = {"Content-Range": f"bytes */{size}"}
            message = "The requested range is not satisfiable"
            raise Refusal(416, "InvalidRange", message, details=details, headers=headers)
        return begin, min(end, size - 1)

    def upload_checksum(self, call: Call) -> tuple[str | None, str | None]:
        """The algorithm and kind of checksum that an upload will have; None where it names none."""
        del call
        return None, None

    def part_checksum(self, call: Call, upload: Upload, body: Data, trailers: Mapping[str, str]) -> Checksum | None:
        """The checksum of a part; Refusal where the one that was sent is wrong."""
        del call, upload, body, trailers
        return None

    def listed_checksum(self, checksum: Checksum | None) -> str:
        """A checksum as an element of the answer to a complete."""
        del checksum
        return ""

    def payload(self, call: Call) -> tuple[Data, Mapping[str, str]]:
        """The bytes that a request stores, and headers that came after them."""
        return call.request.body, {}

    def check_key(self, key: str) -> None:
        """Refusal where no object of this store can have this key."""
        if len(key.encode()) > self.longest_key:
            raise Refusal(400, self.key_too_long, "Your key is too long")

    def check_more(self, call: Call) -> None:
        """Refusal for what only this store asks."""
        del call

    def shown(self, call: Call) -> Callable[[str], str]:
        """How a listing writes keys: as they are, or percent-encoded where the request asks for it."""
        if call.request.query.get("encoding-type", "").lower() != "url":
            return str
        return lambda text: encoded(text, keep="/")

    def page_size(self, text: str) -> int:
        """How many a listing may show, of what the request asks for."""
        if not text:
            return self.default_page
        wanted = whole_number(text)
        if wanted is None:
            details = {"ArgumentName": "max-keys", "ArgumentValue": text}
            message = "Provided max-keys not an integer or within integer range"
            raise Refusal(400, "InvalidArgument", message, details=details)
        return min(wanted, 1000)

    def source_place(self, path: str) -> tuple[str, str, str]:
        """Bucket, slash and key of a copy-source header."""
        return path.removeprefix("/").partition("/")

    def copied(self, item: StoredObject) -> str:
        """What the answer to a copy says beside time and etag."""
        return self.listed_checksum(item.checksum)

    def location(self, region: str) -> str:
        """A region as GetBucketLocation writes it."""
        return region

    def missing_bucket(self, name: str) -> Refusal:
        """A bucket that nobody made."""
        return Refusal(404, "NoSuchBucket", "The specified bucket does not exist", details={"BucketName": name})

    def missing_key(self, call: Call) -> Refusal:
        """A key without an object."""
        action = self.list_action()
        if action and not call.allowed(action, self.resource(call.bucket, "")):
            return self.denied(action, call.account)
        return Refusal(404, "NoSuchKey", "The specified key does not exist.", details={"Key": call.key})

    def missing_upload(self, upload_id: str) -> Refusal:
        """An upload that was never begun, or is over."""
        message = "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have "
        details = {"UploadId": upload_id}
        return Refusal(404, "NoSuchUpload", message + "been aborted or completed.", details=details)

    def denied(self, action: str, account: Account) -> Refusal:
        """Signed well, but not allowed."""
        del action, account
        return Refusal(403, "AccessDenied", "Access Denied")

    def request_headers(self, request_id: str) -> dict[str, str]:
        """What every answer carries."""
        return {"Server": self.server, f"{self.prefix}request-id": request_id}

    def refused(self, refusal: Refusal, request: Request, request_id: str) -> Answer:
        """The answer to a request that is not carried out."""
        details = {**refusal.details, "RequestId": request_id, "HostId": request.header("host")}
        listed = "".join(xml.element(name, value) for name, value in details.items())
        pieces = xml.elements(Code=refusal.code, Message=refusal.message, Resource=request.path)
        body = xml.document("Error", pieces, listed)
        headers = {"Content-Type": "application/xml", **refusal.headers}
        return Answer(status=refusal.status, headers=headers, body=body)
