"""Links: to what is whole alone, for a quarter of an hour, and it is noted who gets one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from catalog.errors import ExportStateError, UnknownExportError
from catalog.exports import Export
from catalog.index import Catalog
from catalog.tables import audit
from flows.export import export_replay
from flows.process import Inline, run_inline
from flows.steps.linking import Link, link
from flows.steps.working import Worker
from storage.base import Capabilities
from storage.errors import Denied, Unsupported
from storage.keys import output_key
from storage.memory import MemoryStore
from tests.catalog.exports import MOST, request
from tests.flows.export_making import maker
from tests.flows.site import Site
from tests.storage.fakes import FaultyStore

SECRET = "signature=canary-5b1c"  # noqa: S105 - it is looked for where it must not be


class Linking(MemoryStore):
    """Gives links that say what was asked of it."""

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        return f"https://bucket.example/{key}?{seconds}&{filename}&{SECRET}"


class Refusing(Linking):
    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        raise Denied("presign_get", key, f"{seconds}, {filename}")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def output() -> Linking:
    return Linking("out", capabilities=Capabilities(presigns=True))


def made(site: Site, output: MemoryStore, keep: timedelta = timedelta(days=7)) -> Export:
    asked, _ = site.catalog.exports.ask(request(), by="ann", reason="a case", name="the call", keep=keep, most=MOST)
    worker = Worker(name="w", catalog=site.catalog, settings=site.settings, output=output)
    done = run_inline(export_replay(Inline(), worker, asked.id, make=maker()))
    assert done is not None
    return done


def linked(site: Site, output: MemoryStore | FaultyStore, export: str, now: datetime | None = None) -> Link:
    at = now or datetime.now(UTC)
    return link(site.catalog, output, export, by="ben", reason="a look", now=at)


def audited(catalog: Catalog) -> list[str]:
    query = select(audit.c.actor, audit.c.reason).where(audit.c.action == "link_export")
    return [f"{row.actor}: {row.reason}" for row in catalog.database.read(lambda c: c.execute(query).all())]


@pytest.fixture(autouse=True)
def _said_nowhere(caplog: pytest.LogCaptureFixture, site: Site) -> Iterator[None]:
    """Whoever has the URL has the file."""
    with caplog.at_level(0):
        yield
    assert SECRET not in caplog.text
    assert SECRET not in "".join(audited(site.catalog))


def test_it_lasts_a_quarter_of_an_hour_and_saves_under_the_name_that_was_asked_for(site: Site, output: Linking) -> None:
    export, now = made(site, output), datetime.now(UTC)
    given = linked(site, output, export.id, now)
    assert given.url == f"https://bucket.example/{export.key.key}?900&the call.mp4&{SECRET}"
    assert (given.expires_at, given.name) == (now + timedelta(minutes=15), "the call.mp4")
    assert audited(site.catalog) == ["ben: the call.mp4 for 900 s: a look"]
    assert SECRET not in repr(given)


def test_it_saves_under_the_name_that_its_own_asker_gave(site: Site, output: Linking) -> None:
    export = made(site, output)
    keep = timedelta(days=1)
    site.catalog.exports.ask(request(), by="ben", reason="mine", name="case 12", keep=keep, most=MOST)
    assert linked(site, output, export.id).name == "case 12.mp4"


def test_it_does_not_outlast_the_file(site: Site, output: Linking) -> None:
    export = made(site, output)
    given = linked(site, output, export.id, export.expires_at - timedelta(minutes=5))
    assert given.expires_at == export.expires_at
    assert "?300&" in given.url
    with pytest.raises(ExportStateError, match="has expired; ask for it again"):
        linked(site, output, export.id, export.expires_at)


def test_there_is_none_before_it_is_done_nor_when_it_is_over(site: Site, output: Linking) -> None:
    asked, _ = site.catalog.exports.ask(request(2), by="ann", reason="", name="cut", keep=timedelta(days=1), most=MOST)
    with pytest.raises(ExportStateError, match="is queued; there is no file"):
        linked(site, output, asked.id)
    export = made(site, output)
    site.catalog.exports.stop(export.id, by="root", reason="space")
    with pytest.raises(ExportStateError, match="is expired: root cancelled it: space; there is no file"):
        linked(site, output, export.id)
    with pytest.raises(UnknownExportError):
        linked(site, output, "f" * 32)
    assert audited(site.catalog) == []


@pytest.mark.parametrize("how", ["gone", "shorter", "other bytes", "without its certificate"])
def test_there_is_none_to_what_is_not_whole(site: Site, output: Linking, how: str) -> None:
    export = made(site, output)
    size_bytes = export.request.size_bytes
    if how == "without its certificate":
        output.delete(export.key.certificate)
    elif how == "gone":
        output.delete(export.key.key)
    else:
        output.put(output_key(export.key.key), bytes(size_bytes - 1 if how == "shorter" else size_bytes))
    with pytest.raises(ExportStateError, match="not as it was"):
        linked(site, output, export.id)
    assert audited(site.catalog) == []


def test_a_store_without_links_says_what_to_do(site: Site) -> None:
    folder = MemoryStore("out")
    export = made(site, folder)
    with pytest.raises(Unsupported, match="-o FILE"):
        linked(site, folder, export.id)
    assert audited(site.catalog) == []


def test_it_is_noted_before_the_store_is_asked_for_it(site: Site) -> None:
    output = Refusing("out", capabilities=Capabilities(presigns=True))
    export = made(site, output)
    with pytest.raises(Denied):
        linked(site, output, export.id)
    assert len(audited(site.catalog)) == 1
