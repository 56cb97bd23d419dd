"""Tencent Cloud COS, through cos-python-sdk-v5.

Source of what is said here: the COS API documents (cloud.tencent.com/document/product/436).
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
import urllib3
from qcloud_cos import CosClientError, CosS3Client, CosServiceError
from requests.structures import CaseInsensitiveDict

from storage.answers import UNREADABLE_TO_SDKS, broken, refusal, understood, unreadable
from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    PendingUpload,
    Served,
    Written,
)
from storage.bodies import CloudBody, plain
from storage.checksums import Buffer
from storage.cos_facts import CosExaminer
from storage.errors import InvalidKey, NotFound, StorageError
from storage.fetching import Fetcher, Fetching
from storage.headers import bare_etag, boto_headers, crc64ecma, http_time, is_md5, require_arrived, served_by
from storage.keys import ObjectKey, addressable_key, output_key
from storage.paging import objects, paged
from storage.parts import CloudUpload, SentPart, copy_in_parts, size_of
from storage.presigning import check_lifetime, disposition

MIN_PART_BYTES = 1024 * 1024
LARGEST_COPY_BYTES = 5 * 1024**3
COPY_PART_BYTES = 1024**3

_BROKEN = (urllib3.exceptions.HTTPError, requests.RequestException, OSError)
_FORBID = {"Metadata": {"x-cos-forbid-overwrite": "true"}}
"""The SDK has no parameter for it; entries of Metadata go out as headers of their own, and are signed."""


class CosStore:
    """One bucket. `client` is the SDK's; `patient` is the same with time for joining many parts."""

    def __init__(
        self, client: CosS3Client, bucket: str, *, patient: CosS3Client, region: str, url: str, fetching: Fetching
    ) -> None:
        """`url` opens the same bucket again."""
        self.client = client
        self.patient = patient
        self.bucket = bucket
        self.region = region
        self._url = url
        self._fetcher = Fetcher(fetching, read_meta=_meta, head=self.head)

    @property
    def url(self) -> str:
        """`cos://bucket-appid/?region=…`."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Parts of 1 MiB and more; forbid-overwrite is not kept where versions are, so it is a help, no promise."""
        return Capabilities(min_part_bytes=MIN_PART_BYTES, tells_versions=False, presigns=True)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; one request for 1,000 keys."""

        def page(marker: str | None) -> tuple[Iterable[ObjectMeta], str | None]:
            options = {"Prefix": prefix, "Marker": after if marker is None else marker, "MaxKeys": 1000}
            answer = self.call("list", prefix, "list_objects", **options)
            with understood("list", prefix):
                metas = [_listed(listed) for listed in answer.get("Contents") or ()]
                return metas, answer["NextMarker"] if _goes_on(answer) else None

        return objects(prefix, after, page)

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        return self._seen(key)[0]

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> CloudBody:
        """See ObjectStore."""
        return self._fetcher.open(key, start=start, end=end, etag=etag)

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """See ObjectStore."""
        output_key(key)
        headers = boto_headers(served) | (_FORBID if create_only else {})
        body = plain(data)
        return _written("put", key, len(data), self.call("put", key, "put_object", Key=key, Body=body, **headers))

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore."""
        return self._start(output_key(key), served)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""

        def page(markers: tuple[str, str] | None) -> tuple[Iterable[PendingUpload], tuple[str, str] | None]:
            key, upload_id = markers or ("", "")
            options = {"Prefix": prefix, "KeyMarker": key, "UploadIdMarker": upload_id}
            answer = self.call("list_uploads", prefix, "list_multipart_uploads", **options)
            with understood("list_uploads", prefix):
                uploads = [_pending(upload) for upload in answer.get("Upload") or ()]
                more = _goes_on(answer)
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
            return copy_in_parts(self._start(target, served_by(headers)), meta, COPY_PART_BYTES)
        same = {"CopySource": self.origin(source), "CopySourceIfMatch": meta.etag}
        return _written("copy", target, meta.size_bytes, self.call("copy", target, "copy_object", Key=target, **same))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self.call("delete", key, "delete_object", Key=addressable_key("delete", key))

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """See ObjectStore; seven days at most, as with the others."""
        check_lifetime(key, seconds)
        addressable_key("presign_get", key)
        settings = copy(self.client.get_conf())
        params = {"response-content-disposition": disposition(filename)}
        signed_by = settings._credential_inst  # noqa: SLF001  the SDK has no way to ask for it
        if signed_by is not None:
            # of one moment, also where they are renewed between the signature and the token beside it
            now = signed_by.provider()
            settings.set_credential(now.key_id, now.secret, now.token or "")
            params |= {"x-cos-security-token": now.token} if now.token else {}
        # whoever opens the URL cannot tell an address the bucket in a Host header
        path = f"{self.bucket}/{key}" if settings._ip else key  # noqa: SLF001
        signer = CosS3Client(settings, retry=0, session=self.client._session)  # noqa: SLF001
        return str(signer.get_presigned_download_url(self.bucket, path, Expired=seconds, Params=params))

    def examine(self) -> CosExaminer:
        """See Examinable."""
        return CosExaminer(self.client, self.bucket, self.call)

    def origin(self, key: str) -> dict[str, str]:
        """An object of this bucket as the source of a copy."""
        return {"Bucket": self.bucket, "Key": key, "Region": self.region}

    def call(self, operation: str, key: str, method: str, **params: Any) -> Any:
        """One request, its failure in our words."""
        return self._call(operation, key, lambda: getattr(self.client, method)(Bucket=self.bucket, **params))

    def join(self, key: str, **params: Any) -> Any:
        """Complete a multipart upload, which may take minutes."""
        complete = self.patient.complete_multipart_upload
        return self._call("complete", key, lambda: complete(Bucket=self.bucket, Key=key, **params))

    def _call(self, operation: str, key: str, request: Callable[[], Any]) -> Any:
        """The SDK's error is not kept as the cause: it holds what was signed, the session token included."""
        try:
            return request()
        except CosServiceError as error:
            failure: StorageError = refusal(
                operation, key, status=error.get_status_code(), code=_code(error), message=_message(error)
            )
        except CosClientError as error:
            network = isinstance(error.__context__, _BROKEN)
            failure = broken(operation, key, error) if network else InvalidKey(operation, key, f"the SDK says {error}")
        except (ET.ParseError, *_BROKEN) as error:
            failure = broken(operation, key, error)
        except UNREADABLE_TO_SDKS as error:
            failure = unreadable(operation, key, error)
        raise failure

    def _seen(self, key: str) -> tuple[ObjectMeta, Mapping[str, str]]:
        """An object, and all headers that speak of it."""
        headers = CaseInsensitiveDict(self.call("head", key, "head_object", Key=addressable_key("head", key)))
        with understood("head", key):
            return _meta(key, headers, int(headers["Content-Length"])), headers

    def _start(self, key: ObjectKey, served: Served) -> CloudUpload:
        answer = self.call("start_multipart", key, "create_multipart_upload", Key=key, **boto_headers(served))
        with understood("start_multipart", key):
            upload_id: str = answer["UploadId"]
        return CloudUpload(key=key, upload_id=upload_id, requests=_Parts(self, key, upload_id))


