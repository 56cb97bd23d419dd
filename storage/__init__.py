"""Objects in buckets.

Why not a file system interface? Buckets have no folders, no appending and no renames, and what we need of them (one
version under an etag, checksums that the store offers, create-only, uploads in parts) no file has. So the contract is
that of a bucket (`base.py`), and a folder (`local.py`) is made to behave like one.
"""
