"""The measured process: some minutes out of a long recording, as the worker of an export cuts them.

`python -m tests.benchmarks.exporting URL KEY FROM TO null` or `… FOLDER`: from the object of a cloud into the null
store or a local one, in seconds of the object. Opening the stores, which imports the SDK, is start-up.
"""

import sys
from fractions import Fraction

from catalog.export_request import Origin
from flows.steps.cutting import CutMovie
from flows.steps.movies import PublishedMovie
from media.cut import cut
from storage.base import ObjectStore
from storage.keys import output_key
from storage.local import LocalStore
from storage.opening import open_store
from storage.writing import StreamingUpload
from tests.benchmarks.child import Facts, report
from tests.benchmarks.null_store import NullStore


def export(store: ObjectStore, key: str, begin: int, end: int, target: ObjectStore) -> Facts:
    meta = store.head(key)
    origin = Origin(key=key, size_bytes=meta.size_bytes, crc64xz="0" * 16, parts_sha256="0" * 64, origin_s=0.0)
    movie = PublishedMovie(store, origin)
    head_bytes = movie.cut_from[0].read_bytes
    made = cut(movie.index, Fraction(begin), Fraction(end))
    with StreamingUpload(target, output_key("cut.mp4")) as upload:
        CutMovie(cut=made, movie=movie).send(upload.write)
        uploaded = upload.complete(b"")
    return {
        "read_bytes": movie.cut_from[0].read_bytes,
        "head_bytes": head_bytes,
        "media_bytes": made.media_bytes,
        "output_bytes": uploaded.size_bytes,
        "starts_at_s": float(made.starts_at),
    }


def main() -> None:
    url, key, begin, end, folder = sys.argv[1:]
    store, target = open_store(url), NullStore() if folder == "null" else LocalStore(folder)
    report(lambda: export(store, key, int(begin), int(end), target))


if __name__ == "__main__":
    main()
