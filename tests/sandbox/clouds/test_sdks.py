"""The vendors' own SDKs, unmodified, get along with the sandbox."""

import io
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import oss2
import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from deployments.sandbox.clouds import Clouds
from tests.sandbox.clouds.clients import (
    COS,
    CREATE_ONLY,
    KEY_ID,
    MIN_PART,
    SECRET,
    TAKEN,
    Client,
    Failed,
    failure,
    rebuild,
)
from tests.sandbox.clouds.conftest import Connect

KEYS = ["plain", "with space", "a/b/c.ts", "ünïcode/录制.mp4", "plus+and=and&and%41", "quote'\"<tag>", "trailing/"]


@pytest.mark.parametrize("key", KEYS)
def test_what_was_put_is_got_headed_listed_and_deleted(client: Client, clouds: Clouds, cloud: str, key: str) -> None:
    etag = client.put(key, b"hello")["etag"]
    read = client.get(key)
    assert (read.status, read.body, read.headers["etag"]) == (200, b"hello", etag)
    assert client.head(key)["content-length"] == "5"
    assert client.listed() == [key]
    client.delete(key)
    client.delete(key)
    assert clouds.keys(cloud, client.bucket) == []  # type: ignore[arg-type]


def test_an_empty_object_is_an_object(client: Client) -> None:
    client.put("empty", b"")
    assert client.get("empty").body == b""


def test_parts_become_one_object(client: Client, cloud: str) -> None:
    first, last = b"1" * MIN_PART[cloud], b"end"
    upload = client.start("joined")
    etags = {2: client.part("joined", upload, 2, last), 1: client.part("joined", upload, 1, first)}
    assert client.parts("joined", upload) == [1, 2]
    assert client.uploads() == ["joined"]
    assert client.listed() == []
    etag = client.complete("joined", upload, dict(sorted(etags.items())))
    assert etag.strip('"').endswith("-2")
    assert client.get("joined").body == first + last
    assert client.uploads() == []
    assert failure(lambda: client.complete("joined", upload, etags)) == Failed(404, "NoSuchUpload")


def test_an_aborted_upload_is_gone(client: Client, clouds: Clouds, cloud: str) -> None:
    upload = client.start("never")
    client.part("never", upload, 1, b"x")
    client.abort("never", upload)
    assert clouds.uploads(cloud, client.bucket) == []  # type: ignore[arg-type]
    assert failure(lambda: client.part("never", upload, 1, b"x")) == Failed(404, "NoSuchUpload")


def test_a_copy_has_the_bytes(client: Client) -> None:
    client.put("a b+ü", b"hello")
    client.copy("a b+ü", "copy")
    assert client.get("copy").body == b"hello"
    assert failure(lambda: client.copy("gone", "copy")) == Failed(404, "NoSuchKey")


def test_a_presigned_link_is_opened_by_anybody(client: Client) -> None:
    client.put("a b/ü+.mp4", b"film")
    link = client.presigned("a b/ü+.mp4", disposition='attachment; filename="Fïlm 1.mp4"')
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"film"
        shown = answer.headers["Content-Disposition"].encode("latin-1").decode()
        assert shown == 'attachment; filename="Fïlm 1.mp4"'


def test_a_link_of_cos_in_ip_mode_works_with_a_domain_bound_to_the_bucket(clouds: Clouds, connect: Connect) -> None:
    client = connect("cos")
    assert isinstance(client, COS)
    client.put("a b", b"film")
    clouds.bind_domain("cos", f"127.0.0.1:{clouds.port}", client.bucket)
    link = client.sdk.get_presigned_url(Bucket=client.bucket, Key="a b", Method="GET")
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"film"


def test_a_presigned_put_takes_the_signed_type_alone(connect: Connect, clouds: Clouds) -> None:
    client = connect("s3")
    arguments = {"Bucket": client.bucket, "Key": "a b", "ContentType": "text/plain"}
    link = client.sdk.generate_presigned_url("put_object", Params=arguments)
    for sent, status in (("text/html", 403), ("text/plain", 200)):
        answer = requests.put(link, data=b"x", headers={"Content-Type": sent}, timeout=5)
        answer.close()
        assert answer.status_code == status
    assert clouds.get("s3", client.bucket, "a b") == b"x"


MIB = bytes(range(256)) * (1 << 12)


def test_the_managed_transfers_of_boto3_work(connect: Connect) -> None:
    client = connect("s3")
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=2)
    client.sdk.upload_fileobj(io.BytesIO(MIB * 9), client.bucket, "k", Config=config)
    received = io.BytesIO()
    client.sdk.download_fileobj(client.bucket, "k", received, Config=config)
    assert received.getvalue() == MIB * 9
    assert client.head("k")["etag"].endswith('-2"')


