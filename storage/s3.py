"""Amazon S3, and stores that speak its API, through boto3.

Source of what is said here: the Amazon S3 API reference; RFC 9110 for conditions and ranges.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  botocore's: of connections that never began
    CredentialRetrievalError,
    HTTPClientError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
)

from storage.answers import UNREADABLE, broken, refusal, understood, unreadable
from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    PendingUpload,
    Served,
    Written,
    check_part_number,
)
from storage.bodies import CloudBody, bare_etag, http_time, is_md5
from storage.checksums import CRC64NVME, Buffer, Checksums, Proof, crc64nvme
from storage.equal_parts import BESIDE, EqualParts
from storage.errors import AlreadyExists, Denied, NotFound, Refusal, StorageError
from storage.fetching import Fetcher, Fetching
from storage.keys import ObjectKey, addressable_key, output_key
from storage.presigning import check_lifetime, disposition
from storage.s3_facts import S3Examiner

MIN_PART_BYTES = 5 * 1024 * 1024
LARGEST_COPY_BYTES = 5 * 1024**3
COPY_PART_BYTES = 1024**3

_OFFERED = {
    "x-amz-checksum-crc64nvme": Proof.CRC64NVME,
    "x-amz-checksum-crc32c": Proof.CRC32C,
    "x-amz-checksum-crc32": Proof.CRC32,
}
_OWN_KEY = "x-amz-server-side-encryption-customer-algorithm"
_BROKEN = (urllib3.exceptions.HTTPError, BotoCoreError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Rules:
    """What sets S3-like stores apart from Amazon's.

    `checksums`: CRC64NVME is sent with uploads and asked for. `md5_etags`: the ETag of a plain put is the MD5 of its
    bytes, unless KMS encrypted them. `conditional_writes`: If-None-Match is kept on put and complete.
    """

    checksums: bool = True
    md5_etags: bool = True
    conditional_writes: bool = True


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
        options: dict[str, str] | None = {"StartAfter": after} if after else {}
        while options is not None:
            page = self.call("list", prefix, "list_objects_v2", Prefix=prefix, **options)
            with understood("list", prefix):
                metas = [_listed(listed) for listed in page.get("Contents", ())]
                options = {"ContinuationToken": page["NextContinuationToken"]} if page["IsTruncated"] else None
            yield from metas

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        answer = self.call("head", key, "head_object", Key=addressable_key("head", key))
        with understood("head", key):
            return self._meta(key, answer["ResponseMetadata"]["HTTPHeaders"], answer["ContentLength"])

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> CloudBody:
        """See ObjectStore."""
        return self._fetcher.open(key, start=start, end=end, etag=etag)

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """See ObjectStore."""
        checked = {"ChecksumCRC64NVME": _base64(crc64nvme(data))} if self.rules.checksums else {}
        body = bytes(data) if isinstance(data, memoryview) else data
        headers = _headers(served) | self.only_if_free("put", output_key(key), create_only=create_only) | checked
        return self.written("put", key, len(data), self.call("put", key, "put_object", Key=key, Body=body, **headers))

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore."""
        return S3Multipart.start(self, output_key(key), served)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""
        markers: dict[str, str] | None = {}
        while markers is not None:
            page = self.call("list_uploads", prefix, "list_multipart_uploads", Prefix=prefix, **markers)
            with understood("list_uploads", prefix):
                uploads = [_pending(upload) for upload in page.get("Uploads", ())]
                next_ones = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
                markers = next_ones if page["IsTruncated"] else None
            yield from uploads

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        with suppress(NotFound):
            self.call("abort_upload", key, "abort_multipart_upload", Key=key, UploadId=upload_id)

    def copy(self, source: str, target: ObjectKey) -> Written:
        """See ObjectStore; in parts where it is larger than one request may copy."""
        meta = self.head(source)
        output_key(target)
        if meta.size_bytes > LARGEST_COPY_BYTES:
            return self._copy_in_parts(meta, target)
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
        url: str = self.client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        return url

    def examine(self) -> S3Examiner:
        """See Examinable."""
        return S3Examiner(self.client, self.call)

    def call(self, operation: str, key: str, method: str, **params: object) -> Any:
        """One request to the bucket, its failure in our words.

        The SDK's error is not kept as the cause: it holds what was signed, the session token included.
        """
        try:
            return getattr(self.client, method)(Bucket=self.bucket, **params)
        except ClientError as error:
            failure: StorageError = _refused(operation, key, error)
        except (ConnectionError, HTTPClientError, urllib3.exceptions.HTTPError, OSError) as error:
            failure = broken(operation, key, error)
        except (NoCredentialsError, CredentialRetrievalError, PartialCredentialsError, NoAuthTokenError) as error:
            failure = Denied(operation, key, f"there are no credentials: {type(error).__name__}", Refusal.CREDENTIALS)
        except BotoCoreError as error:
            failure = StorageError(operation, key, f"{type(error).__name__}: {error}")
        except UNREADABLE as error:
            failure = unreadable(operation, key, error)
        raise failure

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

    def _copy_in_parts(self, meta: ObjectMeta, target: ObjectKey) -> Written:
        upload = S3Multipart.start(self, target, AS_BYTES)
        try:
            for number, start in enumerate(range(0, meta.size_bytes, COPY_PART_BYTES), 1):
                upload.copy_part(number, meta, start, min(start + COPY_PART_BYTES, meta.size_bytes))
            return upload.complete()
        except BaseException:
            upload.abort()
            raise


