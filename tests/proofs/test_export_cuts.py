from tests.proofs.export_cuts import prove


def test_the_proof_in_small() -> None:
    assert prove(ranges=2, seed=8).missed == []
