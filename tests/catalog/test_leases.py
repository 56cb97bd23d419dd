"""A lease is held by one, for a time; its number says which holder came when."""

from datetime import timedelta
from functools import partial

import pytest

from catalog import leasing
from catalog.errors import LeaseLostError
from catalog.index import Catalog
from catalog.records import Lease
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import LATER, TTL, at_once


def lead(catalog: Catalog, holder: str = "a", name: str = "backfill", ttl: timedelta = TTL) -> Lease | None:
    return catalog.claims.lead(name, holder=holder, ttl=ttl)


def test_one_holder_at_a_time(catalog: Catalog) -> None:
    first = lead(catalog)
    assert first is not None
    assert (first.name, first.holder, first.fence) == ("backfill", "a", 1)
    assert lead(catalog, "b") is None


def test_other_names_are_other_leases(catalog: Catalog) -> None:
    assert lead(catalog)
    assert lead(catalog, "b", name="sweep")


def test_its_holder_gets_the_same_lease_again_and_longer(catalog: Catalog, database: LeapingDatabase) -> None:
    first = lead(catalog)
    database.pass_by(TTL / 2)
    again = lead(catalog)
    assert first is not None
    assert again is not None
    assert again.fence == first.fence
    assert again.expires_at - first.expires_at >= TTL / 2


@pytest.mark.parametrize("holder", ["a", "b"])
def test_after_its_time_anybody_takes_it_under_a_higher_number(
    catalog: Catalog, database: LeapingDatabase, holder: str
) -> None:
    lead(catalog)
    database.pass_by(LATER)
    second = lead(catalog, holder)
    assert second is not None
    assert second.fence == 2


def test_a_lease_ends_at_its_last_moment_not_after_it(
    catalog: Catalog, database: LeapingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lead(catalog)
    assert first is not None
    monkeypatch.setattr(database, "now", lambda _connection: first.expires_at)
    with pytest.raises(LeaseLostError):
        catalog.claims.renew(first, ttl=TTL)
    second = lead(catalog, "b")
    assert second is not None
    assert second.fence == 2


def test_given_back_it_is_free_and_its_number_stays(catalog: Catalog) -> None:
    first = lead(catalog)
    assert first is not None
    catalog.claims.release(first)
    second = lead(catalog, "b")
    assert second is not None
    assert second.fence == 2


def test_a_late_release_takes_nothing_from_the_next_holder(catalog: Catalog, database: LeapingDatabase) -> None:
    first = lead(catalog)
    assert first is not None
    database.pass_by(LATER)
    second = lead(catalog, "b")
    catalog.claims.release(first)
    assert lead(catalog, "c") is None
    assert second is not None
    assert catalog.claims.renew(second, ttl=TTL).fence == second.fence


def test_a_late_release_by_the_same_holder_does_not_end_its_next_lease(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    first = lead(catalog)
    assert first is not None
    database.pass_by(LATER)
    lead(catalog)
    catalog.claims.release(first)
    assert lead(catalog, "b") is None


def test_renewing_prolongs_and_keeps_the_number(catalog: Catalog, database: LeapingDatabase) -> None:
    first = lead(catalog)
    assert first is not None
    database.pass_by(TTL * 0.9)
    renewed = catalog.claims.renew(first, ttl=TTL)
    database.pass_by(TTL * 0.9)
    assert renewed.fence == first.fence
    assert lead(catalog, "b") is None


def test_over_it_is_not_renewed_also_if_nobody_took_it(catalog: Catalog, database: LeapingDatabase) -> None:
    first = lead(catalog)
    assert first is not None
    database.pass_by(LATER)
    with pytest.raises(LeaseLostError, match="backfill"):
        catalog.claims.renew(first, ttl=TTL)


def test_of_an_earlier_number_it_is_not_renewed(catalog: Catalog, database: LeapingDatabase) -> None:
    first = lead(catalog)
    assert first is not None
    database.pass_by(LATER)
    lead(catalog)
    with pytest.raises(LeaseLostError):
        catalog.claims.renew(first, ttl=TTL)


def test_one_that_never_was_is_not_renewed(catalog: Catalog, database: LeapingDatabase) -> None:
    now = database.read(database.now)
    with pytest.raises(LeaseLostError):
        catalog.claims.renew(Lease(name="none", holder="a", fence=1, expires_at=now + TTL), ttl=TTL)


def test_of_many_at_once_one_gets_it(catalog: Catalog) -> None:
    for turn in range(5):
        taken = at_once([partial(lead, catalog, f"holder {n}", f"loop {turn}") for n in range(8)])
        assert sum(lease is not None for lease in taken) == 1


def test_taken_in_turn_no_number_comes_twice(catalog: Catalog) -> None:
    def take_and_release(holder: str) -> list[int]:
        numbers: list[int] = []
        while len(numbers) < 5:
            lease = lead(catalog, holder)
            if lease:
                numbers.append(lease.fence)
                catalog.claims.release(lease)
        return numbers

    numbers = at_once([partial(take_and_release, f"holder {n}") for n in range(4)])
    assert sorted(number for some in numbers for number in some) == list(range(1, 21))


def test_only_what_is_over_is_ended_by_others(catalog: Catalog, database: LeapingDatabase) -> None:
    """Between the look at what is over and its end, somebody may have taken or prolonged it."""

    def end() -> bool:
        return database.write(lambda connection: leasing.end(connection, "backfill", now=database.now(connection)))

    lead(catalog)
    assert not end()
    assert lead(catalog, "b") is None
    database.pass_by(LATER)
    assert [end(), end()] == [True, False]
