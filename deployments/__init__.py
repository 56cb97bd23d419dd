"""How Aftertake is put to work: for now, the sandbox that the demo and the tests record with."""
