"""Jocloud Cloud Recording, from partial documents: no names of slices, no times in names, no tags of its own."""
