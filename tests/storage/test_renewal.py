# ruff: noqa: S106 -- the secrets are made up
import logging
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from storage.errors import Denied, StorageError, Transient
from storage.renewal import MARGIN, REST_S, Credentials, Fields, Renewed, read_json

_START = datetime(2030, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_CANARY = "canary/secret+0123456789"


@dataclass(slots=True)
class Clocks:
    """The time of day and the monotonic one, which go forward together."""

    now: datetime = _START

    def clock(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - _START).total_seconds()


@dataclass(slots=True)
class Issuer:
    """Counts what it issues; `before` may wait or raise."""

    clocks: Clocks
    lifetime: timedelta = _HOUR
    calls: int = 0
    before: Callable[[], None] = field(default=lambda: None)

    def __call__(self) -> Credentials:
        self.calls += 1
        self.before()
        return Credentials(
            key_id=f"key-{self.calls}", secret=_CANARY, token=_CANARY, expires_at=self.clocks.now + self.lifetime
        )

    def renewed(self) -> Renewed:
        return Renewed(self, clock=self.clocks.clock, monotonic=self.clocks.monotonic)


def _fail() -> None:
    raise Transient("credentials", "http://service", "no answer (ConnectTimeoutError)")


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def issuer(clocks: Clocks) -> Issuer:
    return Issuer(clocks)


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r:>9}".format])
def test_credentials_show_nothing_secret(shown: Callable[[object], str]) -> None:
    text = shown(Credentials(key_id="AKID", secret=_CANARY, token=_CANARY))
    assert "AKID" in text
    assert _CANARY not in text


@pytest.mark.parametrize("wrong", ["", " ", _CANARY + "\n", _CANARY + "é", _CANARY + "\x00"])
@pytest.mark.parametrize("name", ["key_id", "secret", "token"])
def test_what_no_header_can_carry_is_refused_without_being_shown(name: str, wrong: str) -> None:
    fields: dict[str, Any] = {"key_id": "id", "secret": "secret", name: wrong}
    with pytest.raises(ValueError, match=name) as caught:
        Credentials(**fields)
    assert _CANARY not in str(caught.value)


@pytest.mark.parametrize("when", [datetime(2030, 1, 1), datetime(2030, 1, 1, tzinfo=timezone(_HOUR))])  # noqa: DTZ001
def test_the_expiry_is_in_utc(when: datetime) -> None:
    with pytest.raises(ValueError, match="expires_at is not in UTC"):
        Credentials(key_id="id", secret="secret", expires_at=when)


def test_they_are_fetched_once_and_at_the_first_use(issuer: Issuer) -> None:
    renewed = issuer.renewed()
    assert issuer.calls == 0
    assert {renewed().key_id for _ in range(3)} == {"key-1"}
    assert issuer.calls == 1


def test_they_are_renewed_shortly_before_they_expire(issuer: Issuer, clocks: Clocks) -> None:
    renewed = issuer.renewed()
    renewed()
    clocks.now += _HOUR - MARGIN - timedelta(seconds=1)
    assert renewed().key_id == "key-1"
    clocks.now += timedelta(seconds=1)
    assert renewed().key_id == "key-2"


def test_those_that_never_expire_are_never_renewed(clocks: Clocks) -> None:
    lasting = Credentials(key_id="id", secret="secret")
    calls: list[int] = []

    def fetch() -> Credentials:
        calls.append(1)
        return lasting

    renewed = Renewed(fetch, clock=clocks.clock)
    renewed()
    clocks.now += timedelta(days=4000)
    assert renewed() is lasting
    assert calls == [1]


@pytest.mark.parametrize("elapsed", [timedelta(0), _HOUR - MARGIN, _HOUR])
def test_sixteen_threads_make_one_request(issuer: Issuer, clocks: Clocks, elapsed: timedelta) -> None:
    renewed = issuer.renewed()
    if elapsed:
        renewed()
    clocks.now += elapsed
    before = issuer.calls
    start = threading.Barrier(16)

    def use(_: int) -> str:
        start.wait(5)
        return renewed().key_id

    with ThreadPoolExecutor(16) as pool:
        used = set(pool.map(use, range(16)))
    assert issuer.calls == before + 1
    assert used <= {f"key-{before}", f"key-{before + 1}"}
    assert renewed().key_id == f"key-{before + 1}"


def test_the_others_go_on_while_one_renews(issuer: Issuer, clocks: Clocks) -> None:
    renewed = issuer.renewed()
    renewed()
    clocks.now += _HOUR - MARGIN
    asked, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        assert go_on.wait(5)

    issuer.before = wait
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(renewed)
        assert asked.wait(5)
        assert [renewed().key_id for _ in range(5)] == ["key-1"] * 5
        go_on.set()
        assert renewing.result(5).key_id == "key-2"


