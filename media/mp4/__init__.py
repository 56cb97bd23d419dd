"""MP4 files: written in one pass, described and checked."""
