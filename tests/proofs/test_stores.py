from tests.proofs.stores import prove


def test_the_proof_in_small() -> None:
    """What must never happen does not; averages need more than sixty reads."""
    missed = prove(reads=60, writes=12, seed=7).missed
    assert [figure for figure in missed if not figure.startswith("GETs per object")] == []
