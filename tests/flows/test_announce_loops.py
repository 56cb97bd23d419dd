"""What is announced reaches the endpoints by itself, and none of them waits for another."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.index import Catalog
from flows.endpoints import Endpoint
from flows.loops import loops_of, run_loops
from flows.recorders import Recorders
from flows.settings import Settings
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import hear, settle, take
from tests.flows.bench import SECRET, VARIABLE
from tests.flows.folders import slices
from tests.flows.receiver import Receiver
from tests.flows.site import Site, sid


class TestLoops:
    def site(self, root: Path, receiver: Receiver) -> Site:
        site = Site(root, deadline=timedelta())
        endpoint = Endpoint(name="crm", url=receiver.url, private=True)
        site.settings = replace(site.settings, endpoints=(endpoint,))
        return site

    def test_a_recording_is_announced_and_announced_again_when_it_improves(
        self, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLE, SECRET)
        site = self.site(tmp_path, receiver)
        site.lay(1, [*slices()[:1], None, *slices()[2:]])
        site.submit(1)
        site.process(1)
        site.process(1)
        overseer = site.overseer()
        [endpoint] = site.settings.endpoints
        assert [overseer.announce(), overseer.deliver_to(endpoint)] == [1, 1]

        site.lay(1)
        site.settle()
        assert [overseer.announce(), overseer.deliver_to(endpoint)] == [1, 1]

        first, second = (received.verified(SECRET) for received in receiver.received)
        assert (first["type"], first["data"]["verdict"], first["data"]["revision"]) == ("recording.settled", "gaps", 1)
        assert (second["type"], second["data"]["verdict"]) == ("recording.improved", "complete")
        assert second["data"]["manifest"] == site.recording(1).manifest
        assert {first["data"]["task_id"], second["data"]["task_id"]} == {sid(1)}

    def test_without_endpoints_nothing_piles_up(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        site.lay(1)
        site.submit(1)
        site.process(1)
        assert [site.overseer().announce() for _ in range(2)] == [1, 0]
        overseer = site.overseer()
        loops = loops_of(overseer, Recorders(overseer.settings))
        assert [loop.name for loop in loops if "deliver" in loop.name] == []

    def test_one_that_is_slow_holds_up_nobody(
        self, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site, ended, held = self.site(tmp_path, receiver), threading.Event(), threading.Event()
        for name in ("CRM", "SLOW"):
            monkeypatch.setenv(f"AFTERTAKE_{name}_WEBHOOK_SECRET", SECRET)
        with Receiver() as slow:
            slow.answers_by(lambda _: held.wait(20))
            endpoints = (Endpoint(name="slow", url=slow.url, private=True), *site.settings.endpoints)
            site.settings = replace(site.settings, endpoints=endpoints)
            thread = threading.Thread(target=run_loops, args=(site.overseer(), ended))
            thread.start()
            for number in (1, 2):
                site.lay(number)
                site.submit(number)
                _wait_until(lambda: len(receiver.received) == number)  # noqa: B023 - asked before it changes
            assert len(slow.received) == 1
            held.set()
            ended.set()
            thread.join(30)
            assert not thread.is_alive()

    def test_old_announcements_are_swept(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        site.catalog = Catalog(database := LeapingDatabase(site.settings.catalog))
        hear(site.catalog)
        settle(site.catalog, take(site.catalog))
        for days, left in ((6, 1), (1, 0)):
            database.pass_by(timedelta(days=days))
            site.overseer().sweep()
            count = database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM announcements").scalar_one())
            assert count == left
        database.close()


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_loops_do_not_start_without_secrets(tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(
        output="memory://o",
        catalog="sqlite:///c",
        data=tmp_path,
        endpoints=(Endpoint(name="crm", url=receiver.url, private=True),),
    )
    with pytest.raises(ValueError, match=f"endpoint crm: {VARIABLE} must hold one secret"):
        settings.require_secrets({})
    settings.require_secrets({VARIABLE: SECRET})
