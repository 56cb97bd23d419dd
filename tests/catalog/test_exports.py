"""The same request is one job while that can serve it; a job goes only where it may, moved by one."""

from functools import partial
from itertools import product

import pytest
from sqlalchemy import select

from catalog.errors import UnknownExportError
from catalog.exports import Export, ExportState
from catalog.index import Catalog
from catalog.tables import audit
from tests.catalog.steps import at_once

Q, R, D, F, C, E = (
    ExportState.QUEUED,
    ExportState.RUNNING,
    ExportState.DONE,
    ExportState.FAILED,
    ExportState.CANCELLED,
    ExportState.EXPIRED,
)
ALLOWED = {(Q, R), (Q, F), (Q, C), (R, Q), (R, D), (R, F), (R, C), (D, E)}
WAYS = {Q: [], R: [R], D: [R, D], F: [F], C: [C], E: [R, D, E]}


def ask(catalog: Catalog, digest: str = "d1", by: str = "ann") -> Export:
    return catalog.exports.ask(digest, {"recording": "agora:t1", "from": 3.5}, requested_by=by, reason="a case")


def asked_and_brought_to(catalog: Catalog, state: ExportState) -> Export:
    export = ask(catalog)
    for step in WAYS[state]:
        was = catalog.exports.get(export.id).state
        assert catalog.exports.advance(export.id, step, was=was)
    return catalog.exports.get(export.id)


def test_what_was_asked_for_is_kept(catalog: Catalog) -> None:
    export = ask(catalog)
    assert catalog.exports.get(export.id) == export
    assert (export.state, export.requested_by, export.reason, export.cause) == (Q, "ann", "a case", None)
    assert dict(export.request) == {"recording": "agora:t1", "from": 3.5}


def test_many_equal_requests_at_once_are_one_job(catalog: Catalog) -> None:
    exports = at_once([partial(ask, catalog, by=f"analyst {n}") for n in range(40)])
    assert len({export.id for export in exports}) == 1
    query = select(audit.c.action, audit.c.actor, audit.c.subject)
    told = catalog.database.read(lambda c: c.execute(query).all())
    assert sorted(row.action for row in told) == ["ask_export"] + ["share_export"] * 39
    assert {row.actor for row in told} == {f"analyst {n}" for n in range(40)}
    assert {row.subject for row in told} == {exports[0].id}


def test_other_requests_are_other_jobs(catalog: Catalog) -> None:
    assert ask(catalog).id != ask(catalog, "d2").id


@pytest.mark.parametrize("state", [Q, R, D])
def test_a_job_that_can_serve_is_shared(catalog: Catalog, state: ExportState) -> None:
    assert ask(catalog).id == asked_and_brought_to(catalog, state).id


@pytest.mark.parametrize("state", [F, C, E])
def test_one_that_cannot_is_asked_for_anew(catalog: Catalog, state: ExportState) -> None:
    over = asked_and_brought_to(catalog, state)
    again = ask(catalog)
    assert again.id != over.id
    assert again.state is Q
    assert catalog.exports.get(over.id).state is state


def test_jobs_that_end_while_they_are_asked_for_are_in_nobodys_way(catalog: Catalog) -> None:
    def ask_and_end() -> None:
        for _ in range(30):
            catalog.exports.advance(ask(catalog).id, F, was=Q)

    at_once([ask_and_end] * 4)


@pytest.mark.parametrize(("was", "state"), sorted(ALLOWED))
def test_allowed_moves_are_made(catalog: Catalog, was: ExportState, state: ExportState) -> None:
    export = asked_and_brought_to(catalog, was)
    assert catalog.exports.advance(export.id, state, was=was, cause="so it is")
    moved = catalog.exports.get(export.id)
    assert (moved.state, moved.cause) == (state, "so it is")
    assert moved.changed_at >= export.changed_at


def test_other_moves_are_refused(catalog: Catalog) -> None:
    export = ask(catalog)
    for was, state in set(product(ExportState, repeat=2)) - ALLOWED:
        with pytest.raises(ValueError, match=f"does not go from {was} to {state}"):
            catalog.exports.advance(export.id, state, was=was)
    assert catalog.exports.get(export.id) == export


def test_one_that_is_elsewhere_by_now_is_not_moved(catalog: Catalog) -> None:
    export = asked_and_brought_to(catalog, C)
    assert not catalog.exports.advance(export.id, R, was=Q)
    assert catalog.exports.get(export.id) == export


def test_of_many_who_move_it_one_does(catalog: Catalog) -> None:
    for digest in ("d1", "d2", "d3"):
        export = ask(catalog, digest)
        moved = at_once([partial(catalog.exports.advance, export.id, R, was=Q)] * 8)
        assert sum(moved) == 1


def test_an_unknown_export_is_unknown(catalog: Catalog) -> None:
    with pytest.raises(UnknownExportError, match="e7"):
        catalog.exports.get("e7")
    with pytest.raises(UnknownExportError, match="e7"):
        catalog.exports.advance("e7", R, was=Q)
