"""The measured process of the transfer row, others' way: read every slice of a folder and drop the bytes.

`python -m tests.benchmarks.plain_reads files FOLDER`, `… urllib3 FOLDER URL`.
"""

import sys
from pathlib import Path

import urllib3

from tests.benchmarks.child import Facts, report

_BUFFER_BYTES = 1 << 20


def by_files(folder: Path) -> Facts:
    """The floor: plain reads into one buffer."""
    buffer = bytearray(_BUFFER_BYTES)
    total = 0
    for path in sorted(folder.glob("*.ts")):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return {"read_bytes": total}


def by_urllib3(folder: Path, url: str) -> Facts:
    """One connection, kept alive; each slice whole, as a request gives it. The bucket at `url` is public."""
    total = 0
    host, _, bucket = url.removeprefix("http://").partition("/")
    with urllib3.HTTPConnectionPool(host, maxsize=1) as pool:
        for path in sorted(folder.glob("*.ts")):
            total += len(pool.request("GET", f"/{bucket}/{path.name}").data)
    return {"read_bytes": total}


def main() -> None:
    way, folder, *url = sys.argv[1:]
    if way == "urllib3":
        report(lambda: by_urllib3(Path(folder), *url))
    else:
        report(lambda: by_files(Path(folder)))


if __name__ == "__main__":
    main()
