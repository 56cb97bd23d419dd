import os
from pathlib import Path

import pytest

from storage.errors import Denied, Unsupported
from storage.keys import output_key
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.opening import open_store


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "with space%"
    for url in (folder.as_uri(), str(folder), folder.as_uri().replace("file://", "file://localhost")):
        store = open_store(url)
        assert isinstance(store, LocalStore)
        assert store.url == folder.as_uri()


@pytest.mark.parametrize("path", ["bucket", "./bucket", "x/../bucket"])
def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store(path)
    monkeypatch.chdir("/")
    store.put(output_key("a"), b"")
    assert (tmp_path / "bucket/a").exists()


def test_memory_has_names() -> None:
    store = open_store("memory://opening/one")
    assert isinstance(store, MemoryStore)
    assert open_store("memory://opening/one") is store
    assert open_store("memory://opening/two") is not store
    assert open_store(store.url) is store


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://user:secret@host/x", "file://, memory://, s3://, oss://, cos:// and plain paths"),
        ("FILES:///x", "file://, memory://, s3://, oss://, cos:// and plain paths"),
        ("file://folder/x", "three slashes"),
        ("file://", "three slashes"),
        ("file:///x?region=y", "%3F"),
        ("file:///x#y", "%23"),
    ],
)
def test_what_no_store_understands(url: str, why: str) -> None:
    with pytest.raises(Unsupported, match=why) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_bucket_that_s3_cannot_have() -> None:
    with pytest.raises(Unsupported, match="Invalid bucket name"):
        open_store("s3://a%20b/?region=us-east-1", environment={"AFTERTAKE_S3_KEY_ID": "a", "AFTERTAKE_S3_SECRET": "b"})


def test_a_chain_that_finds_nothing_is_denied_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = open_store("s3://bucket/?region=us-east-1&credentials=chain", environment={})
    for call in (store.head, store.open, lambda key: store.presign_get(key, 60, "x")):
        with pytest.raises(Denied, match="there are no credentials"):
            call("a")
