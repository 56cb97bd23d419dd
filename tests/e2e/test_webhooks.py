"""A developer points a sample of each vendor at a running server, and sees within two seconds what it did."""

import json
import os
import re
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.model import State
from deployments.sandbox.layouts import AGORA_CNAME
from deployments.sandbox.webhooks import SAMPLES
from tests.cli.running import PROGRAM, ROOT
from tests.e2e.test_serve import ended_after, environment_of, is_ready, until
from tests.flows.site import Site, sid
from tests.proofs.members import Member, processes

pytestmark = pytest.mark.timeout(120)
SECRETS = {"AFTERTAKE_CALLS_WEBHOOK_SECRET": "s3cret-of-calls"}
FIRST = {"agora": "uploaded", "zego": "uploaded", "jocloud": "m3u8_info"}
SOON = timedelta(seconds=2)


def aftertake(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [*PROGRAM, *arguments],
        cwd=environment["AFTERTAKE_DATA"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )


def served(site: Site) -> dict[str, str]:
    site.has_policies(vendor=None)
    (site.root / "data").mkdir(exist_ok=True)
    return {**environment_of(site), **SECRETS}


def test_a_sample_of_each_vendor_shows_within_two_seconds_what_it_did(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    environment = served(site)
    with ended_after(Member("web", ["web", "loops"], environment, tmp_path)) as (server,):
        until(lambda: is_ready(environment))
        assert server.says("there are secrets for agora, zego, jocloud")
        for vendor, event in FIRST.items():
            assert event in SAMPLES[vendor]
            done = aftertake(environment, "webhook", "test", "--vendor", vendor, "--event", event)
            assert done.returncode == 0, done.stderr
            assert re.fullmatch(rf"POST http://\S+/hooks/{vendor}\S* {event}: 200 after \d+ ms\n", done.stderr)
            assert "ignored: a test, which would have said: " in done.stdout
        true = ("--task", sid(7), "--room", AGORA_CNAME)
        done = aftertake(environment, "webhook", "test", "--vendor", "agora", "--event", "exit", *true, "--json")
        told = json.loads(done.stdout)
        assert (told["recording"], told["signature"]) == (f"agora:{sid(7)}", "good")
        assert told["effect"].startswith("made recording; now stopped; looked at in ")

        stranger = {**environment, "AFTERTAKE_CALLS_WEBHOOK_SECRET": "another"}
        refused = aftertake(stranger, "webhook", "test", "--vendor", "zego", "--event", "left")
        assert refused.returncode == 6
        assert ": 401 after " in refused.stderr
        assert "refused: its signature is wrong" in refused.stdout

    rows = site.catalog.inbox.newest(most=10)
    waits = [row.handled_at - row.received_at for row in rows if row.handled_at]
    assert len(waits) == 5
    assert max(waits) < SOON


def test_killed_between_the_answer_and_the_effect_nothing_is_lost(tmp_path: Path) -> None:
    """The loops come later; what was acknowledged waits for them."""
    site = Site(tmp_path / "site")
    site.lay(1)
    environment = served(site)
    with ended_after(Member("web", ["web"], environment, tmp_path)) as (server,):
        until(lambda: is_ready(environment))
        true = ("--task", sid(1), "--room", AGORA_CNAME)
        done = aftertake(environment, "webhook", "test", "--vendor", "agora", "--event", "uploaded", *true)
        assert done.returncode == 5
        assert "nobody has seen to it yet" in done.stderr
        server.signal_all(signal.SIGKILL)
    until(lambda: not [pid for pid in processes() if server.knows(pid)])

    site.overseer().take_in()
    site.overseer().dispatch()
    assert site.recording(1).state is State.SETTLED
