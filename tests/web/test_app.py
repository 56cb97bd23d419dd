"""Health, as a load balancer asks for it."""

import asyncio
import json
import os
from pathlib import Path

import httpx
import pytest

from catalog.database import Database
from catalog.events import Signature
from catalog.inbox import Inbox
from tests.vendors.forging import V2, sha256
from tests.vendors.messages import agora_document
from tests.web.receiving import MemoryInbox, parts
from web.app import build_app, create


def get(database: Database, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(database, parts(MemoryInbox())))
        async with httpx.AsyncClient(transport=transport, base_url="http://aftertake") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_it_lives_whatever_the_catalog_does(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'catalog.db'}")
    assert get(database, "/livez").json() == {"status": "ok"}


def test_it_is_ready_once_the_catalog_has_its_tables(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    before = get(database, "/readyz")
    database.migrate()
    after = get(database, "/readyz")

    assert (before.status_code, before.json()["ready"]) == (503, False)
    assert "another version" in before.json()["problems"][0]
    assert (after.status_code, after.json()) == (200, {"ready": True, "problems": []})


def test_a_catalog_that_cannot_be_read_is_named_in_the_log_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asks need not be somebody who may know where the catalog lies."""
    (tmp_path / "catalog.db").write_bytes(b"this is no database, whatever its name says" * 100)

    answer = get(Database(f"sqlite:///{tmp_path / 'catalog.db'}"), "/readyz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the catalog does not answer; the log says why"]
    assert "catalog.db does not answer" in caplog.text


def test_what_the_settings_say_receives_webhooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = f"sqlite:///{tmp_path / 'catalog.db'}"
    told = {"CATALOG": catalog, "DATA": str(tmp_path), "CONFIG": os.devnull, "AGORA_WEBHOOK_SECRET": "s"}
    for name, value in told.items():
        monkeypatch.setenv(f"AFTERTAKE_{name}", value)
    Database(catalog).migrate()
    app, body = create(), json.dumps(agora_document(31)).encode()

    async def post(secret: str) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://aftertake") as client:
            return (await client.post("/hooks/agora", content=body, headers={V2: sha256(secret, body)})).status_code

    assert asyncio.run(post("s")) == 200
    assert asyncio.run(post("guessed")) == 401
    kept = [row for row in Inbox(Database(catalog)).newest(most=9) if row.signature is Signature.GOOD]
    assert [row.vendor for row in kept] == ["agora"]
