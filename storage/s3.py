"""Amazon S3, and stores that speak its API, through boto3.

Source of what is said here: the Amazon S3 API reference; RFC 9110 for conditions and ranges.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's: of connections that never began
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from storage.answers import UNREADABLE, broken, refusal, understood, unreadable
from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    PendingUpload,
    Served,
    Written,
)
from storage.bodies import CloudBody, Readable
from storage.checksums import CRC64NVME, Buffer, Checksums, Proof, crc64nvme
from storage.equal_parts import BESIDE, EqualParts
from storage.errors import AlreadyExists, Denied, NotFound, Refusal, StorageError, Transient
from storage.fetching import Fetcher, Fetching
from storage.headers import bare_etag, boto_headers, http_time, is_md5, served_by
from storage.keys import ObjectKey, addressable_key, output_key
from storage.paging import objects, paged
from storage.parts import CloudUpload, SentPart, copy_in_parts, size_of
from storage.presigning import check_lifetime, disposition
from storage.s3_facts import S3Examiner

_Answer = TypeVar("_Answer")

MIN_PART_BYTES = 5 * 1024 * 1024
LARGEST_COPY_BYTES = 5 * 1024**3
COPY_PART_BYTES = 1024**3

_OFFERED = {
    "x-amz-checksum-crc64nvme": Proof.CRC64NVME,
    "x-amz-checksum-crc32c": Proof.CRC32C,
    "x-amz-checksum-crc32": Proof.CRC32,
}
_OWN_KEY = "x-amz-server-side-encryption-customer-algorithm"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Rules:
    """What sets S3-like stores apart from Amazon's.

    `checksums`: CRC64NVME is sent with uploads and asked for. `md5_etags`: the ETag of a plain put is the MD5 of its
    bytes, unless KMS encrypted them. `conditional_writes`: If-None-Match is kept on put and complete.
    """

    checksums: bool = True
    md5_etags: bool = True
    conditional_writes: bool = True


def answered(operation: str, key: str, request: Callable[[], _Answer]) -> _Answer:
    """What boto3 answers; what it raises, in our words.

    Its error is not kept, neither as the cause nor as the context: it holds what was signed, the token included.
    """
    try:
        return request()
    except ClientError as error:
        failure: StorageError = _refused(operation, key, error)
    except (HTTPClientError, ConnectionError, ResponseParserError, HTTPError, OSError) as error:
        failure = broken(operation, key, error)
    except (CredentialRetrievalError, MetadataRetrievalError) as error:
        failure = Transient(operation, key, f"the credentials could not be renewed: {type(error).__name__}")
    except (NoCredentialsError, PartialCredentialsError, NoAuthTokenError) as error:
        detail = f"there are no credentials: {type(error).__name__}"
        failure = Denied(operation, key, detail, Refusal.CREDENTIALS)
    except BotoCoreError as error:
        failure = StorageError(operation, key, f"{type(error).__name__}: {error}")
    except UNREADABLE as error:
        failure = unreadable(operation, key, error)
    raise failure


class S3Store:
    """One bucket. `client` is boto3's, made by `storage.s3_client`: no retries, no checks of its own."""

    def __init__(self, client: Any, bucket: str, *, url: str, rules: S3Rules, fetching: Fetching) -> None:
        """`url` opens the same bucket again."""
        self.client = client
        self.bucket = bucket
        self.rules = rules
        self._url = url
        self._fetcher = Fetcher(fetching, read_meta=self._meta, head=self.head)

    @property
    def url(self) -> str:
        """`s3://bucket/?region=…`."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Parts of 5 MiB and more; an ETag may be the same for equal bytes."""
        return Capabilities(
            min_part_bytes=MIN_PART_BYTES,
            tells_versions=False,
            atomic_create=self.rules.conditional_writes,
            presigns=True,
        )

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; one request for 1,000 keys."""

        def page(token: str | None) -> tuple[Iterable[ObjectMeta], str | None]:
            begin = {"StartAfter": after} if after else {}
            options = {"ContinuationToken": token} if token else begin
            answer = self.call("list", prefix, "list_objects_v2", Prefix=prefix, **options)
            with understood("list", prefix):
                metas = [_listed(listed) for listed in answer.get("Contents", ())]
                return metas, answer["NextContinuationToken"] if answer["IsTruncated"] else None

        return objects(prefix, after, page)

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        return self._seen(key)[0]

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> CloudBody:
        """See ObjectStore."""
        return self._fetcher.open(key, start=start, end=end, etag=etag)

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """See ObjectStore."""
        checked = {"ChecksumCRC64NVME": _base64(crc64nvme(data))} if self.rules.checksums else {}
        headers = boto_headers(served) | self.only_if_free("put", output_key(key), create_only=create_only) | checked
        return self.written(
            "put", key, len(data), self.call("put", key, "put_object", Key=key, Body=Readable(data), **headers)
        )

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore."""
        return self.start_plain(output_key(key), served)

    def start_plain(self, key: ObjectKey, served: Served) -> CloudUpload:
        """An upload whose parts go as they are; the store is asked to keep the whole object's checksum."""
        whole = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if self.rules.checksums else {}
        answer = self.call("start_multipart", key, "create_multipart_upload", Key=key, **boto_headers(served), **whole)
        with understood("start_multipart", key):
            upload_id: str = answer["UploadId"]
        return CloudUpload(key=key, upload_id=upload_id, requests=_Parts(self, key, upload_id))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""

        def page(markers: tuple[str, str] | None) -> tuple[Iterable[PendingUpload], tuple[str, str] | None]:
            options = dict(zip(("KeyMarker", "UploadIdMarker"), markers or (), strict=False))
            answer = self.call("list_uploads", prefix, "list_multipart_uploads", Prefix=prefix, **options)
            with understood("list_uploads", prefix):
                uploads = [_pending(upload) for upload in answer.get("Uploads", ())]
                more = answer["IsTruncated"]
                return uploads, (answer["NextKeyMarker"], answer["NextUploadIdMarker"]) if more else None

        return paged("list_uploads", prefix, page)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        with suppress(NotFound):
            self.call("abort_upload", key, "abort_multipart_upload", Key=key, UploadId=upload_id)

    def copy(self, source: str, target: ObjectKey) -> Written:
        """See ObjectStore; in parts where it is larger than one request may copy."""
        output_key(target)
        meta, headers = self._seen(source)
        if meta.size_bytes > LARGEST_COPY_BYTES:
            return copy_in_parts(self.start_plain(target, served_by(headers)), meta, COPY_PART_BYTES)
        origin = {"Bucket": self.bucket, "Key": source}
        answer = self.call("copy", target, "copy_object", Key=target, CopySource=origin, CopySourceIfMatch=meta.etag)
        return self.written("copy", target, meta.size_bytes, answer.get("CopyObjectResult", {}))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self.call("delete", key, "delete_object", Key=addressable_key("delete", key))

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """See ObjectStore; seven days at most."""
        check_lifetime(key, seconds)
        address = {"Bucket": self.bucket, "Key": addressable_key("presign_get", key)}
        params = address | {"ResponseContentDisposition": disposition(filename)}
        presign = self.client.generate_presigned_url
        return str(answered("presign_get", key, lambda: presign("get_object", Params=params, ExpiresIn=seconds)))

    def examine(self) -> S3Examiner:
        """See Examinable."""
        return S3Examiner(self.client, self.call)

    def call(self, operation: str, key: str, method: str, **params: object) -> Any:
        """One request to the bucket, its failure in our words."""
        return answered(operation, key, lambda: getattr(self.client, method)(Bucket=self.bucket, **params))

    def only_if_free(self, operation: str, key: str, *, create_only: bool) -> dict[str, str]:
        """The condition of a create; a store that keeps none is asked first, which leaves a race open."""
        if not create_only:
            return {}
        if self.rules.conditional_writes:
            return {"IfNoneMatch": "*"}
        with suppress(NotFound):
            self.head(key)
            raise AlreadyExists(operation, key, "the key is taken")
        return {}

    def written(self, operation: str, key: str, size_bytes: int, answer: Mapping[str, Any]) -> Written:
        """What the store said of an object that it took."""
        with understood(operation, key):
            checksum = answer.get("ChecksumCRC64NVME")
            offered = Checksums(crc64nvme=_hex(checksum)) if checksum else Checksums()
            return Written(key=key, size_bytes=size_bytes, etag=bare_etag(answer["ETag"]), checksums=offered)

    def _seen(self, key: str) -> tuple[ObjectMeta, Mapping[str, str]]:
        """An object, and all headers that speak of it."""
        answer = self.call("head", key, "head_object", Key=addressable_key("head", key))
        with understood("head", key):
            headers: Mapping[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
            return self._meta(key, headers, answer["ContentLength"]), headers

    def _meta(self, key: str, headers: Mapping[str, str], size_bytes: int) -> ObjectMeta:
        """`headers` answer to names in lower case."""
        etag = bare_etag(headers["etag"])
        offered = {proof.value: _hex(headers[name]) for name, proof in _OFFERED.items() if _is_whole(headers.get(name))}
        encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256" or _OWN_KEY in headers
        if self.rules.md5_etags and not encrypted and is_md5(etag):
            offered["md5"] = etag
        return ObjectMeta(
            key=key,
            size_bytes=size_bytes,
            etag=etag,
            last_modified=http_time(headers["last-modified"]),
            checksums=Checksums(**offered),
        )


class EqualPartsS3Store(S3Store):
    """A store like S3 that wants all parts but the last to have one size."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of S3, and parts of one size."""
        return replace(super().capabilities, equal_parts=True)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See `storage.equal_parts`."""
        return EqualParts.begin(self, output_key(key), lambda part: self.start_plain(part, served))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore; under the key that the object would have had."""
        for upload in super().list_uploads(prefix):
            yield replace(upload, key=upload.key.removesuffix(BESIDE))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        for name in (f"{key}{BESIDE}", key):
            super().abort_upload(name, upload_id)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The requests of one upload. The store compares each part's checksum, and that of the whole."""

    store: S3Store
    key: ObjectKey
    upload_id: str

    def put(self, number: int, data: Buffer, /) -> SentPart:
        crc = crc64nvme(data)
        checked = {"ChecksumCRC64NVME": _base64(crc)} if self.store.rules.checksums else {}
        answer = self._call("put_part", "upload_part", PartNumber=number, Body=Readable(data), **checked)
        with understood("put_part", self.key):
            return SentPart(answer["ETag"], len(data), crc)

    def copy(self, number: int, source: ObjectMeta, start: int, end: int, /) -> SentPart:
        answer = self._call(
            "copy_part",
            "upload_part_copy",
            PartNumber=number,
            CopySource={"Bucket": self.store.bucket, "Key": source.key},
            CopySourceIfMatch=source.etag,
            CopySourceRange=f"bytes={start}-{end - 1}",
        )
        with understood("copy_part", self.key):
            copied = answer["CopyPartResult"]
            checksum = copied.get("ChecksumCRC64NVME")
            return SentPart(copied["ETag"], end - start, int(_hex(checksum), 16) if checksum else None)

    def join(self, parts: Mapping[int, SentPart], /, *, create_only: bool) -> Written:
        checked = self.store.rules.checksums
        answer = self._call(
            "complete",
            "complete_multipart_upload",
            MultipartUpload={"Parts": [_named(number, part, checked=checked) for number, part in parts.items()]},
            **(_whole(parts.values()) if checked else {}),
            **self.store.only_if_free("complete", self.key, create_only=create_only),
        )
        return self.store.written("complete", self.key, size_of(parts), answer)

    def drop(self) -> None:
        self.store.abort_upload(self.key, self.upload_id)

    def _call(self, operation: str, method: str, **params: object) -> Any:
        return self.store.call(operation, self.key, method, Key=self.key, UploadId=self.upload_id, **params)


def _whole(parts: Iterable[SentPart]) -> dict[str, str]:
    """The checksum that the joined object must have, if it is known for every part."""
    crc = 0
    for part in parts:
        if part.crc64nvme is None:
            return {}
        crc = CRC64NVME.combine(crc, part.crc64nvme, part.size_bytes)
    return {"ChecksumCRC64NVME": _base64(crc), "ChecksumType": "FULL_OBJECT"}


def _listed(listed: Mapping[str, Any]) -> ObjectMeta:
    key, size_bytes, last_modified = listed["Key"], listed["Size"], listed["LastModified"]
    return ObjectMeta(key=key, size_bytes=size_bytes, etag=bare_etag(listed["ETag"]), last_modified=last_modified)


def _pending(upload: Mapping[str, Any]) -> PendingUpload:
    return PendingUpload(key=upload["Key"], upload_id=upload["UploadId"], started_at=upload["Initiated"])


def _named(number: int, part: SentPart, *, checked: bool) -> dict[str, object]:
    named: dict[str, object] = {"PartNumber": number, "ETag": part.etag}
    if checked and part.crc64nvme is not None:
        named["ChecksumCRC64NVME"] = _base64(part.crc64nvme)
    return named


def _refused(operation: str, key: str, error: ClientError) -> StorageError:
    answer = error.response.get("ResponseMetadata", {})
    said = error.response.get("Error", {})
    code = said.get("Code", "")
    status = answer.get("HTTPStatusCode", 0)
    message = said.get("Message", "")
    return refusal(operation, key, status=status, code="" if code.isdigit() else code, message=message)


def _is_whole(checksum: str | None) -> bool:
    """A composite checksum (`…-3`) is one of the parts' checksums, and says nothing of the bytes."""
    return checksum is not None and "-" not in checksum


def _base64(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(8)).decode()


def _hex(text: str) -> str:
    return base64.b64decode(text, validate=True).hex()
