"""How webhooks are posted again, by each vendor's own rule; and what is left when the sandbox ends."""

import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.vendors import Vendors
from deployments.sandbox.vendors.scheduling import Scheduler
from tests.flows.receiver import Handler
from tests.sandbox.vendors.callers import SECRETS, Site, agora_client, opened, wait_for, zego_body

TRIES = {"agora": 4, "zego": 3, "jocloud": 1}


def silent(handler: Handler) -> None:
    """No answer at all: the connection ends."""
    handler.close_connection = True


def slow(handler: Handler) -> None:
    time.sleep(0.3)
    handler.close_connection = True


@pytest.mark.parametrize("vendor", TRIES)
def test_a_receiver_that_gives_no_answer(site: Site, vendor: str) -> None:
    site.receiver.answers_by(silent)
    site.record(vendor, seconds=2.2)
    bodies = site.events()
    kinds = {
        json.dumps(body.get("payload", body.get("detail", body.get("context"))), sort_keys=True) for body in bodies
    }
    messages = {"agora": 6, "zego": 4, "jocloud": 1}[vendor]
    assert len(bodies) == messages * TRIES[vendor]
    assert len(kinds) <= messages


def test_agora_posts_again_what_is_not_answered_with_200(site: Site) -> None:
    site.receiver.says(204)
    site.record("agora", seconds=2.2)
    left = [event for event in site.events() if event["eventType"] == 31]
    assert len(left) == 4
    assert len({event["noticeId"] for event in left}) == 1
    assert len({event["notifyMs"] for event in left}) > 1, "it is another time, and signed anew"


@pytest.mark.parametrize("status", [500, 404, 204])
def test_zego_takes_any_answer_for_one(site: Site, status: int) -> None:
    site.receiver.says(status)
    site.record("zego", seconds=2.2)
    assert site.types() == [102, 7, 5, 1]


def test_a_receiver_that_takes_too_long_has_not_answered() -> None:
    with opened(answer_timeout_s=0.05) as site:
        site.receiver.answers_by(slow)
        site.record("zego", seconds=2.2)
        assert sorted(site.types()) == sorted([102, 7, 5, 1] * 3)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(threading.enumerate())
    with opened() as site:
        call = site.agora("individual")
        site.zego_start("r1")
        site.jocloud_start("abc")
        site.wait_slices("agora", call.sid, 1)
        apis = [urlsplit(url).port for url in site.vendors.api.values()]
        site.receiver.answers_by(silent)
        assert list(tmp_path.iterdir())
    wait_for(lambda: set(threading.enumerate()) <= before, 10)
    assert not list(tmp_path.iterdir())
    for port in apis:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port or 0), timeout=1)


def test_waiting_for_nothing_and_for_too_long(site: Site) -> None:
    site.vendors.wait_idle(0)
    site.receiver.answers_by(lambda _: time.sleep(0.5))
    site.jocloud_stop(site.jocloud_start("abc"))
    site.vendors.wait_idle(5)
    call = site.agora("mix")
    call.stop(later=True)
    with pytest.raises(TimeoutError, match="still to come"):
        site.vendors.wait_idle(0.05)


def test_odd_users_are_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="numbers"):
        site.vendors.publish("agora", "r", ("u1",))
    with pytest.raises(ValueError, match="too many"):
        site.vendors.publish("zego", "r", [f"u{number}" for number in range(18)])


def test_there_are_only_so_many_recorders(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.sandbox.vendors.recordings.MOST_RUNNING", 1)
    site.agora("mix")
    status, answer = site.acquire("mix", "room2").start(agora_client("mix"))
    assert (status, answer["code"], answer["sid"]) == (500, 500, "")
    site.zego_start("r1")
    assert site.zego("StartRecord", zego_body("r2"))["Code"] == 300000006
    site.jocloud_start("abc")
    resid = site.jocloud("applyrecord")["resid"]
    body = {"resid": resid, "appid": 123123, "roomid": "abc", "recordtype": 0, "streamtype": 1}
    assert site.jocloud("startrecord", body)["code"] != 0


def test_secrets_are_not_shown() -> None:
    with Clouds() as clouds:
        vendors = Vendors(clouds, hooks="http://127.0.0.1:1", secrets=SECRETS)
        for account in vendors.accounts.values():
            assert account.secret not in repr(account)


def test_a_scheduler_goes_on_after_a_mistake_and_takes_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    scheduler = Scheduler("test")

    def fail() -> None:
        raise OSError("of the test")

    monkeypatch.setattr("deployments.sandbox.vendors.scheduling.MOST_WAITING", 3)
    scheduler.later(0.02, lambda: done.append(2))
    scheduler.later(0, fail)
    scheduler.later(0, lambda: done.append(1))
    with pytest.raises(RuntimeError, match="wait already"):
        scheduler.later(0, fail)
    scheduler.start()
    wait_for(lambda: scheduler.idle)
    assert done == [1, 2]
    scheduler.stop()
    scheduler.join(2)
