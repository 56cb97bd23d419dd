"""Agora Cloud Recording. Slices carry their UTC start to the millisecond in the name: the best clock of all vendors."""
