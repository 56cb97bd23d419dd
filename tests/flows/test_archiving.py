"""Archives: written front to back, opened by others, equal when their members are, and never half."""

import gc
import io
import shutil
import struct
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from flows.steps.archiving import Archive

TWO = {"ann.mp4": b"a" * 100_000, "漢字 ü.mp4": b"", "manifest.json": b"{}\n"}


def archived(members: dict[str, bytes], piece_bytes: int = 4_096) -> bytes:
    written = io.BytesIO()
    archive = Archive(written.write)
    for name, data in members.items():
        with archive.member(name, len(data)) as member:
            for start in range(0, len(data), piece_bytes):
                member.write(data[start : start + piece_bytes])
    archive.finish()
    return written.getvalue()


def read(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
        return {name: opened.read(name) for name in opened.namelist()}


def test_what_is_written_is_read() -> None:
    assert read(archived(TWO)) == TWO
    assert archived(TWO) == archived(TWO, piece_bytes=999)


@pytest.mark.parametrize("limit", [None, 50_000])
def test_other_programs_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    """The same where all that is longer than 50 KB is written as if it were longer than 4 GiB."""
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("there is no unzip")
    if limit:
        monkeypatch.setattr("zipfile.ZIP64_LIMIT", limit)
    place = tmp_path / "two.zip"
    place.write_bytes(archived(TWO))
    monkeypatch.undo()

    assert read(place.read_bytes()) == TWO
    assert (b"PK\x06\x06" in place.read_bytes()) == bool(limit)
    out = tmp_path / "out"
    done = subprocess.run([program, "-q", place, "-d", out], capture_output=True, check=False, timeout=30)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, b"")
    assert {each.name: each.read_bytes() for each in out.iterdir()} == TWO


def test_a_member_of_many_gigabytes_is_announced_as_one() -> None:
    """ISO/IEC 21320-1 leaves sizes of such members to an extra field of 20 bytes; its sums follow it in 24 bytes."""
    written = io.BytesIO()
    with pytest.raises(ValueError, match="5368709120 were promised"), Archive(written.write).member("a", 5 << 30):
        pass

    body = written.getvalue()
    version, flags = struct.unpack_from("<HH", body, 4)
    assert (body[:4], version, flags & 8) == (b"PK\x03\x04", 45, 8)
    assert struct.unpack_from("<HH", body, 31) == (1, 16)
    assert len(body) == 30 + 1 + 20


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "..\\a", "a\0", "a\nb", "c:d", "ANN.mp4", "a.", "x" * 256]
)
def test_names_that_would_write_elsewhere_or_over_another(name: str) -> None:
    written = io.BytesIO()
    archive = Archive(written.write)
    with archive.member("ann.mp4", 0):
        pass
    before = written.tell()

    with pytest.raises(ValueError, match="cannot be the name"), archive.member(name, 0):
        pass
    assert written.tell() == before
    archive.finish()
    assert list(read(written.getvalue())) == ["ann.mp4"]


@pytest.mark.parametrize("data", [b"123", b"12345"])
def test_a_member_of_another_size_ends_the_archive(data: bytes) -> None:
    archive = Archive(io.BytesIO().write)
    with pytest.raises(ValueError, match="where 4 were promised"), archive.member("a", 4) as member:
        member.write(data)

    with pytest.raises(ValueError, match="is over"):
        archive.finish()
    with pytest.raises(ValueError, match="is over"), archive.member("b", 0):
        pass


@pytest.mark.parametrize("is_in_member", [True, False])
def test_one_that_is_left_alone_never_looks_whole(is_in_member: bool) -> None:
    written = io.BytesIO()
    archive = Archive(written.write)
    with archive.member("a", 1) as member:
        member.write(b"1")
    if is_in_member:
        with suppress(KeyboardInterrupt), archive.member("b", 4) as member:
            member.write(b"12")
            raise KeyboardInterrupt
    before = written.tell()
    del archive, member
    gc.collect()

    assert written.tell() == before
    assert not zipfile.is_zipfile(io.BytesIO(written.getvalue()))


def test_nothing_is_held() -> None:
    sizes: list[int] = []
    archive = Archive(lambda data: sizes.append(len(data)))
    with archive.member("a", 3 << 20) as member:
        for number in range(3):
            member.write(bytes(1 << 20))
            assert sum(sizes) >= (number + 1) << 20
    archive.finish()

    assert sum(sizes) < (3 << 20) + 1_000


def test_what_stands_behind_four_gigabytes_is_found(tmp_path: Path) -> None:
    """The zeros are a hole in the file."""
    zeros = bytes(1 << 22)
    place = tmp_path / "large.zip"
    with place.open("wb") as file:
        archive = Archive(lambda data: file.seek(len(data), 1) if data == zeros else file.write(data))
        with archive.member("a.mp4", 1025 << 22) as member:
            for _ in range(1025):
                member.write(zeros)
        with archive.member("b", 3) as member:
            member.write(b"end")
        archive.finish()

    with zipfile.ZipFile(place) as opened:
        assert [(info.filename, info.file_size) for info in opened.infolist()] == [("a.mp4", 1025 << 22), ("b", 3)]
        assert opened.read("b") == b"end"
