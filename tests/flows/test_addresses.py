"""Webhooks go to nobody they must not reach, whatever a host is called and however it is looked up."""

from collections.abc import Sequence
from dataclasses import replace

import httpcore
import pytest

from flows.steps.addresses import is_allowed
from flows.steps.announcing import deliver_due
from tests.flows.bench import Bench
from tests.flows.receiver import Receiver

PUBLIC = "93.184.216.34"
REFUSED = (
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - one that is refused
    "224.0.0.1",
    "224.0.1.1",
    "239.1.1.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "168.63.129.16",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "fd00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
)
TAKEN = (PUBLIC, "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822")
NEVER = ("169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "fd00:ec2::254", "0.0.0.0", "224.0.0.1")  # noqa: S104


class TestAddresses:
    @pytest.mark.parametrize("address", REFUSED)
    def test_what_is_not_public_is_refused(self, address: str) -> None:
        assert not is_allowed(address, private=False)

    @pytest.mark.parametrize("address", TAKEN)
    def test_what_is_public_is_taken(self, address: str) -> None:
        assert is_allowed(address, private=False)
        assert is_allowed(address, private=True)

    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1"])
    def test_ones_own_network_is_for_those_who_say_so(self, address: str) -> None:
        assert is_allowed(address, private=True)

    @pytest.mark.parametrize("address", NEVER)
    def test_keys_of_machines_are_for_nobody(self, address: str) -> None:
        assert not is_allowed(address, private=True)

    @pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:127.0.0.1"]])
    def test_a_name_with_one_private_address_gets_nothing(
        self, bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture, addresses: list[str]
    ) -> None:
        bench.endpoint = replace(bench.endpoint, private=False, url=f"http://crm.example:{receiver.port}/")
        assert bench.deliver(*addresses) == 0
        assert receiver.received == []
        assert f"has the address {addresses[-1]}, which is refused; private = true" in caplog.text

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
    def test_however_it_is_spelled(self, bench: Bench, receiver: Receiver, host: str) -> None:
        bench.endpoint = replace(bench.endpoint, private=False, url=f"http://{host}:{receiver.port}/")
        assert bench.deliver() == 0
        assert receiver.received == []

    def test_a_name_that_changes_gains_nothing(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, connected = list[str](), list[str]()

        def refuse(_self: httpcore.SyncBackend, host: str, *_: object) -> httpcore.NetworkStream:
            connected.append(host)
            raise httpcore.ConnectError("refused")

        def rebinding(host: str, _port: int) -> Sequence[str]:
            asked.append(host)
            return ["127.0.0.1" if len(asked) > 1 else PUBLIC]

        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", refuse)
        bench.endpoint = replace(bench.endpoint, private=False, url="https://crm.example/")
        deliver_due(bench.announcements, bench.endpoint, environment=bench.environment, resolve=rebinding)
        assert (asked, connected) == (["crm.example"], [PUBLIC])

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "x" * 70])
    def test_a_host_that_nobody_knows_is_waited_for(self, bench: Bench, host: str) -> None:
        bench.endpoint = replace(bench.endpoint, url=f"http://{host}/")
        assert bench.deliver() == 0
        [row] = bench.database.read(lambda c: c.exec_driver_sql("SELECT * FROM announcement_deliveries").all())
        assert row.due_at is not None
        assert row.last_error.startswith("ConnectError: its host is not known")

    def test_proxies_of_the_environment_are_not_asked(
        self, bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Receiver() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            assert bench.deliver() == 1
            assert proxy.received == []
        assert len(receiver.received) == 1
