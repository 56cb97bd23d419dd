"""The three vendors' own SDKs, unmodified, pointed at the sandbox, with one face for what all of them can."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import oss2
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

from deployments.sandbox.clouds import Account, BucketRules, Clouds

KEY_ID, SECRET = "AKEXAMPLE", "secret-of-the-example"
BUCKETS = {"s3": "recordings", "oss": "recordings", "cos": "recordings-1250000000"}
MIN_PART = {"s3": 5 << 20, "oss": 100 << 10, "cos": 1 << 20}
REGIONS = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}


def open_clouds(**options: Any) -> Clouds:
    clouds = Clouds(**options)
    clouds.add_account(Account(key_id=KEY_ID, secret=SECRET))
    for cloud, bucket in BUCKETS.items():
        clouds.create_bucket(cloud, bucket)  # type: ignore[arg-type]
    return clouds.start()


@dataclass(frozen=True, slots=True)
class Read:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(unsafe_hash=True)
class Failed(Exception):  # noqa: N818 - what a test compares
    status: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    key_id: str = KEY_ID
    secret: str = SECRET
    token: str | None = None
    region: str = ""


@dataclass
class Client(ABC):
    """Each method does one request; a refusal is Failed."""

    port: int
    bucket: str
    keys: Keys = field(default_factory=Keys)
    sdk: Any = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def open(self) -> None: ...
    @abstractmethod
    def close(self) -> None: ...
    @abstractmethod
    def put(self, key: str, data: bytes, **headers: str) -> Mapping[str, str]: ...
    @abstractmethod
    def get(self, key: str, **headers: str) -> Read: ...
    @abstractmethod
    def head(self, key: str) -> Mapping[str, str]: ...
    @abstractmethod
    def delete(self, key: str) -> None: ...
    @abstractmethod
    def copy(self, source: str, target: str) -> None: ...
    @abstractmethod
    def listed(self, prefix: str = "", limit: int = 1000) -> list[str]: ...
    @abstractmethod
    def start(self, key: str) -> str: ...
    @abstractmethod
    def part(self, key: str, upload: str, number: int, data: bytes) -> str: ...
    @abstractmethod
    def complete(self, key: str, upload: str, etags: Mapping[int, str], **headers: str) -> str: ...
    @abstractmethod
    def abort(self, key: str, upload: str) -> None: ...
    @abstractmethod
    def parts(self, key: str, upload: str) -> list[int]: ...
    @abstractmethod
    def uploads(self) -> list[str]: ...
    @abstractmethod
    def presigned(self, key: str, seconds: int = 60, **params: str) -> str: ...


class S3(Client):
    def open(self) -> None:
        self.sdk = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.keys.region or REGIONS["s3"],
            aws_access_key_id=self.keys.key_id,
            aws_secret_access_key=self.keys.secret,
            aws_session_token=self.keys.token,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=5,
            ),
        )

    def close(self) -> None:
        self.sdk.close()

    def _call(self, name: str, **arguments: Any) -> Any:
        return self._try(lambda: getattr(self.sdk, name)(Bucket=self.bucket, **arguments))

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise Failed(status, error.response["Error"]["Code"]) from error

    def put(self, key: str, data: bytes, **headers: str) -> Mapping[str, str]:
        answer = self._call("put_object", Key=key, Body=data, **headers)
        return dict(answer["ResponseMetadata"]["HTTPHeaders"])

    def get(self, key: str, **headers: str) -> Read:
        answer = self._call("get_object", Key=key, **headers)
        meta = answer["ResponseMetadata"]
        with answer["Body"] as body:
            return Read(meta["HTTPStatusCode"], meta["HTTPHeaders"], body.read())

    def head(self, key: str) -> Mapping[str, str]:
        return dict(self._call("head_object", Key=key)["ResponseMetadata"]["HTTPHeaders"])

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=key)

    def copy(self, source: str, target: str) -> None:
        self._call("copy_object", Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    def listed(self, prefix: str = "", limit: int = 1000) -> list[str]:
        pages = self.sdk.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": limit}
        )
        return [item["Key"] for page in self._try(lambda: list(pages)) for item in page.get("Contents", ())]

    def start(self, key: str) -> str:
        return str(
            self._call("create_multipart_upload", Key=key, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")[
                "UploadId"
            ]
        )

    def part(self, key: str, upload: str, number: int, data: bytes) -> str:
        arguments = {"Key": key, "UploadId": upload, "PartNumber": number, "Body": data}
        return str(self._call("upload_part", **arguments, ChecksumAlgorithm="CRC64NVME")["ETag"])

    def complete(self, key: str, upload: str, etags: Mapping[int, str], **headers: str) -> str:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
        answer = self._call(
            "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **headers
        )
        return str(answer["ETag"])

    def abort(self, key: str, upload: str) -> None:
        self._call("abort_multipart_upload", Key=key, UploadId=upload)

    def parts(self, key: str, upload: str) -> list[int]:
        return [part["PartNumber"] for part in self._call("list_parts", Key=key, UploadId=upload).get("Parts", ())]

    def uploads(self) -> list[str]:
        return [upload["Key"] for upload in self._call("list_multipart_uploads").get("Uploads", ())]

    def presigned(self, key: str, seconds: int = 60, **params: str) -> str:
        arguments = {"Bucket": self.bucket, "Key": key}
        if params:
            arguments["ResponseContentDisposition"] = params["disposition"]
        return str(self.sdk.generate_presigned_url("get_object", Params=arguments, ExpiresIn=seconds))


class OSS(Client):
    version = oss2.AUTH_VERSION_4

    def open(self) -> None:
        session = oss2.Session()
        session.session.trust_env = False
        self.session = session.session
        keys = self.keys
        if keys.token:
            auth = oss2.StsAuth(keys.key_id, keys.secret, keys.token, auth_version=self.version)
        else:
            auth = oss2.make_auth(keys.key_id, keys.secret, self.version)
        region = keys.region or REGIONS["oss"]
        self.sdk = oss2.Bucket(
            auth, self.endpoint, self.bucket, region=region, session=session, connect_timeout=(5, 5), enable_crc=True
        )

    def close(self) -> None:
        self.session.close()

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        try:
            return getattr(self.sdk, name)(*arguments, **named)
        except oss2.exceptions.ServerError as error:
            raise Failed(error.status, error.code) from error

    def put(self, key: str, data: bytes, **headers: str) -> Mapping[str, str]:
        return _lower(self._call("put_object", key, data, headers=_dashed(headers)).headers)

    def get(self, key: str, **headers: str) -> Read:
        answer = self._call("get_object", key, headers=_dashed(headers))
        with answer:
            return Read(answer.status, _lower(answer.headers), answer.read())

    def head(self, key: str) -> Mapping[str, str]:
        return _lower(self._call("head_object", key).headers)

    def delete(self, key: str) -> None:
        self._call("delete_object", key)

    def copy(self, source: str, target: str) -> None:
        self._call("copy_object", self.bucket, source, target)

    def listed(self, prefix: str = "", limit: int = 1000) -> list[str]:
        try:
            return [item.key for item in oss2.ObjectIteratorV2(self.sdk, prefix=prefix, max_keys=limit, max_retries=1)]
        except oss2.exceptions.ServerError as error:
            raise Failed(error.status, error.code) from error

    def start(self, key: str) -> str:
        return str(self._call("init_multipart_upload", key).upload_id)

    def part(self, key: str, upload: str, number: int, data: bytes) -> str:
        return str(self._call("upload_part", key, upload, number, data).etag)

    def complete(self, key: str, upload: str, etags: Mapping[int, str], **headers: str) -> str:
        parts = [oss2.models.PartInfo(number, etag) for number, etag in etags.items()]
        return str(self._call("complete_multipart_upload", key, upload, parts, headers=_dashed(headers)).etag)

    def abort(self, key: str, upload: str) -> None:
        self._call("abort_multipart_upload", key, upload)

    def parts(self, key: str, upload: str) -> list[int]:
        return [part.part_number for part in self._call("list_parts", key, upload).parts]

    def uploads(self) -> list[str]:
        return [upload.key for upload in self._call("list_multipart_uploads").upload_list]

    def presigned(self, key: str, seconds: int = 60, **params: str) -> str:
        query = {"response-content-disposition": params["disposition"]} if params else {}
        return str(self.sdk.sign_url("GET", key, seconds, params=query, slash_safe=True))


class OSSVersion1(OSS):
    version = oss2.AUTH_VERSION_1


class COS(Client):
    def open(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.sdk = self._client(IP="127.0.0.1", Port=self.port)
        self.for_links = self._client(Domain=f"127.0.0.1:{self.port}")

    def _client(self, **where: Any) -> Any:
        config = CosConfig(
            Region=self.keys.region or REGIONS["cos"],
            Scheme="http",
            SecretId=self.keys.key_id,
            SecretKey=self.keys.secret,
            Token=self.keys.token,
            Timeout=(5, 5),
            **where,
        )
        return CosS3Client(config, retry=0, session=self.session)

    def close(self) -> None:
        self.session.close()

    def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return getattr(self.sdk, name)(Bucket=self.bucket, **arguments)
        except CosServiceError as error:
            raise Failed(error.get_status_code(), error.get_error_code()) from error

    def put(self, key: str, data: bytes, **headers: str) -> Mapping[str, str]:
        return _lower(self._call("put_object", Key=key, Body=data, **_metadata(headers)))

    def get(self, key: str, **headers: str) -> Read:
        answer = self._call("get_object", Key=key, **headers)
        stream = answer.pop("Body").get_raw_stream()
        with stream:
            return Read(stream.status, _lower(answer), stream.read())

    def head(self, key: str) -> Mapping[str, str]:
        return _lower(self._call("head_object", Key=key))

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=key)

    def copy(self, source: str, target: str) -> None:
        place = {"Bucket": self.bucket, "Key": source, "Region": REGIONS["cos"]}
        self._call("copy_object", Key=target, CopySource=place)

    def listed(self, prefix: str = "", limit: int = 1000) -> list[str]:
        keys: list[str] = []
        marker = ""
        while True:
            page = self._call("list_objects", Prefix=prefix, MaxKeys=limit, Marker=marker)
            keys += [item["Key"] for item in page.get("Contents", ())]
            if page["IsTruncated"] == "false":
                return keys
            marker = page["NextMarker"]

    def start(self, key: str) -> str:
        return str(self._call("create_multipart_upload", Key=key)["UploadId"])

    def part(self, key: str, upload: str, number: int, data: bytes) -> str:
        return str(self._call("upload_part", Key=key, Body=data, PartNumber=number, UploadId=upload)["ETag"])

    def complete(self, key: str, upload: str, etags: Mapping[int, str], **headers: str) -> str:
        parts = {"Part": [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]}
        extra = _metadata(headers)
        return str(
            self._call("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload=parts, **extra)["ETag"]
        )

    def abort(self, key: str, upload: str) -> None:
        self._call("abort_multipart_upload", Key=key, UploadId=upload)

    def parts(self, key: str, upload: str) -> list[int]:
        answer = self._call("list_parts", Key=key, UploadId=upload)
        return [int(part["PartNumber"]) for part in answer.get("Part", ())]

    def uploads(self) -> list[str]:
        return [upload["Key"] for upload in self._call("list_multipart_uploads").get("Upload", ())]

    def presigned(self, key: str, seconds: int = 60, **params: str) -> str:
        query = {"response-content-disposition": params["disposition"]} if params else {}
        place = f"{self.bucket}/{key}"
        return str(
            self.for_links.get_presigned_url(
                Bucket=self.bucket, Key=place, Method="GET", Expired=seconds, Params=query, Headers={}
            )
        )


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    """IfMatch -> If-Match, forbid -> the header of OSS."""
    named = {"ForbidOverwrite": "x-oss-forbid-overwrite", "RangeBehavior": "x-oss-range-behavior"}
    return {named.get(name, re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name)): value for name, value in headers.items()}


def _metadata(headers: Mapping[str, str]) -> dict[str, Any]:
    raw = {"x-cos-forbid-overwrite": headers["ForbidOverwrite"]} if "ForbidOverwrite" in headers else {}
    rest: dict[str, Any] = {name: value for name, value in headers.items() if name != "ForbidOverwrite"}
    return rest | ({"Metadata": raw} if raw else {})


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


CLIENTS: Mapping[str, type[Client]] = {"s3": S3, "oss": OSS, "oss-v1": OSSVersion1, "cos": COS}
CREATE_ONLY: Mapping[str, dict[str, str]] = {
    "s3": {"IfNoneMatch": "*"},
    "oss": {"ForbidOverwrite": "true"},
    "cos": {"ForbidOverwrite": "true"},
}
TAKEN = {"s3": Failed(412, "PreconditionFailed"), "oss": Failed(409, "FileAlreadyExists")}
TAKEN["cos"] = TAKEN["oss"]


def cloud_of(client: Client) -> Any:
    return {S3: "s3", COS: "cos"}.get(type(client), "oss")


def failure(call: Callable[[], object]) -> Failed:
    """What the call was refused with; an AssertionError where it was not."""
    try:
        call()
    except Failed as failed:
        return failed
    raise AssertionError("it was not refused")


def rebuild(clouds: Clouds, client: Client, **rules: Any) -> None:
    """The client's bucket anew, with these rules."""
    clouds.create_bucket(cloud_of(client), client.bucket, BucketRules(**rules))
