"""A machine with one source, an output and a catalog, for commands that are run in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.index import Catalog
from catalog.model import RecordingId, State
from catalog.tables import audit
from deployments.sandbox.layouts import AGORA_SID, ZEGO_TASK
from flows.opening import open_catalog
from flows.settings import Settings
from tests.flows.folders import slices
from tests.lab import Laid, agora_mixed, zego_mixed
from tests.migrated import lay_catalog

AGORA = f"agora:{AGORA_SID}"
ZEGO = f"zego:{ZEGO_TASK}"
HOSTILE = "\x1b[2Jroom\x1b]0;owned\x07\n\u202eü漢字"
"""A name that would clear a terminal, name its window, begin a line and turn the direction of writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where everything lies; the settings are in the environment."""

    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def source(self) -> Path:
        """The one source, called `calls`, unless `configure` said otherwise."""
        return self.folder / "calls"

    @property
    def output(self) -> Path:
        """Where MP4s and manifests go."""
        return self.folder / "data" / "published"

    def configure(self, *sources: dict[str, str]) -> None:
        """Other sources than the one."""
        self.patch.setenv("AFTERTAKE_SOURCES", json.dumps(sources))

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """The catalog of the settings."""
        settings = Settings.load()
        path = Path(settings.catalog.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        lay_catalog(path)
        with open_catalog(settings) as catalog:
            yield catalog

    def lay_agora(self, *, without: int | None = None, end: bool = True) -> Laid:
        """A recording of Agora's in the source."""
        return self._lay(agora_mixed(slices()), without, end=end)

    def lay_zego(self, *, without: int | None = None) -> Laid:
        """One of ZEGOCLOUD's beside it."""
        return self._lay(zego_mixed(slices()), without, end=True)

    def _lay(self, laid: Laid, without: int | None, *, end: bool) -> Laid:
        objects = dict(laid.objects)
        if without is not None:
            del objects[laid.segments[without]]
        if not end:
            (playlist,) = laid.playlists
            objects[playlist] = objects[playlist].replace(b"#EXT-X-ENDLIST\n", b"")
        made = replace(laid, objects=objects)
        made.write_to(self.source)
        return made

    def register(self, task_id: str, *, room: str | None = None, state: State = State.STOPPED) -> RecordingId:
        """A recording that was only heard of."""
        recording = RecordingId(vendor="agora", task_id=task_id)
        with self.catalog() as catalog:
            catalog.register(recording, state=state, source="calls", room=room, cause="heard", actor="test")
        return recording

    def alarm(self, recording: RecordingId, text: str) -> None:
        """Leave it to a person."""
        with self.catalog() as catalog:
            claim = catalog.claims.take(recording, holder="test", ttl=timedelta(minutes=1), cause="it is looked at")
            assert claim is not None
            catalog.claims.wait(claim, cause=text, look_in=None, alarm=text)

    def audited(self) -> list[tuple[str, str, str, str]]:
        """Who did what to what, and why."""
        with self.catalog() as catalog:
            query = audit.select().order_by(audit.c.id)
            rows = catalog.database.read(lambda connection: connection.execute(query).mappings().all())
        return [(row["actor"], row["action"], row["subject"], row["reason"]) for row in rows]


def set_up(folder: Path, patch: pytest.MonkeyPatch) -> Site:
    """A site with settings and nothing else."""
    site = Site(folder=folder, patch=patch)
    site.source.mkdir()
    patch.chdir(folder)
    patch.setenv("LOGNAME", "ada")
    patch.setattr("socket.gethostname", lambda: "desk")
    for name in ("CONFIG", "OUTPUT", "STORES", "SOURCE", "CATALOG"):
        patch.delenv(f"AFTERTAKE_{name}", raising=False)
    patch.setenv("AFTERTAKE_DATA", str(folder / "data"))
    site.configure({"name": "calls", "store": str(site.source), "deadline": "0s"})
    return site