class EqualPartsS3Store(S3Store):
    """A store like S3 that wants all parts but the last to have one size."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of S3, and parts of one size."""
        return replace(super().capabilities, equal_parts=True)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See `storage.equal_parts`."""
        return EqualParts.begin(self, output_key(key), lambda part: S3Multipart.start(self, part, served))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore; under the key that the object would have had."""
        for upload in super().list_uploads(prefix):
            yield replace(upload, key=upload.key.removesuffix(BESIDE))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        for name in (f"{key}{BESIDE}", key):
            super().abort_upload(name, upload_id)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A part as the store answered for it; without a CRC where the store itself copied it."""

    etag: str
    size_bytes: int
    crc64nvme: int | None


@dataclass(slots=True, kw_only=True, eq=False)
class S3Multipart:
    """A Multipart upload to one bucket."""

    store: S3Store
    key: ObjectKey
    upload_id: str
    is_over: bool = False
    sent: dict[int, _Sent] = field(default_factory=dict)

    @classmethod
    def start(cls, store: S3Store, key: ObjectKey, served: Served) -> "S3Multipart":
        """Begin; the whole object's checksum is asked for, for the store to compare when it joins the parts."""
        whole = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if store.rules.checksums else {}
        answer = store.call("start_multipart", key, "create_multipart_upload", Key=key, **_headers(served), **whole)
        with understood("start_multipart", key):
            return cls(store=store, key=key, upload_id=answer["UploadId"])

    def put_part(self, number: int, data: Buffer, /) -> None:
        """See Multipart."""
        check_part_number("put_part", self.key, number)
        self._require_running("put_part")
        crc = crc64nvme(data)
        checked = {"ChecksumCRC64NVME": _base64(crc)} if self.store.rules.checksums else {}
        body = bytes(data) if isinstance(data, memoryview) else data
        answer = self._call("put_part", "upload_part", PartNumber=number, Body=body, **checked)
        with understood("put_part", self.key):
            self.sent[number] = _Sent(answer["ETag"], len(data), crc)

    def copy_part(self, number: int, source: ObjectMeta, start: int, end: int) -> None:
        """Have the store copy bytes of an object of the bucket as part `number`."""
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
            self.sent[number] = _Sent(copied["ETag"], end - start, int(_hex(checksum), 16) if checksum else None)

    def complete(self, *, create_only: bool = False) -> Written:
        """See Multipart; the store refuses to join parts that are not what was sent."""
        self._require_running("complete")
        if not self.sent:
            raise StorageError("complete", self.key, "no part was uploaded")
        numbers = sorted(self.sent)
        parts = [_part_of(number, self.sent[number], checked=self.store.rules.checksums) for number in numbers]
        answer = self._call(
            "complete",
            "complete_multipart_upload",
            MultipartUpload={"Parts": parts},
            **self._whole(),
            **self.store.only_if_free("complete", self.key, create_only=create_only),
        )
        size_bytes = sum(part.size_bytes for part in self.sent.values())
        written = self.store.written("complete", self.key, size_bytes, answer)
        self.is_over = True
        return written

    def abort(self) -> None:
        """See Multipart."""
        if not self.is_over:
            self.store.abort_upload(self.key, self.upload_id)
            self.is_over = True

    def _require_running(self, operation: str) -> None:
        if self.is_over:
            raise NotFound(operation, self.key, "the upload is over")

    def _whole(self) -> dict[str, str]:
        """The checksum that the joined object must have, if it is known for every part."""
        crc = 0
        for number in sorted(self.sent):
            part = self.sent[number]
            if part.crc64nvme is None or not self.store.rules.checksums:
                return {}
            crc = CRC64NVME.combine(crc, part.crc64nvme, part.size_bytes)
        return {"ChecksumCRC64NVME": _base64(crc), "ChecksumType": "FULL_OBJECT"}

    def _call(self, operation: str, method: str, **params: object) -> Any:
        return self.store.call(operation, self.key, method, Key=self.key, UploadId=self.upload_id, **params)


def _listed(listed: Mapping[str, Any]) -> ObjectMeta:
    key, size_bytes, last_modified = listed["Key"], listed["Size"], listed["LastModified"]
    return ObjectMeta(key=key, size_bytes=size_bytes, etag=bare_etag(listed["ETag"]), last_modified=last_modified)


def _pending(upload: Mapping[str, Any]) -> PendingUpload:
    return PendingUpload(key=upload["Key"], upload_id=upload["UploadId"], started_at=upload["Initiated"])


def _part_of(number: int, part: _Sent, *, checked: bool) -> dict[str, object]:
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


def _headers(served: Served) -> dict[str, str]:
    cached = {"CacheControl": served.cache_control} if served.cache_control else {}
    return {"ContentType": served.content_type, **cached}


def _is_whole(checksum: str | None) -> bool:
    """A composite checksum (`…-3`) is one of the parts' checksums, and says nothing of the bytes."""
    return checksum is not None and "-" not in checksum


def _base64(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(8)).decode()


def _hex(text: str) -> str:
    return base64.b64decode(text, validate=True).hex()
