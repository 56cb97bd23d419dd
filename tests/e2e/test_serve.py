"""`aftertake serve` as a person runs it: killed in the middle, it goes on where it was; told to end, it ends."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from catalog.model import State
from tests.faults.aftermath import beside, undisturbed, wrong_after
from tests.flows.site import Site
from tests.proofs.cluster_parts import free_port
from tests.proofs.members import Member, processes

pytestmark = pytest.mark.timeout(240)
NUMBERS = (1, 2, 3)
WITHOUT_PREFECT = ("web", "loops", "worker")
"""Prefect's server takes ten seconds to start, and is killed in `make proof-kills`."""


def until(what: Callable[[], object], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, f"it took longer than {within_s} s"
        time.sleep(0.2)


def environment_of(site: Site) -> dict[str, str]:
    return {
        **site.settings.as_environment(),
        "AFTERTAKE_LEASE": "8s",
        "AFTERTAKE_LISTEN": f"127.0.0.1:{free_port()}",
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }


@contextmanager
def ended_after(*members: Member) -> Iterator[tuple[Member, ...]]:
    try:
        yield members
    finally:
        for member in members:
            member.end()


def is_ready(environment: dict[str, str]) -> bool:
    try:
        with urlopen(f"http://{environment['AFTERTAKE_LISTEN']}/readyz", timeout=2) as answer:
            ready: bool = json.load(answer)["ready"]
            return ready
    except OSError:
        return False


def test_killed_in_the_middle_it_goes_on_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "whole", *NUMBERS)
    site = beside(tmp_path / "served", tmp_path / "whole" / "in")
    environment = environment_of(site)
    site.submit(1)
    with ended_after(
        Member("prefect", ["prefect"], environment, tmp_path), Member("first", WITHOUT_PREFECT, environment, tmp_path)
    ) as (_, machine):
        until(lambda: site.recording(1).state is not State.STOPPED)
        site.submit(2)
        site.submit(3)
        machine.kill()
        with ended_after(Member("second", WITHOUT_PREFECT, environment, tmp_path)) as (again,):
            until(lambda: is_ready(environment))
            until(lambda: site.catalog.counts() == {State.SETTLED: 3})
            again.signal_all(signal.SIGTERM)
            until(lambda: not again.is_alive)

    assert wrong_after(site, *NUMBERS, expected=expected, kills=3) == []
    assert [pid for pid in processes() if again.knows(pid)] == []


def test_a_part_that_is_killed_is_started_again(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    environment = environment_of(site)
    with ended_after(Member("web", ["web", "loops"], environment, tmp_path)) as (machine,):
        until(lambda: is_ready(environment))
        machine.look()
        [main] = [pid for pid, (parent, _) in processes().items() if machine.knows(pid) and parent == os.getpid()]
        for pid in [pid for pid, (parent, _) in processes().items() if parent == main]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not is_ready(environment), 10)
        until(lambda: is_ready(environment))
