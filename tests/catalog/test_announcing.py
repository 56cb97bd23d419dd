"""What is announced is written with the change, or not at all; each endpoint is told of it at least once."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import RowMapping, delete, select

from catalog import announcing
from catalog.announcing import Announcements
from catalog.errors import LeaseLostError
from catalog.index import Catalog
from catalog.model import Verdict
from catalog.records import Announced, Posting
from catalog.tables import announcement_deliveries, announcements, exports, recordings
from catalog.wire import utc_text
from tests.catalog.exports import ask, file_of, make, take_export
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import LATER, at_once, hear, key_of, recording_id, settle, take, told_by

GRACE = timedelta(minutes=1)
WEEK = timedelta(days=7)
ALL = frozenset[str](Announced)
ONE = {"crm": ALL}


def announced(catalog: Catalog) -> list[RowMapping]:
    query = select(announcements).order_by(announcements.c.at)
    return list(catalog.database.read(lambda c: c.execute(query).mappings().all()))


def deliveries(catalog: Catalog) -> list[RowMapping]:
    query = select(announcement_deliveries).order_by(announcement_deliveries.c.id)
    return list(catalog.database.read(lambda c: c.execute(query).mappings().all()))


def types(catalog: Catalog) -> list[str]:
    return [row["type"] for row in announced(catalog)]


def judge(catalog: Catalog, task_id: str = "t1", **changes: Any) -> None:  # noqa: ANN401 - fields of a manifest
    hear(catalog, task_id)
    settle(catalog, take(catalog, task_id), **changes)


def taken(catalog: Catalog, endpoint: str = "crm") -> Posting:
    delivery = catalog.announcements.take(endpoint, grace=GRACE)
    assert delivery is not None
    return delivery


@pytest.fixture
def told(catalog: Catalog) -> Announcements:
    """One announcement, due to one endpoint."""
    judge(catalog)
    assert catalog.announcements.fan_out(ONE) == 1
    return catalog.announcements


class TestWriting:
    def test_a_first_verdict_is_announced_thinly(self, catalog: Catalog) -> None:
        hear(catalog)
        published = told_by(recording_id(), room="räum", verdict=Verdict.COMPLETE)
        catalog.claims.settle(take(catalog), published, key_of(published), basis="b", cause="c", look_in=None)
        [row] = announced(catalog)
        assert row["id"].startswith("msg_")
        assert json.loads(row["payload"]) == {
            "type": "recording.settled",
            "timestamp": utc_text(row["at"]),
            "data": {
                "vendor": "agora",
                "task_id": "t1",
                "room": "räum",
                "verdict": "complete",
                "revision": published.revision,
                "manifest": key_of(published),
            },
        }
        assert datetime.fromisoformat(json.loads(row["payload"])["timestamp"]).utcoffset() == timedelta()
        assert row["payload"].isascii()

    def test_a_room_that_only_the_vendor_told_of_is_named(self, catalog: Catalog) -> None:
        """Names of ZEGOCLOUD's files do not say where the room's ends."""
        hear(catalog, room="room_7")
        settle(catalog, take(catalog), room=None)
        assert json.loads(announced(catalog)[0]["payload"])["data"]["room"] == "room_7"

    def test_a_later_revision_is_an_improvement_and_the_same_is_no_news(self, catalog: Catalog) -> None:
        judge(catalog, revision=1)
        settle(catalog, take(catalog), revision=1)
        assert types(catalog) == ["recording.settled"]
        settle(catalog, take(catalog), revision=2)
        settle(catalog, take(catalog), revision=2)
        settle(catalog, take(catalog), revision=1)
        assert types(catalog) == ["recording.settled", "recording.improved"]
        assert json.loads(announced(catalog)[1]["payload"])["data"]["revision"] == 2

    def test_a_reindex_in_between_hides_no_verdict(self, catalog: Catalog) -> None:
        hear(catalog)
        claim, published = take(catalog), told_by(recording_id())
        assert catalog.reindex([(published, key_of(published))]) == 1
        settle(catalog, claim)
        assert types(catalog) == ["recording.settled"]

    def test_a_reindex_announces_nothing(self, catalog: Catalog) -> None:
        published = told_by(recording_id())
        catalog.reindex([(published, key_of(published))])
        assert types(catalog) == []

    def test_a_verdict_that_is_not_written_is_not_announced(self, catalog: Catalog, database: LeapingDatabase) -> None:
        hear(catalog)
        claim = take(catalog)
        database.pass_by(LATER)
        with pytest.raises(LeaseLostError):
            settle(catalog, claim)
        assert types(catalog) == []

    def test_nor_written_without_being_announced(self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        hear(catalog)
        claim = take(catalog)

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("no")

        monkeypatch.setattr(announcing, "_announce", broken)
        with pytest.raises(RuntimeError):
            settle(catalog, claim)
        assert catalog.get(recording_id()).verdict is None

    def test_a_settlement_that_is_written_again_is_announced_once(self, catalog: Catalog) -> None:
        hear(catalog)
        claim = take(catalog)
        settle(catalog, claim)
        settle(catalog, claim)
        assert len(announced(catalog)) == 1

    def test_an_export_is_announced_when_it_is_done_once_by_whoever_did_it(self, catalog: Catalog) -> None:
        claim = take_export(catalog, ask(catalog))
        export = claim.export.id
        assert types(catalog) == []
        at_once([partial(catalog.exports.done, claim, file_of(claim.export))] * 4)
        catalog.exports.stop(export, by="root", reason="space")
        [row] = announced(catalog)
        assert json.loads(row["payload"])["data"] == {"export": export}
        assert row["type"] == "export.done"

    @pytest.mark.parametrize("subject", [recordings, exports])
    def test_what_is_deleted_is_announced_no_more(self, catalog: Catalog, subject: Any) -> None:  # noqa: ANN401
        judge(catalog)
        make(catalog, ask(catalog))
        catalog.announcements.fan_out(ONE)
        catalog.database.write(lambda c: c.execute(delete(subject)))
        assert (len(announced(catalog)), len(deliveries(catalog))) == (1, 1)


class TestFanningOut:
    def test_each_endpoint_gets_what_it_wants_once(self, catalog: Catalog) -> None:
        judge(catalog, "t1")
        judge(catalog, "t2")
        settle(catalog, take(catalog, "t2"), revision=2)
        endpoints = {"crm": ALL, "index": frozenset({"recording.improved"})}
        assert [catalog.announcements.fan_out(endpoints) for _ in range(2)] == [3, 0]
        assert sorted(row["endpoint"] for row in deliveries(catalog)) == ["crm", "crm", "crm", "index"]

    def test_what_nobody_wants_does_not_pile_up(self, catalog: Catalog) -> None:
        judge(catalog)
        assert catalog.announcements.fan_out({"exports": frozenset({"export.done"})}) == 1
        judge(catalog, "t2")
        assert catalog.announcements.fan_out({}) == 1
        assert announced(catalog) == []

    def test_what_was_told_before_stays_when_all_endpoints_go(self, told: Announcements, catalog: Catalog) -> None:
        assert told.fan_out({}) == 0
        assert len(announced(catalog)) == 1

    def test_by_many_at_once_it_is_done_once(self, catalog: Catalog) -> None:
        for number in range(5):
            judge(catalog, f"t{number}")
        assert sum(at_once([partial(catalog.announcements.fan_out, ONE)] * 4)) == 5
        assert len(deliveries(catalog)) == 5

    def test_more_than_fits_at_once_takes_several_passes(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(announcing, "FANNED_OUT_AT_ONCE", 2)
        for number in range(3):
            judge(catalog, f"t{number}")
        assert [catalog.announcements.fan_out(ONE) for _ in range(3)] == [2, 1, 0]


class TestTaking:
    def test_a_delivery_says_all_that_is_needed(
        self, told: Announcements, catalog: Catalog, database: LeapingDatabase
    ) -> None:
        database.pass_by(timedelta(hours=1))
        [row], delivery = announced(catalog), taken(catalog)
        assert (delivery.announcement, delivery.payload) == (row["id"], row["payload"])
        assert (delivery.endpoint, delivery.tries) == ("crm", 1)
        assert timedelta(hours=1) <= delivery.age < timedelta(hours=1, minutes=1)
        assert told.take("other", grace=GRACE) is None

    def test_nobody_else_gets_it_until_its_grace_is_over(
        self, told: Announcements, catalog: Catalog, database: LeapingDatabase
    ) -> None:
        first = taken(catalog)
        assert told.take("crm", grace=GRACE) is None
        database.pass_by(GRACE)
        again = taken(catalog)
        assert (again.tries, again.id, again.payload) == (2, first.id, first.payload)

    def test_of_many_who_take_at_once_each_gets_others(self, catalog: Catalog) -> None:
        for number in range(20):
            judge(catalog, f"t{number}")
        catalog.announcements.fan_out(ONE)

        def take_all() -> list[int]:
            found = []
            while delivery := catalog.announcements.take("crm", grace=GRACE):
                found.append(delivery.id)
            return found

        found = [number for numbers in at_once([take_all] * 6) for number in numbers]
        assert sorted(found) == sorted(row["id"] for row in deliveries(catalog))

    def test_the_longest_due_goes_first(self, catalog: Catalog, database: LeapingDatabase) -> None:
        for task_id in ("t1", "t2"):
            judge(catalog, task_id)
            catalog.announcements.fan_out(ONE)
            database.pass_by(timedelta(seconds=1))
        assert '"t1"' in taken(catalog).payload
        assert '"t2"' in taken(catalog).payload

    def test_what_is_delivered_is_over(self, told: Announcements, catalog: Catalog, database: LeapingDatabase) -> None:
        delivery = taken(catalog)
        told.delivered(delivery, status=204)
        told.delivered(delivery, status=200)
        database.pass_by(WEEK)
        assert told.take("crm", grace=GRACE) is None
        [row] = deliveries(catalog)
        assert (row["last_status"], row["due_at"], row["given_up_at"]) == (204, None, None)
        assert row["done_at"] is not None

    def test_what_failed_is_due_when_that_was_said(
        self, told: Announcements, catalog: Catalog, database: LeapingDatabase
    ) -> None:
        for _ in range(2):
            told.failed(taken(catalog), status=500, error="it answered 500", look_in=timedelta(hours=2))
            database.pass_by(timedelta(hours=1, minutes=59))
            assert told.take("crm", grace=GRACE) is None
            database.pass_by(timedelta(minutes=1))
        [row] = deliveries(catalog)
        assert (row["tries"], row["last_status"], row["last_error"]) == (2, 500, "it answered 500")

    def test_what_is_given_up_is_over(self, told: Announcements, catalog: Catalog, database: LeapingDatabase) -> None:
        told.given_up(taken(catalog), status=410, error="it answered 410")
        database.pass_by(WEEK)
        assert told.take("crm", grace=GRACE) is None
        [row] = deliveries(catalog)
        assert (row["done_at"], row["last_error"]) == (None, "it answered 410")
        assert row["given_up_at"] is not None

    @pytest.mark.parametrize(
        "end",
        [
            lambda told, late: told.failed(late, status=None, error="late", look_in=timedelta()),
            lambda told, late: told.given_up(late, status=None, error="late"),
        ],
    )
    def test_a_try_that_ends_late_changes_nothing_of_a_later_one(
        self,
        told: Announcements,
        catalog: Catalog,
        database: LeapingDatabase,
        end: Callable[[Announcements, Posting], None],
    ) -> None:
        late = taken(catalog)
        database.pass_by(GRACE)
        later = taken(catalog)
        before = deliveries(catalog)
        end(told, late)
        assert deliveries(catalog) == before
        told.delivered(later, status=200)
        over = deliveries(catalog)
        end(told, later)
        assert deliveries(catalog) == over

    def test_a_late_delivery_counts_in_any_case(
        self, told: Announcements, catalog: Catalog, database: LeapingDatabase
    ) -> None:
        late = taken(catalog)
        database.pass_by(GRACE)
        told.given_up(taken(catalog), status=None, error="it took too long")
        told.delivered(late, status=200)
        [row] = deliveries(catalog)
        assert (row["given_up_at"], row["last_error"], row["last_status"]) == (None, None, 200)


def test_old_announcements_are_forgotten(told: Announcements, catalog: Catalog, database: LeapingDatabase) -> None:
    database.pass_by(timedelta(days=1))
    judge(catalog, "t2")
    database.pass_by(timedelta(days=6))
    assert [told.forget(older_than=WEEK) for _ in range(2)] == [1, 0]
    assert (len(announced(catalog)), len(deliveries(catalog))) == (1, 0)
