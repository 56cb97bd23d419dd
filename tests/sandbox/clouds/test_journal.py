"""Everything that was asked is written down, in the words of the store that was asked."""

import urllib.request

from deployments.sandbox.clouds import Account, Clouds
from tests.sandbox.clouds.clients import KEY_ID, SECRET, Client, failure
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


def test_no_signature_and_no_token_is_written_down(connect: Connect, clouds: Clouds) -> None:
    clouds.add_account(Account(key_id="TEMP", secret=SECRET, token="the-token"))
    for name in ("s3", "oss", "oss-v1", "cos"):
        client = connect(name, key_id="TEMP", token="the-token")
        client.put("k", b"")
        if name != "cos":
            with urllib.request.urlopen(client.presigned("k")) as answer:
                answer.read()
        for seen in clouds.journal.seen():
            assert "host" in seen.headers
            assert "the-token" not in {*seen.headers.values(), *seen.query.values()}
            assert not any("ignature" in one or "authorization" in one for one in (*seen.headers, *seen.query))
        clouds.journal.clear()
