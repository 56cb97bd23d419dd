"""Alibaba Cloud OSS, through oss2 with signature version 4.

Source of what is said here: the OSS API reference (help.aliyun.com/zh/oss/developer-reference).
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import oss2
import requests
import urllib3
from oss2.credentials import Credentials as OssCredentials
from oss2.credentials import CredentialsProvider

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
from storage.connection import Connection
from storage.credentials import Provider
from storage.errors import InvalidKey, InvalidUrl, NotFound, StorageError
from storage.fetching import Fetcher, Fetching, SignedGet
from storage.headers import bare_etag, crc64ecma, http_time, is_md5, require_arrived, served_by
from storage.keys import ObjectKey, addressable_key, output_key
from storage.oss_facts import OssExaminer
from storage.paging import objects, paged
from storage.parts import CloudUpload, SentPart, copy_in_parts, size_of
from storage.presigning import check_lifetime, disposition
from storage.urls import StoreUrl

OPTIONS = {
    "region": "the bucket's region, such as cn-hangzhou",
    "endpoint": "https://host of the region, an internal or an accelerated one",
    "domain": "https://host of the bucket's own (CNAME) domain",
    "credentials": "where the keys come from",
}
MIN_PART_BYTES = 100 * 1024
LARGEST_COPY_BYTES = 1024**3
COPY_PART_BYTES = 512 * 1024**2

_BROKEN = (urllib3.exceptions.HTTPError, requests.RequestException, OSError)
_FORBID = {"x-oss-forbid-overwrite": "true"}


def open_oss(url: StoreUrl, credentials: Provider | None, connection: Connection) -> "OssStore":
    """The bucket that a URL names; without `credentials` requests are not signed."""
    url.require_known(OPTIONS)
    region = url.required("region", "cn-hangzhou")
    own = url.address("domain")
    scheme, host = own or url.address("endpoint") or ("https", f"oss-{region}.aliyuncs.com")
    auth = oss2.AnonymousAuth() if credentials is None else oss2.ProviderAuthV4(_Current(credentials))
    session = oss2.Session()
    session.session = connection.session()

    def bucket(read_s: float) -> oss2.Bucket:
        return oss2.Bucket(
            auth,
            f"{scheme}://{host}",
            url.bucket,
            is_cname=own is not None,
            session=session,
            connect_timeout=(connection.connect_s, read_s),
            enable_crc=False,
            proxies=connection.proxies,
            region=region,
        )

    try:
        usual, patient = bucket(connection.read_s), bucket(connection.complete_s)
    except oss2.exceptions.ClientError as error:
        fault = error.body.removeprefix("ClientError: ").rstrip(".")
        raise InvalidUrl("open_store", url.place, f"oss2 refuses it: {fault}") from error
    return OssStore(usual, patient=patient, url=str(url), connection=connection)


class _Current(CredentialsProvider):  # type: ignore[misc]
    """What oss2 signs with: the credentials of the moment, whoever renews them."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get_credentials(self) -> OssCredentials:
        now = self._provider()
        return OssCredentials(now.key_id, now.secret, now.token)


