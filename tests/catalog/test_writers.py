"""Several processes write one database at once: nobody is told `locked`, nothing is lost, nothing is done twice."""

import multiprocessing
from itertools import repeat

from catalog.index import Catalog
from tests.catalog.processes import register_and_claim
from tests.catalog.steps import recording_id, states

WRITERS, RECORDINGS = 4, 125


def test_four_processes_register_and_claim(catalog: Catalog, url: str) -> None:
    works = zip(repeat(url), range(WRITERS), repeat(RECORDINGS), strict=False)
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        claims = pool.starmap(register_and_claim, works, chunksize=1)
    assert sum(claims) == RECORDINGS
    for number in range(RECORDINGS):
        assert catalog.get(recording_id(f"t{number}")).tries == 1
        assert states(catalog, f"t{number}") == ["stopped", "processing"]