def test_the_managed_transfers_of_oss2_work(connect: Connect, tmp_path: Path) -> None:
    client = connect("oss")
    up, down = tmp_path / "up", tmp_path / "down"
    up.write_bytes(MIB)
    store = {"store": oss2.ResumableStore(root=str(tmp_path))}
    oss2.resumable_upload(client.sdk, "k", str(up), multipart_threshold=1, part_size=400 << 10, **store)
    store = {"store": oss2.ResumableDownloadStore(root=str(tmp_path))}
    oss2.resumable_download(client.sdk, "k", str(down), multiget_threshold=1, part_size=400 << 10, **store)
    assert client.sdk.object_exists("k")
    assert not client.sdk.object_exists("gone")
    assert down.read_bytes() == MIB


def test_the_managed_transfers_of_cos_work(connect: Connect, tmp_path: Path) -> None:
    client = connect("cos")
    up, down = tmp_path / "up", tmp_path / "down"
    up.write_bytes(MIB + MIB)
    client.sdk.upload_file(Bucket=client.bucket, Key="k", LocalFilePath=str(up), PartSize=1, MAXThread=2)
    client.sdk.download_file(Bucket=client.bucket, Key="k", DestFilePath=str(down), PartSize=1, EnableCRC=True)
    assert down.read_bytes() == MIB + MIB


def test_a_body_of_unknown_length_is_taken_in_chunks_by_oss(connect: Connect) -> None:
    client = connect("oss")
    client.sdk.put_object("k", (piece for piece in (b"abc", b"def")))
    assert client.get("k").body == b"abcdef"


def test_of_many_who_create_one_wins(client: Client, cloud: str) -> None:
    def create(number: int) -> str | Failed:
        try:
            client.put("one", f"{number}".encode(), **CREATE_ONLY[cloud])
        except Failed as failed:
            return failed
        return f"{number}"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(create, range(24)))
    assert results.count(TAKEN[cloud]) == 23
    assert client.get("one").body.decode() in results


def test_a_complete_can_be_create_only(client: Client, cloud: str) -> None:
    upload = client.start("one")
    etags = {1: client.part("one", upload, 1, b"second")}
    client.put("one", b"first")
    assert failure(lambda: client.complete("one", upload, etags, **CREATE_ONLY[cloud])) == TAKEN[cloud]
    assert client.get("one").body == b"first"
    assert client.uploads() == ["one"]
    client.complete("one", upload, etags)
    assert client.get("one").body == b"second"


def test_a_store_that_knows_no_create_only_overwrites(client: Client, clouds: Clouds, cloud: str) -> None:
    rebuild(clouds, client, create_only=False)
    client.put("one", b"first", **CREATE_ONLY[cloud])
    client.put("one", b"second", **CREATE_ONLY[cloud])
    assert client.get("one").body == b"second"


def test_versions_matter_to_create_only_on_s3_alone(client: Client, clouds: Clouds, cloud: str) -> None:
    rebuild(clouds, client, versioned=True)
    client.put("one", b"first")
    if cloud == "s3":
        assert failure(lambda: client.put("one", b"second", **CREATE_ONLY[cloud])) == TAKEN[cloud]
    else:
        client.put("one", b"second", **CREATE_ONLY[cloud])
        assert client.get("one").body == b"second"


def test_missing_keys_and_buckets_have_the_codes_of_the_store(client: Client) -> None:
    assert failure(lambda: client.get("gone")) == Failed(404, "NoSuchKey")
    assert failure(lambda: client.head("gone")).status == 404
    client.close()
    client.bucket = "nobodys-1250000000"
    client.open()
    assert failure(lambda: client.get("gone")) == Failed(404, "NoSuchBucket")


def test_the_hosts_of_buckets_work_for_who_takes_the_sandbox_as_its_proxy(clouds: Clouds) -> None:
    clouds.put("s3", "recordings", "k", b"s3")
    clouds.put("oss", "recordings", "k", b"oss")
    proxies = {"http": clouds.endpoint}
    config = Config(s3={"addressing_style": "virtual"}, proxies=proxies)
    sdk = boto3.client(
        "s3",
        endpoint_url="http://s3.us-east-1.amazonaws.com",
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        config=config,
    )
    with sdk.get_object(Bucket="recordings", Key="k")["Body"] as body:
        assert body.read() == b"s3"
    sdk.close()
    session = oss2.Session()
    auth = oss2.make_auth(KEY_ID, SECRET, "v4")
    where = "http://oss-cn-hangzhou.aliyuncs.com"
    bucket = oss2.Bucket(auth, where, "recordings", region="cn-hangzhou", session=session, proxies=proxies)
    with bucket.get_object("k") as answer:
        assert answer.read() == b"oss"
    session.session.close()


def test_a_custom_domain_of_oss_needs_no_bucket(clouds: Clouds) -> None:
    clouds.put("oss", "recordings", "k", b"oss")
    clouds.bind_domain("oss", "media.example.com", "recordings")
    session = oss2.Session()
    auth, proxies = oss2.make_auth(KEY_ID, SECRET, "v4"), {"http": clouds.endpoint}
    where = {"region": "cn-hangzhou", "session": session, "is_cname": True, "proxies": proxies}
    bucket = oss2.Bucket(auth, "http://media.example.com", "recordings", **where)
    with bucket.get_object("k") as answer:
        assert answer.read() == b"oss"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(bucket.sign_url("GET", "k", 60)) as answer:
        assert answer.read() == b"oss"
    session.session.close()
