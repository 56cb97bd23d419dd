"""HLS that any other tool left in a folder: one recording for each media playlist."""