class OssStore:
    """One bucket. `bucket` is oss2's; `patient` is the same with time for joining many parts."""

    def __init__(self, bucket: oss2.Bucket, *, patient: oss2.Bucket, url: str, connection: Connection) -> None:
        """`url` opens the same bucket again."""
        self.bucket = bucket
        self.patient = patient
        self._url = url
        self._fetcher = Fetcher(Fetching(self._sign, connection), read_meta=_meta, head=self.head)

    @property
    def url(self) -> str:
        """`oss://bucket/?region=…`."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Parts of 100 KiB and more; forbid-overwrite is not kept where versions are, so it is a help, no promise."""
        return Capabilities(min_part_bytes=MIN_PART_BYTES, tells_versions=False, presigns=True)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; one request for 1,000 keys."""

        def page(token: str | None) -> tuple[Iterable[ObjectMeta], str | None]:
            answer = self.call("list", prefix, lambda: self._page(prefix, after, token or ""))
            with understood("list", prefix):
                metas = [_listed(listed) for listed in answer.object_list]
                return metas, answer.next_continuation_token if answer.is_truncated else None

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
        headers = _headers(served) | (_FORBID if create_only else {})
        body = plain(data)
        answer = self.call("put", key, lambda: self.bucket.put_object(key, body, headers=headers))
        return _written("put", key, len(data), answer.headers)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore."""
        return self._start(output_key(key), served)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""

        def page(markers: tuple[str, str] | None) -> tuple[Iterable[PendingUpload], tuple[str, str] | None]:
            key, upload_id = markers or ("", "")
            answer = self.call(
                "list_uploads",
                prefix,
                lambda: self.bucket.list_multipart_uploads(
                    prefix, key_marker=key, upload_id_marker=upload_id, max_uploads=1000
                ),
            )
            with understood("list_uploads", prefix):
                uploads = [_pending(upload) for upload in answer.upload_list]
                more = answer.is_truncated
                return uploads, (answer.next_key_marker, answer.next_upload_id_marker) if more else None

        return paged("list_uploads", prefix, page)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        with suppress(NotFound):
            self.call("abort_upload", key, lambda: self.bucket.abort_multipart_upload(key, upload_id))

    def copy(self, source: str, target: ObjectKey) -> Written:
        """See ObjectStore; in parts where it is larger than one request may copy."""
        output_key(target)
        meta, headers = self._seen(source)
        if meta.size_bytes > LARGEST_COPY_BYTES:
            return copy_in_parts(self._start(target, served_by(headers)), meta, COPY_PART_BYTES)
        name, same = self.bucket.bucket_name, {"x-oss-copy-source-if-match": meta.etag}
        answer = self.call("copy", target, lambda: self.bucket.copy_object(name, source, target, headers=same))
        with understood("copy", target):
            offered = crc64ecma(answer.headers, "oss")
            return Written(key=target, size_bytes=meta.size_bytes, etag=bare_etag(answer.etag), checksums=offered)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        addressable_key("delete", key)
        self.call("delete", key, lambda: self.bucket.delete_object(key))

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """See ObjectStore; seven days at most."""
        check_lifetime(key, seconds)
        addressable_key("presign_get", key)
        params = {"response-content-disposition": disposition(filename)}
        return str(self.bucket.sign_url("GET", key, seconds, params=params, slash_safe=True))

    def examine(self) -> OssExaminer:
        """See Examinable."""
        return OssExaminer(self.bucket, self.call)

    def call(self, operation: str, key: str, request: Callable[[], Any]) -> Any:
        """One request, its failure in our words.

        The SDK's error is not kept as the cause: it holds what was signed, the security token included.
        """
        try:
            answer = request()
            answer.resp.read()  # what oss2 does not need it leaves unread, and with it the connection
        except oss2.exceptions.ServerError as error:
            failure: StorageError = refusal(
                operation, key, status=error.status, code=error.code or "", message=error.message or ""
            )
        except (oss2.exceptions.RequestError, ET.ParseError, *_BROKEN) as error:
            failure = broken(operation, key, getattr(error, "exception", error))
        except oss2.exceptions.OssError as error:
            failure = InvalidKey(operation, key, f"oss2 refuses it: {error.body}")
        except UNREADABLE_TO_SDKS as error:
            failure = unreadable(operation, key, error)
        else:
            return answer
        raise failure

    def _seen(self, key: str) -> tuple[ObjectMeta, Mapping[str, str]]:
        """An object, and all headers that speak of it."""
        addressable_key("head", key)
        headers = self.call("head", key, lambda: self.bucket.head_object(key)).headers
        with understood("head", key):
            return _meta(key, headers, int(headers["Content-Length"])), headers

    def _sign(self, key: str, headers: Mapping[str, str]) -> SignedGet:
        """Version 4. Without `x-oss-range-behavior` OSS answers a range past the end with the whole object."""
        bucket = self.bucket
        url = bucket._make_url(bucket.bucket_name, key)  # noqa: SLF001  oss2 signs for others in URLs only
        wanted = {**headers, "x-oss-range-behavior": "standard"}
        request = oss2.http.Request("GET", url, headers=wanted, region=bucket.region, product=bucket.product)
        bucket.auth._sign_request(request, bucket.bucket_name, key)  # noqa: SLF001
        return SignedGet(url, {name: value for name, value in request.headers.items() if value is not None})

    def _page(self, prefix: str, after: str, token: str) -> Any:
        start = {} if token else {"start_after": after}
        return self.bucket.list_objects_v2(prefix, continuation_token=token, max_keys=1000, **start)

    def _start(self, key: ObjectKey, served: Served) -> CloudUpload:
        begin, headers = self.bucket.init_multipart_upload, _headers(served)
        answer = self.call("start_multipart", key, lambda: begin(key, headers=headers))
        return CloudUpload(key=key, upload_id=answer.upload_id, requests=_Parts(self, key, answer.upload_id))


