"""Long proofs, run by `make proof-…`: each prints what it counted and fails when a figure is missed."""
