"""The steps, each of them named in its file."""
