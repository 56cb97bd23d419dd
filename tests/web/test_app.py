"""Health, as a load balancer asks for it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from catalog.database import Database
from tests.web.receiving import MemoryInbox, parts
from web.app import build_app


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
