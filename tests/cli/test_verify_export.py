"""`aftertake verify-export`: any change of the file or of its certificate is told; nothing but the two is needed."""

import io
import json
import os
import random
import time
import tracemalloc
import warnings
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from catalog.certificate import CLIPS_NAME, CertifiedTrack, clips_to_json, to_json
from flows.steps.verifying import verify
from tests.catalog import certified
from tests.catalog.builders import absence, gap
from tests.cli.running import aftertake
from tests.cli.site import HOSTILE
from tests.flows.cut_files import Exported, archived, clip, exported, sums, zipped


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFTERTAKE_CONFIG", str(tmp_path / "there is none"))


def said(made: Exported, folder: Path) -> list[str]:
    run = aftertake("verify-export", made.save(folder))
    assert (run.code, run.err) == (3, "")
    first, *differences = run.out.splitlines()
    assert first.endswith(": not as certified")
    return differences


def test_a_file_that_is_what_its_certificate_says(tmp_path: Path) -> None:
    place = exported(gaps=(gap(1.0, 2.0),), absences=(absence(2.5, 3.0),)).save(tmp_path)
    run = aftertake("verify-export", place)

    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines() == [
        f"{place}: as certified",
        f"  export    {'0' * 32}, made at 2026-05-04T09:00:00.000Z",
        "  asked     by ada@desk at 2026-05-04T08:59:00.000Z: complaint 12",
        "  clip      ann.mp4: user 7, room math-7, agora:5f0c1e7ab2d34c5e8f9a0b1c2d3e4f50",
        "  time      2026-05-03T14:00:19.250Z to 2026-05-03T14:00:31.290Z; 1.021 to 4.011 s of stream 7",
        "  lost      1.000 to 2.000 s both: missing, rec/5f0c1e7ab2d34c5e8f9a0b1c2d3e4f50_math-7_20260503140023250.ts",
        "  absent    2.500 to 3.000 s video: track_start",
    ]
    answer = aftertake("verify-export", place, "--json").json
    assert (answer["schema"], answer["holds"], answer["differences"]) == ("aftertake.verify-export/1", True, [])
    assert answer["certificate"]["clips"][0]["user"] == "7"


def test_under_another_name_and_with_the_certificate_elsewhere(tmp_path: Path) -> None:
    place = exported().save(tmp_path)
    moved, kept = place.rename(tmp_path / "evidence.mp4"), tmp_path / "ann.mp4.certificate.json"

    assert aftertake("verify-export", moved, "--cert", kept).code == 0
    assert aftertake("verify-export", moved).code == 4


def test_an_archive_that_is_what_its_certificate_says(tmp_path: Path) -> None:
    run = aftertake("verify-export", archived().save(tmp_path))

    assert (run.code, run.err) == (0, "")
    assert [line[12:21] for line in run.out.splitlines() if "clip  " in line] == ["ann.mp4: ", "bob.mp4: "]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    chance = random.Random(8)
    for made in (exported(), archived()):
        for _ in range(20):
            body = bytearray(made.body)
            place = chance.randrange(len(body))
            body[place] ^= 1 << chance.randrange(8)
            differences = said(replace(made, body=bytes(body)), tmp_path)
            assert any("its SHA-256 is" in line for line in differences)
            assert any("its CRC-64/XZ is" in line for line in differences)


@pytest.mark.parametrize("length", [0, 1, 7, 100, 5_000, -1])
def test_a_file_that_was_cut_off(tmp_path: Path, length: int) -> None:
    for made in (exported(), archived()):
        differences = said(replace(made, body=made.body[:length]), tmp_path)
        assert any("size in bytes" in line for line in differences)
        assert any("is no whole" in line for line in differences)


def test_what_is_certified_of_tracks_is_counted_in_the_file(tmp_path: Path) -> None:
    made = exported()
    one = made.certificate.clips[0]
    video, audio = one.tracks

    def altered(*tracks: CertifiedTrack) -> list[str]:
        clips = (replace(one, tracks=tracks),)
        return said(replace(made, certificate=replace(made.certificate, clips=clips)), tmp_path)

    (samples,) = altered(replace(video, copied=video.copied + 1), audio)
    assert "! ann.mp4 of its video the number of samples is" in samples
    (start,) = altered(video, replace(audio, starts_at_s=audio.starts_at_s + 0.001))
    assert "of its audio the start in seconds is" in start
    (end,) = altered(video, replace(audio, ends_at_s=audio.ends_at_s - 0.001))
    assert "of its audio the end in seconds is" in end
    (missing,) = altered(video)
    assert "has the tracks video, audio, and the certificate says video" in missing


def _as_certified(members: list[tuple[str, bytes]]) -> Exported:
    """An archive that its certificate gives the right sums of, whatever is in it."""
    made, body = archived(), zipped(members)
    return Exported(body=body, certificate=replace(made.certificate, file=sums("room.zip", body)))