@dataclass(frozen=True, slots=True)
class _Parts:
    """The requests of one upload."""

    store: CosStore
    key: ObjectKey
    upload_id: str

    def put(self, number: int, data: Buffer, /) -> SentPart:
        answer = self._call("put_part", "upload_part", PartNumber=number, Body=plain(data))
        headers = CaseInsensitiveDict(answer)
        with understood("put_part", self.key):
            require_arrived(self.key, data, crc64ecma(headers, "cos"))
            return SentPart(headers["ETag"], len(data))

    def copy(self, number: int, source: ObjectMeta, start: int, end: int, /) -> SentPart:
        answer = self._call(
            "copy_part",
            "upload_part_copy",
            PartNumber=number,
            CopySource=self.store.origin(source.key),
            CopySourceRange=f"bytes={start}-{end - 1}",
            CopySourceIfMatch=source.etag,
        )
        with understood("copy_part", self.key):
            return SentPart(CaseInsensitiveDict(answer)["ETag"], end - start)

    def join(self, parts: Mapping[int, SentPart], /, *, create_only: bool) -> Written:
        named = {"Part": [{"PartNumber": number, "ETag": part.etag} for number, part in parts.items()]}
        forbid = _FORBID if create_only else {}
        answer = self.store.join(self.key, UploadId=self.upload_id, MultipartUpload=named, **forbid)
        return _written("complete", self.key, size_of(parts), answer)

    def drop(self) -> None:
        self.store.abort_upload(self.key, self.upload_id)

    def _call(self, operation: str, method: str, **params: Any) -> Any:
        return self.store.call(operation, self.key, method, Key=self.key, UploadId=self.upload_id, **params)


def _goes_on(page: Mapping[str, Any]) -> bool:
    """Whether more pages follow. A page that does not say is no listing, however few things it shows."""
    return {"true": True, "false": False}[page["IsTruncated"]]


def _listed(listed: Mapping[str, Any]) -> ObjectMeta:
    return ObjectMeta(
        key=listed["Key"],
        size_bytes=int(listed["Size"]),
        etag=bare_etag(listed["ETag"]),
        last_modified=datetime.fromisoformat(listed["LastModified"]),
    )


def _pending(upload: Mapping[str, Any]) -> PendingUpload:
    started_at = datetime.fromisoformat(upload["Initiated"])
    return PendingUpload(key=upload["Key"], upload_id=upload["UploadId"], started_at=started_at)


def _meta(key: str, headers: Mapping[str, str], size_bytes: int) -> ObjectMeta:
    etag = bare_etag(headers["ETag"])
    encrypted = headers.get("x-cos-server-side-encryption", "AES256") != "AES256"
    return ObjectMeta(
        key=key,
        size_bytes=size_bytes,
        etag=etag,
        last_modified=http_time(headers["Last-Modified"]),
        checksums=crc64ecma(headers, "cos", md5=etag if is_md5(etag) and not encrypted else None),
    )


def _written(operation: str, key: str, size_bytes: int, answer: Mapping[str, str]) -> Written:
    with understood(operation, key):
        headers = CaseInsensitiveDict(answer)
        etag = bare_etag(headers["ETag"])
        return Written(key=key, size_bytes=size_bytes, etag=etag, checksums=crc64ecma(headers, "cos"))


def _code(error: CosServiceError) -> str:
    """`Unknown` where the answer had no body, as answers to HEAD have none."""
    code = str(error.get_error_code())
    return "" if code == "Unknown" else code


def _message(error: CosServiceError) -> str:
    said = str(error.get_error_msg())
    return "" if said == "Unknown" else said
