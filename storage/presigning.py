"""What presigned URLs have in common."""

from urllib.parse import quote

from storage.errors import Unsupported

LONGEST_S = 7 * 24 * 3600
"""The longest life that S3 and OSS give a URL signed with version 4; COS is held to the same."""


def check_lifetime(key: str, seconds: int) -> None:
    """Raise Unsupported for a life that not every store gives."""
    if not 1 <= seconds <= LONGEST_S:
        raise Unsupported("presign_get", key, f"a URL lives 1 to {LONGEST_S} seconds, not {seconds}")


def disposition(filename: str) -> str:
    """The Content-Disposition by which a browser saves a file under this name (RFC 6266 §4.3, RFC 8187).

    Without a space: clients and stores do not agree on how one is written in a query.
    """
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "._-()" else "_" for char in filename)
    return f"attachment;filename=\"{plain}\";filename*=UTF-8''{quote(filename, safe='')}"