def test_members_that_are_missing_strange_or_exchanged(tmp_path: Path) -> None:
    (ann, _), (bob, _) = (clip("ann.mp4", Fraction(3, 2), Fraction(4)), clip("bob.mp4", Fraction(2), Fraction(5)))
    told = (CLIPS_NAME, clips_to_json(archived().certificate.clips))
    both = [("ann.mp4", ann), ("bob.mp4", bob)]

    assert said(_as_certified([both[0], told]), tmp_path) == ["  ! room.zip has no member bob.mp4"]
    assert said(_as_certified(both), tmp_path) == ["  ! room.zip has no member manifest.json"]
    more = [*both, told, ("virus.exe", b"MZ")]
    assert said(_as_certified(more), tmp_path) == ["  ! room.zip has a member virus.exe that is not certified"]
    exchanged = said(_as_certified([("ann.mp4", bob), ("bob.mp4", ann), told]), tmp_path)
    assert {line.split()[1] for line in exchanged} == {"ann.mp4", "bob.mp4"}
    lying = (CLIPS_NAME, clips_to_json(archived().certificate.clips[:1]))
    assert said(_as_certified([*both, lying]), tmp_path) == [
        "  ! manifest.json says something else than the certificate"
    ]


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    """Programs differ in which of the two they take out."""
    made = archived()
    packed = io.BytesIO(made.body)
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("ann.mp4", archive.read("ann.mp4"))
    body = packed.getvalue()
    certificate = replace(made.certificate, file=sums("room.zip", body))

    differences = said(Exported(body=body, certificate=certificate), tmp_path)
    assert set(differences) == {"  ! room.zip has a member ann.mp4 that is not certified"}


def test_an_archive_of_very_many_members_is_not_read(tmp_path: Path) -> None:
    place, body = archived().save(tmp_path), io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(body, "w") as archive:
        for number in range(30_000):
            archive.writestr(("manifest.json", str(number))[number % 2], b"")
    place.write_bytes(body.getvalue())

    started = time.process_time()
    run = aftertake("verify-export", place)
    assert run.code == 3
    assert "has a member manifest.json that is not certified" in run.out
    assert "has 14981 more of these" in run.out
    assert len(run.out.splitlines()) < 40
    assert time.process_time() - started < 5


def test_what_is_no_ordinary_file(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "fifo")

    for place in (tmp_path / "fifo", tmp_path):
        run = aftertake(
            "verify-export", place, "--cert", exported().save(tmp_path).with_name("ann.mp4.certificate.json")
        )
        assert (run.code, "it is no ordinary file" in run.err) == (2, True)
    assert aftertake("verify-export", tmp_path / "x", "--cert", tmp_path / "fifo").code == 2
    assert aftertake("verify-export", "/").code == 4


def test_an_archive_that_is_packed_anew(tmp_path: Path) -> None:
    made, packed = archived(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made.body)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    body = packed.getvalue()
    certificate = replace(made.certificate, file=sums("room.zip", body))

    assert all("is compressed" in line for line in said(Exported(body=body, certificate=certificate), tmp_path))


def test_a_certificate_that_was_changed(tmp_path: Path) -> None:
    place = exported(gaps=(gap(1.0, 2.0),)).save(tmp_path)
    beside = tmp_path / "ann.mp4.certificate.json"
    beside.write_text(json.dumps({**json.loads(beside.read_text()), "asked": []}))

    run = aftertake("verify-export", place, "--json")
    assert run.code == 3
    assert run.json["certificate"] is None
    assert "changed after it was written" in run.json["differences"][0]["what"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is not JSON"),
        (b"{}", "is no certificate of Aftertake"),
        (to_json(certified.certificate()).replace(b"certificate/1", b"certificate/2"), "update it"),
    ],
)
def test_what_is_no_certificate(tmp_path: Path, body: bytes, said: str) -> None:
    place = exported().save(tmp_path)
    (tmp_path / "ann.mp4.certificate.json").write_bytes(body)

    run = aftertake("verify-export", place)
    assert (run.code, run.out) == (2, "")
    assert said in run.err


def test_what_is_not_there(tmp_path: Path) -> None:
    place = exported().save(tmp_path)
    place.unlink()
    run = aftertake("verify-export", place)
    assert (run.code, run.out, run.err) == (4, "", f"aftertake: there is no file {place}\n")
    place.mkdir()
    assert aftertake("verify-export", place).code == 2
    assert aftertake("verify-export", tmp_path / "b.mp4").code == 4


def test_names_that_do_harm(tmp_path: Path) -> None:
    made = exported(user=HOSTILE, room=HOSTILE)
    run = aftertake("verify-export", made.save(tmp_path))

    assert run.code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(run.out)


def test_memory_does_not_follow_the_size(tmp_path: Path) -> None:
    """64 MiB more of media, of which nothing but the sums change."""
    made = exported()
    place = tmp_path / "large.mp4"
    with place.open("wb") as file:
        file.write(made.body)
        file.truncate(64 << 20)
    tracemalloc.start()
    found = verify(place, made.certificate, lambda _: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found
    assert peak < 8 << 20