@dataclass(frozen=True, slots=True)
class _Parts:
    """The requests of one upload."""

    store: OssStore
    key: ObjectKey
    upload_id: str

    def put(self, number: int, data: Buffer, /) -> SentPart:
        body, send = plain(data), self.store.bucket.upload_part
        answer = self.store.call("put_part", self.key, lambda: send(self.key, self.upload_id, number, body))
        with understood("put_part", self.key):
            require_arrived(self.key, data, crc64ecma(answer.headers, "oss"))
            return SentPart(bare_etag(answer.etag), len(data))

    def copy(self, number: int, source: ObjectMeta, start: int, end: int, /) -> SentPart:
        bucket, same = self.store.bucket, {"x-oss-copy-source-if-match": source.etag}
        answer = self.store.call(
            "copy_part",
            self.key,
            lambda: bucket.upload_part_copy(
                bucket.bucket_name, source.key, (start, end - 1), self.key, self.upload_id, number, headers=same
            ),
        )
        with understood("copy_part", self.key):
            return SentPart(bare_etag(answer.etag), end - start)

    def join(self, parts: Mapping[int, SentPart], /, *, create_only: bool) -> Written:
        named = [oss2.models.PartInfo(number, part.etag) for number, part in parts.items()]
        join, headers = self.store.patient.complete_multipart_upload, _FORBID if create_only else {}
        answer = self.store.call("complete", self.key, lambda: join(self.key, self.upload_id, named, headers=headers))
        return _written("complete", self.key, size_of(parts), answer.headers)

    def drop(self) -> None:
        self.store.abort_upload(self.key, self.upload_id)


def _listed(listed: Any) -> ObjectMeta:
    return ObjectMeta(
        key=listed.key,
        size_bytes=listed.size,
        etag=bare_etag(listed.etag),
        last_modified=datetime.fromtimestamp(listed.last_modified, UTC),
    )


def _pending(upload: Any) -> PendingUpload:
    started_at = datetime.fromtimestamp(upload.initiation_date, UTC)
    return PendingUpload(key=upload.key, upload_id=upload.upload_id, started_at=started_at)


def _meta(key: str, headers: Mapping[str, str], size_bytes: int) -> ObjectMeta:
    etag = bare_etag(headers["ETag"])
    one_put = headers.get("x-oss-object-type") == "Normal" and "x-oss-server-side-encryption" not in headers
    md5 = etag.lower() if one_put and is_md5(etag) else None
    return ObjectMeta(
        key=key,
        size_bytes=size_bytes,
        etag=etag,
        last_modified=http_time(headers["Last-Modified"]),
        checksums=crc64ecma(headers, "oss", md5=md5),
    )


def _written(operation: str, key: str, size_bytes: int, headers: Mapping[str, str]) -> Written:
    with understood(operation, key):
        etag = bare_etag(headers["ETag"])
        return Written(key=key, size_bytes=size_bytes, etag=etag, checksums=crc64ecma(headers, "oss"))


def _headers(served: Served) -> dict[str, str]:
    cached = {"Cache-Control": served.cache_control} if served.cache_control else {}
    return {"Content-Type": served.content_type, **cached}
