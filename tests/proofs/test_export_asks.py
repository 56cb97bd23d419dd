from tests.proofs.export_asks import OF_A_CALL, prove


def test_the_proof_in_small() -> None:
    assert prove(requests=OF_A_CALL, seed=8).missed == []
