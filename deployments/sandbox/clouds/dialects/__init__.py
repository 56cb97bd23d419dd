"""What the three stores understand and answer: one set of operations, and a dialect for each."""
