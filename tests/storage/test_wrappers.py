from collections.abc import Callable

import pytest

from storage.base import ObjectStore
from storage.errors import Denied, Unsupported
from storage.keys import output_key
from storage.memory import MemoryStore
from storage.wrappers import ReadOnlyStore, Within

KEY = output_key("room/one.ts")

WRITES: dict[str, Callable[[ObjectStore, str], object]] = {
    "put": lambda store, _: store.put(KEY, b"changed"),
    "start_multipart": lambda store, _: store.start_multipart(KEY),
    "abort_upload": lambda store, upload_id: store.abort_upload(KEY, upload_id),
    "copy": lambda store, _: store.copy(KEY, output_key("room/two.ts")),
    "delete": lambda store, _: store.delete(KEY),
}


@pytest.mark.parametrize("operation", WRITES)
def test_a_source_bucket_is_never_written(operation: str) -> None:
    inner = MemoryStore("source")
    inner.put(KEY, b"original")
    upload = inner.start_multipart(KEY)
    with pytest.raises(Denied, match="never written, and memory://source is one") as caught:
        WRITES[operation](ReadOnlyStore(inner), upload.upload_id)
    assert caught.value.operation == operation
    assert [meta.size_bytes for meta in inner.list()] == [8]
    assert len(list(inner.list_uploads())) == 1


def test_every_method_of_a_store_is_there_and_either_reads_or_is_denied() -> None:
    methods = {name for name in vars(ObjectStore) if not name.startswith("_")}
    assert methods <= set(vars(ReadOnlyStore))
    assert methods - set(WRITES) == {
        "url",
        "capabilities",
        "list",
        "head",
        "open",
        "list_uploads",
        "presign_get",
    }


def test_reads_are_passed_on() -> None:
    inner = MemoryStore("source")
    inner.start_multipart(KEY)
    store = ReadOnlyStore(inner)
    assert (store.url, store.capabilities) == (inner.url, inner.capabilities)
    assert len(list(store.list_uploads())) == 1
    with pytest.raises(Unsupported):
        store.presign_get(KEY, 60, "one.ts")


def test_a_view_shows_only_uploads_below_its_prefix() -> None:
    inner = MemoryStore("views")
    for key in ("p/a", "q/b"):
        inner.start_multipart(output_key(key))
    view = Within(inner, "p/", "memory://views/p/")
    assert [[upload.key for upload in view.list_uploads(prefix)] for prefix in ("", "p/a", "q/")] == [
        ["p/a"],
        ["p/a"],
        [],
    ]
