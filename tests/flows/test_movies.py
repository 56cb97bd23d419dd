"""Of a published output only the head and the needed media is read, and what is read goes up at once."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from catalog.export_request import Origin
from flows.steps.cutting import CutMovie
from flows.steps.movies import PublishedMovie, SourceGoneError
from media.cut import Copied, cut
from media.mp4.entries import sample_entry
from media.mp4.writer import Mp4Writer
from media.samples import Buffer, SampleBatch
from storage.base import AS_BYTES, Multipart, Served
from storage.checksums import crc64_text, crc64xz
from storage.errors import Changed, Corrupt
from storage.keys import ObjectKey, output_key
from storage.local import LocalStore
from storage.local_files import LocalBody
from storage.memory import MemoryStore
from storage.writing import StreamingUpload
from tests.media.mp4.made import video

SECONDS = 600
PICTURES_A_SECOND = 5
KEY = output_key("media/agora/t1/101/0123456789abcdef.mp4")


@pytest.fixture(scope="module")
def movie() -> bytes:
    """Ten minutes of pictures of 30 kB, a keyframe every two seconds; 90 MB."""
    media: list[bytes] = []
    writer = Mp4Writer(lambda data: media.append(bytes(data)))
    track = writer.add_track("video", timescale=90_000)
    entry = track.add_entry(sample_entry("h264", video()[0].data).box, 320, 180)
    chance = np.random.default_rng(7)
    for second in range(SECONDS):
        numbers = np.arange(PICTURES_A_SECOND) + second * PICTURES_A_SECOND
        stamps = numbers * (90_000 // PICTURES_A_SECOND)
        sizes = chance.integers(25_000, 35_000, PICTURES_A_SECOND)
        track.write(
            SampleBatch(
                sizes=sizes,
                dts=stamps,
                pts=stamps,
                sync=numbers % (2 * PICTURES_A_SECOND) == 0,
                data=chance.bytes(int(sizes.sum())),
                last_duration=90_000 // PICTURES_A_SECOND,
            ),
            entry,
        )
    return writer.finish() + b"".join(media)


def origin(movie: bytes) -> Origin:
    crc = crc64_text(crc64xz(movie))
    return Origin(key=KEY, size_bytes=len(movie), crc64xz=crc, parts_sha256="ab" * 32, origin_s=0.0)


class Watched(LocalStore):
    """Writes down what is asked of it, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.told: list[tuple[str, int, int]] = []

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> LocalBody:
        if end is not None:  # a head of a folder's object opens it, too
            self.told.append(("read", start, end))
        return super().open(key, start=start, end=end, etag=etag)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        upload = super().start_multipart(key, served=served)
        put = upload.put_part

        def put_part(number: int, data: Buffer, /) -> None:
            put(number, data)
            self.told.append(("written", number, len(data)))

        upload.put_part = put_part  # type: ignore[method-assign]
        return upload


def test_the_first_bytes_are_up_before_the_last_are_read(tmp_path: Path, movie: bytes) -> None:
    store = Watched(tmp_path)
    store.put(KEY, movie)
    opened = PublishedMovie(store, origin(movie))
    made = CutMovie(cut=cut(opened.index, Fraction(101), Fraction(400)), movie=opened)
    with StreamingUpload(store, output_key("exports/cut.mp4")) as upload:
        made.send(upload.write)
        uploaded = upload.complete(b"")
    kinds = [kind for kind, *_ in store.told]
    assert kinds.index("written") < len(kinds) - kinds[::-1].index("read") - 1
    assert uploaded.size_bytes == made.cut.size_bytes
    whole = (tmp_path / "exports/cut.mp4").read_bytes()
    assert whole == made.cut.head + b"".join(
        movie[piece.start : piece.end] for piece in made.cut.pieces if isinstance(piece, Copied)
    )


def test_hardly_more_is_read_than_is_needed(tmp_path: Path, movie: bytes) -> None:
    store = Watched(tmp_path)
    store.put(KEY, movie)
    opened = PublishedMovie(store, origin(movie))
    made = CutMovie(cut=cut(opened.index, Fraction(301), Fraction(330)), movie=opened)
    made.send(len)
    read = sum(end - start for kind, start, end in store.told if kind == "read")
    head = movie.index(b"mdat") + 4
    assert read == opened.cut_from[0].read_bytes
    assert read <= 1.1 * (head + made.cut.media_bytes)


def test_another_object_under_the_key_is_refused(tmp_path: Path, movie: bytes) -> None:
    store = LocalStore(tmp_path)
    store.put(KEY, movie[:-1])
    with pytest.raises(Corrupt, match="was published with"):
        PublishedMovie(store, origin(movie))


def test_another_object_of_that_size_is_refused_where_the_store_tells(movie: bytes) -> None:
    store = MemoryStore()
    store.put(KEY, movie[:-1] + bytes([movie[-1] ^ 1]))
    with pytest.raises(Corrupt, match="was published with the crc64xz"):
        PublishedMovie(store, origin(movie))


def test_an_object_that_is_no_movie_is_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(KEY, bytes(200_000))
    with pytest.raises(SourceGoneError, match="no MP4 of ours"):
        PublishedMovie(store, origin(bytes(200_000)))


def test_what_is_replaced_while_it_is_read_is_never_mixed(tmp_path: Path, movie: bytes) -> None:
    store = LocalStore(tmp_path)
    store.put(KEY, movie)
    opened = PublishedMovie(store, origin(movie))
    store.put(KEY, movie)
    with pytest.raises(Changed):
        CutMovie(cut=cut(opened.index, Fraction(1), Fraction(9)), movie=opened).send(len)
