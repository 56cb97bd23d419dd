"""Temporary credentials: their token goes out with every request, the newest one."""

import json
from pathlib import Path

import pytest

from deployments.sandbox.clouds import Account, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.keys import output_key
from storage.opening import open_store
from tests.clouds import CLOUDS, SECRET, new_bucket

KEY = output_key("a/b")


def write(path: Path, token: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"key_id": "AKTEMPORARY", "secret": SECRET, "token": token}), encoding="utf-8")
    new.rename(path)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_kind_of_request_carries_the_token_of_the_moment(cloud: CloudName, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    with Clouds() as clouds:
        write(path, "first")
        store = open_store(new_bucket(clouds, cloud, options=f"&credentials={path}"), environment={})
        for token in ("first", "second"):
            write(path, token)
            clouds.add_account(Account(key_id="AKTEMPORARY", secret=SECRET, token=token))
            store.put(KEY, b"bytes")
            upload = store.start_multipart(KEY)
            upload.put_part(1, b"part")
            upload.complete()
            assert [meta.key for meta in store.list()] == [KEY]
            with store.open(store.copy(KEY, output_key("copy")).key) as body:
                assert body.read(10) == b"part"
            store.delete("copy")
