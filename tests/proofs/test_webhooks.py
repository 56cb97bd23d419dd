"""What `make proof-webhooks` shows of ten thousands holds of a few."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.model import State
from tests.proofs import (
    webhook_bursts,
    webhook_doubles,
    webhook_dropped,
    webhook_forgeries,
    webhook_harms,
    webhook_kills,
    webhook_orders,
    webhook_replays,
    webhook_storms,
)
from tests.proofs.cluster_parts import until
from tests.proofs.members import processes
from tests.proofs.table import Table
from tests.proofs.webhook_serving import Served, serving
from tests.proofs.webhook_site import HOOKED, HookedSite
from tests.proofs.webhooks import PARTS

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("webhooks")]
SEED = 7
OF_A_MACHINE = ("s, posts a second", "p50, p99, ms")
"""Figures that a machine misses whose processors others use as well."""


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HookedSite]:
    site = HookedSite(tmp_path_factory.mktemp("webhooks"))
    yield site
    site.catalog.database.close()


@pytest.fixture(scope="module")
def served(site: HookedSite) -> Iterator[Served]:
    """A receiver for what leaves nothing behind."""
    with serving(site) as served:
        yield served
    until("ended", lambda: not any(served.member.knows(pid) for pid in processes()), within_s=10)


def test_a_kill_in_the_middle_loses_nothing(table: Table, tmp_path: Path) -> None:
    webhook_kills.prove(table, [HookedSite(tmp_path)], 300, SEED, parts=("web",))

    assert table.missed == []


def test_a_burst_is_absorbed(table: Table, tmp_path: Path) -> None:
    site = HookedSite(tmp_path)
    webhook_bursts.prove(table, site, 300, connections=50)
    site.catalog.database.close()

    assert [missed for missed in table.missed if missed not in OF_A_MACHINE] == []


def test_doubles_have_their_effect_once(table: Table, tmp_path: Path, postgres_url: str) -> None:
    site = HookedSite(tmp_path / "doubles", catalog=postgres_url)
    webhook_doubles.prove(table, site, tmp_path / "once", 12, SEED)
    site.catalog.database.close()

    assert table.missed == []


@pytest.mark.parametrize("vendor", HOOKED)
def test_orders_do_not_matter(tmp_path: Path, vendor: str) -> None:
    [(_, facts)] = webhook_orders.outcomes(tmp_path, vendor, 8, SEED)

    assert dict(facts)["state"] is State.SETTLED
    assert dict(facts)["room"] == "math"


def test_dropped_messages_do_not_matter(table: Table, tmp_path: Path) -> None:
    webhook_dropped.prove(table, tmp_path, 9, SEED)

    assert table.missed == []


def test_forged_messages_are_refused(table: Table, tmp_path: Path) -> None:
    webhook_forgeries.prove(table, tmp_path, 6_000, 50, SEED)

    assert table.missed == []


def test_forged_messages_are_refused_over_http(table: Table, served: Served) -> None:
    webhook_forgeries.prove_posted(table, served, 300, SEED)

    assert table.missed == []


def test_replays_are_refused_or_harmless(table: Table, tmp_path: Path) -> None:
    webhook_replays.prove(table, tmp_path)

    assert table.missed == []


def test_urls_are_not_asked(table: Table, site: HookedSite, served: Served) -> None:
    webhook_harms.prove_unfetched(table, site, served)

    assert table.missed == []


def test_requests_that_are_meant_to_hurt_cost_little(
    table: Table, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are answered at once; a server that has just started still grows."""
    every = webhook_storms.Attacks.by_name
    chosen = ("1 GiB in chunks", "two Content-Lengths", "JSON arrays 100,000 deep", "a number of 10 MB")

    def some(attacks: webhook_storms.Attacks) -> Mapping[str, webhook_storms.Attack]:
        return {name: every(attacks)[name] for name in chosen}

    monkeypatch.setattr(webhook_storms.Attacks, "by_name", some)
    monkeypatch.setattr(webhook_storms, "_LEAST_S", 0.5)
    monkeypatch.setattr(webhook_harms, "MOST_GROWN", 3 * webhook_harms.MOST_GROWN)
    webhook_harms.prove(table, served)

    assert table.missed == []


def test_the_canary_hears_who_asks() -> None:
    with webhook_harms.Canary() as canary, webhook_harms.connections() as made:
        assert canary.is_awake()
    assert len(made) == 1


def test_each_part_can_be_proved_alone() -> None:
    assert list(PARTS) == ["burst", "kills", "doubles", "orders", "dropped", "forged", "replays", "hostile", "urls"]