def test_who_comes_when_another_has_just_renewed_takes_those(issuer: Issuer, clocks: Clocks) -> None:
    renewed = issuer.renewed()
    renewed()
    clocks.now += _HOUR - MARGIN

    class Late:
        """A lock before which somebody else is served."""

        def __init__(self) -> None:
            self.lock = threading.Lock()

        def acquire(self, *, blocking: bool) -> bool:
            renewed._turn = self.lock
            assert renewed().key_id == "key-2"
            return self.lock.acquire(blocking=blocking)

    renewed._turn = cast("threading.Lock", Late())
    assert renewed().key_id == "key-2"
    assert issuer.calls == 2


def test_a_failure_is_only_logged_while_the_old_ones_are_valid(
    issuer: Issuer, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    renewed = issuer.renewed()
    renewed()
    clocks.now += _HOUR - MARGIN
    issuer.before = _fail
    assert [renewed().key_id for _ in range(4)] == ["key-1"] * 4
    assert issuer.calls == 2, "a service that just failed is left alone"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "no answer" in caplog.text
    assert _CANARY not in caplog.text
    clocks.now += timedelta(seconds=REST_S)
    issuer.before = lambda: None
    assert renewed().key_id == "key-3"


def test_a_failure_is_raised_when_they_expired(issuer: Issuer, clocks: Clocks) -> None:
    renewed = issuer.renewed()
    renewed()
    clocks.now += _HOUR
    issuer.before = _fail
    with pytest.raises(Transient, match="no answer"):
        renewed()
    issuer.before = lambda: None
    assert renewed().key_id == "key-3"


def test_all_who_wait_get_the_failure_of_one_try(issuer: Issuer) -> None:
    renewed = issuer.renewed()
    waiting = threading.Barrier(16)

    def fail_late() -> None:
        threading.Event().wait(0.2)
        raise Denied("credentials", "http://service", "no role is attached")

    issuer.before = fail_late

    def use(_: int) -> type[StorageError] | None:
        waiting.wait(5)
        try:
            renewed()
        except StorageError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(use, range(16))) == {Denied}
    assert issuer.calls == 1


def test_a_service_that_gives_short_lived_ones_is_not_asked_at_each_use(issuer: Issuer, clocks: Clocks) -> None:
    issuer.lifetime = timedelta(minutes=1)
    renewed = issuer.renewed()
    assert {renewed().key_id for _ in range(5)} == {"key-1"}
    clocks.now += timedelta(seconds=REST_S)
    assert renewed().key_id == "key-2"


def test_ones_that_come_expired_are_a_matter_of_clocks(issuer: Issuer) -> None:
    issuer.lifetime = timedelta(seconds=-1)
    with pytest.raises(Transient, match="check the clock"):
        issuer.renewed()()


def test_an_interrupted_renewal_leaves_no_lock(issuer: Issuer) -> None:
    renewed = issuer.renewed()

    def interrupt() -> None:
        raise KeyboardInterrupt

    issuer.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        renewed()
    issuer.before = lambda: None
    assert renewed().key_id == "key-2"


_FIELDS = Fields("Id", "Secret", "Token", "Expires")


@pytest.mark.parametrize(
    ("expires", "read"),
    [
        ("2030-01-01T01:00:00Z", _START + _HOUR),
        ("2030-01-01T02:00:00+01:00", _START + _HOUR),
        (int((_START + _HOUR).timestamp()), _START + _HOUR),
        (None, None),
    ],
)
def test_fields_are_read_by_their_names(expires: object, read: datetime | None) -> None:
    found = _FIELDS.credentials({"Id": "id", "Secret": "secret", "Token": "token", "Expires": expires, "More": 1})
    assert found == Credentials(key_id="id", secret="secret", token="token", expires_at=read)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "no JSON object"),
        ([_CANARY], "no JSON object"),
        ({"Secret": _CANARY}, "Id is missing"),
        ({"Id": _CANARY, "Secret": 7}, "Secret is missing"),
        ({"Id": "id", "Secret": _CANARY + "\n"}, "Secret is missing, or not of printable"),
        ({"Id": "id", "Secret": _CANARY, "Token": ""}, "Token is missing"),
        ({"Id": "id", "Secret": _CANARY, "Expires": _CANARY}, "Expires is no time with a zone"),
        ({"Id": "id", "Secret": _CANARY, "Expires": "2030-01-01T00:00:00"}, "Expires is no time with a zone"),
        ({"Id": "id", "Secret": _CANARY, "Expires": True}, "Expires is no time with a zone"),
        ({"Id": "id", "Secret": _CANARY, "Expires": 10**30}, "Expires is no time with a zone"),
        ({"Id": "id", "Secret": _CANARY, "Expires": 1.5}, "Expires is no time with a zone"),
        ({"Id": "id", "Secret": _CANARY, "Expires": "0001-01-01T00:00:00+23:00"}, "Expires is no time with a zone"),
    ],
)
def test_a_fault_names_the_field_and_not_its_value(value: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        _FIELDS.credentials(value)
    assert _CANARY.encode() not in pickle.dumps(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 60_000, _CANARY.encode()])
def test_what_is_no_json_is_none(text: bytes) -> None:
    assert read_json(text) is None
