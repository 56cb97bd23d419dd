"""Everything that was asked is written down, in the words of the store that was asked."""

from deployments.sandbox.clouds import Clouds
from tests.sandbox.clouds.clients import KEY_ID, Client, cloud_of, failure
from tests.sandbox.clouds.conftest import Connect

LIST = {"s3": "ListObjectsV2", "oss": "ListObjectsV2", "cos": "GetBucket"}
START = {"s3": "CreateMultipartUpload", "oss": "InitiateMultipartUpload", "cos": "InitiateMultipartUpload"}


def test_operations_have_the_names_of_their_store(client: Client, clouds: Clouds, cloud: str) -> None:
    client.put("k", b"hello")
    client.get("k")
    client.head("k")
    client.listed()
    upload = client.start("m")
    client.abort("m", upload)
    client.delete("k")
    seen = clouds.journal.seen()
    wanted = ["PutObject", "GetObject", "HeadObject", LIST[cloud], START[cloud], "AbortMultipartUpload", "DeleteObject"]
    assert [one.operation for one in seen] == wanted
    assert [one.writes for one in seen] == [True, False, False, False, True, True, True]
    assert {(one.cloud, one.bucket, one.account) for one in seen} == {(cloud, client.bucket, KEY_ID)}
    assert [one.sent_bytes for one in seen[:3]] == [0, 5, 0]
    assert seen[0].received_bytes == 5


def test_what_was_refused_is_seen_with_its_code(client: Client, clouds: Clouds) -> None:
    failure(lambda: client.get("gone"))
    last = clouds.journal.seen()[-1]
    assert (last.key, last.status, last.code, last.writes) == ("gone", 404, "NoSuchKey", False)
    clouds.journal.clear()
    assert clouds.journal.seen() == []


def test_no_signature_is_written_down(connect: Connect, clouds: Clouds) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        client.put("k", b"")
        last = clouds.journal.seen()[-1]
        assert last.cloud == cloud_of(client)
        assert "authorization" not in last.headers
        assert "host" in last.headers
