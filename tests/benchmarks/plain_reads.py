"""The measured process of the transfer row, others' way: read every slice of a folder and drop the bytes.

`python -m tests.benchmarks.plain_reads files FOLDER`, `… urllib3 FOLDER URL THREADS`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
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


def by_urllib3(folder: Path, url: str, threads: int) -> Facts:
    """Connections that are kept alive; each slice whole, as a request gives it. The bucket at `url` is public."""
    host, _, bucket = url.removeprefix("http://").partition("/")
    names = sorted(path.name for path in folder.glob("*.ts"))
    with urllib3.HTTPConnectionPool(host, maxsize=threads) as pool, ThreadPoolExecutor(threads) as workers:
        return {"read_bytes": sum(workers.map(lambda name: len(pool.request("GET", f"/{bucket}/{name}").data), names))}


def main() -> None:
    way, folder, *rest = sys.argv[1:]
    if way == "urllib3":
        url, threads = rest
        report(lambda: by_urllib3(Path(folder), url, int(threads)))
    else:
        report(lambda: by_files(Path(folder)))


if __name__ == "__main__":
    main()
