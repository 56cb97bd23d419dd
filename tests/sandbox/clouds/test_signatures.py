"""The examples of the vendors' own documents, accepted as they stand and refused when changed."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deployments.sandbox.clouds.accounts import Account, Accounts
from deployments.sandbox.clouds.messages import Refusal, Request
from deployments.sandbox.clouds.signatures import Asked, cos, oss, s3

EMPTY = hashlib.sha256(b"").hexdigest()
AWS_ID = "AKIAIOSFODNN7EXAMPLE"
AWS = Account(key_id=AWS_ID, secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AWS_NOW = datetime(2013, 5, 24, tzinfo=UTC)


def _aws(signature: str, signed: str, *, payload: str = EMPTY, query: str = "", **request: object) -> Request:
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": payload,
        "authorization": f"AWS4-HMAC-SHA256 Credential={AWS_ID}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={signature}",
        **request.pop("headers", {}),  # type: ignore[dict-item]
    }
    base = Request(method="GET", path="/", query_text=query, headers=headers)
    return replace(base, **request)  # type: ignore[arg-type]


WELCOME = b"Welcome to Amazon S3."

# Amazon S3 API Reference, "Signature Calculations for the Authorization Header", examples.
AWS_HEADER_EXAMPLES = {
    "GET Object": _aws(
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        "host;range;x-amz-content-sha256;x-amz-date",
        path="/test.txt",
        headers={"range": "bytes=0-9"},
    ),
    "PUT Object": _aws(
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        payload=hashlib.sha256(WELCOME).hexdigest(),
        method="PUT",
        path="/test$file.text",
        body=WELCOME,
        headers={"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
    ),
    "GET Bucket Lifecycle": _aws(
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        "host;x-amz-content-sha256;x-amz-date",
        query="lifecycle",
    ),
    "GET Bucket": _aws(
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        "host;x-amz-content-sha256;x-amz-date",
        query="max-keys=2&prefix=J",
    ),
}


def _accounts(account: Account) -> Accounts:
    accounts = Accounts()
    accounts.add(account)
    return accounts


def _ask(request: Request, now: datetime, region: str | None = None) -> Asked:
    return Asked(request=request, bucket="examplebucket", key=request.path[1:], now=now, region=region)


@pytest.mark.parametrize("name", AWS_HEADER_EXAMPLES)
def test_s3_accepts_the_examples_of_its_document(name: str) -> None:
    asked = _ask(AWS_HEADER_EXAMPLES[name], AWS_NOW, "us-east-1")
    assert s3.verify(asked, _accounts(AWS).find) == AWS


def test_s3_accepts_the_presigned_example_of_its_document() -> None:
    # "Authenticating Requests: Using Query Parameters", example.
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={AWS_ID}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    headers = {"host": "examplebucket.s3.amazonaws.com"}
    request = Request(method="GET", path="/test.txt", query_text=query, headers=headers)
    assert s3.verify(_ask(request, AWS_NOW), _accounts(AWS).find) == AWS


def test_oss_accepts_the_v1_example_of_its_document() -> None:
    # OSS API reference, "Include a V1 signature in the Authorization header", example.
    account = Account(key_id="44CF9590006BF252F707", secret="OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV")
    headers = {
        "host": "oss-example.oss-cn-hangzhou.aliyuncs.com",
        "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "content-type": "text/html",
        "date": "Thu, 17 Nov 2005 18:49:58 GMT",
        "x-oss-meta-author": "foo@bar.com",
        "x-oss-magic": "abracadabra",
        "authorization": "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=",
    }
    request = Request(method="PUT", path="/nelson", query_text="", headers=headers)
    now = datetime(2005, 11, 17, 18, 50, tzinfo=UTC)
    asked = Asked(request=request, bucket="oss-example", key="nelson", now=now)
    assert oss.verify(asked, _accounts(account).find) == account


# The expected values on which Alibaba Cloud's own SDKs of every language agree for version 4:
# additional headers, token, time of signing, signature.
OSS_V4_EXAMPLES = {
    "plain": ("", None, 1702743657, "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"),
    "token": ("", "token", 1702784856, "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea"),
    "more": ("abc;zabc", None, 1702747512, "4a4183c187c07c8947db7620deb0a6b38d9fbdd34187b6dbaccb316fa251212f"),
}


@pytest.mark.parametrize("name", OSS_V4_EXAMPLES)
def test_oss_accepts_the_v4_values_on_which_its_sdks_agree(name: str) -> None:
    additional, token, stamp, signature = OSS_V4_EXAMPLES[name]
    now = datetime.fromtimestamp(stamp, UTC)
    account = Account(key_id="ak", secret="sk", token=token)
    listed = f",AdditionalHeaders={additional}" if additional else ""
    headers = {
        "x-oss-head1": "value",
        "abc": "value",
        "zabc": "value",
        "xyz": "value",
        "content-type": "text/plain",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": f"{now:%Y%m%dT%H%M%SZ}",
        "authorization": f"OSS4-HMAC-SHA256 Credential=ak/{now:%Y%m%d}/cn-hangzhou/oss/aliyun_v4_request{listed},"
        f"Signature={signature}",
    } | ({"x-oss-security-token": token} if token else {})
    query = "param1=value1&%2Bparam1=value3&%7Cparam1=value4&%2Bparam2=&%7Cparam2=&param2="
    request = Request(method="PUT", path="/1234%2B-/123/1.txt", query_text=query, headers=headers)
    asked = Asked(request=request, bucket="bucket", key="1234+-/123/1.txt", now=now, region="cn-hangzhou")
    assert oss.verify(asked, _accounts(account).find) == account


COS_ACCOUNT = Account(key_id="AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q", secret="BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz")
COS_TIME = "1557989151;1557996351"


def _cos_example() -> Request:
    # COS, "Request Signature" (436/7778), example of an upload.
    names = "content-length;content-md5;content-type;date;host;x-cos-acl;x-cos-grant-read"
    headers = {
        "date": "Thu, 16 May 2019 06:45:51 GMT",
        "host": "examplebucket-1250000000.cos.ap-beijing.myqcloud.com",
        "content-type": "text/plain",
        "content-length": "13",
        "content-md5": base64.b64encode(hashlib.md5(b"ObjectContent", usedforsecurity=False).digest()).decode(),
        "x-cos-acl": "private",
        "x-cos-grant-read": 'uin="100000000011"',
        "authorization": f"q-sign-algorithm=sha1&q-ak={COS_ACCOUNT.key_id}&q-sign-time={COS_TIME}&q-key-time={COS_TIME}"
        f"&q-header-list={names}&q-url-param-list=&q-signature=3b8851a11a569213c17ba8fa7dcf2abec6935172",
    }
    path = "/exampleobject(%E8%85%BE%E8%AE%AF%E4%BA%91)"
    return Request(method="PUT", path=path, query_text="", headers=headers, body=b"ObjectContent")


def test_cos_accepts_the_example_of_its_document() -> None:
    now = datetime.fromtimestamp(1557989200, UTC)
    assert cos.verify(_ask(_cos_example(), now), _accounts(COS_ACCOUNT).find) == COS_ACCOUNT


@pytest.mark.parametrize(
    "change",
    [{"method": "DELETE"}, {"path": "/other"}, {"headers": {"x-cos-acl": "public"}}],
    ids=["method", "path", "header"],
)
def test_a_changed_request_does_not_match(change: dict[str, object]) -> None:
    example = _cos_example()
    if "headers" in change:
        change = {"headers": {**example.headers, **change["headers"]}}  # type: ignore[dict-item]
    now = datetime.fromtimestamp(1557989200, UTC)
    with pytest.raises(Refusal) as refused:
        cos.verify(_ask(replace(example, **change), now), _accounts(COS_ACCOUNT).find)  # type: ignore[arg-type]
    assert refused.value.code == "SignatureDoesNotMatch"
    assert {"StringToSign", "FormatString"} <= refused.value.details.keys()
