"""ZEGOCLOUD Cloud Recording. Names of slices are not documented: they are learned from playlists and task ids."""
