"""`aftertake export` and `aftertake exports`: what is told beforehand is what is made, and nothing ends unsaid.

The recordings are real ones of ZEGOCLOUD and Agora, the exports are made by the real flow.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from catalog.exports import Export, ExportedFile
from cli.exits import Exit
from flows.steps.assembling import Progress
from flows.steps.making import make
from flows.steps.working import Worker
from storage.errors import Transient
from storage.local import LocalStore
from tests.catalog.builders import absence
from tests.catalog.test_timeline import person
from tests.cli.exporting import at_work, make_now
from tests.cli.running import PROGRAM, ROOT, Run, aftertake
from tests.cli.site import AGORA, HOSTILE, ZEGO, Site, set_up
from tests.clouds import ENVIRONMENT, new_bucket, running_clouds
from tests.flows.asked import held, publish
from tests.flows.folders import slices
from tests.lab import agora_individual

SOME = ("--in", "0:02.5", "--out", "+3s")


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording without a fault, and one of which a slice never came, processed once, to be copied."""
    folder = tmp_path_factory.mktemp("processed")
    with pytest.MonkeyPatch.context() as patch:
        site = set_up(folder, patch)
        site.lay_agora()
        site.lay_zego(without=2)
        aftertake("submit", site.source)
        assert [aftertake("process", each).code for each in (AGORA, ZEGO)] == [0, 3]
    return folder


@pytest.fixture
def published(site: Site, processed: Path) -> Site:
    """The mixes of two rooms in the catalog and in the output."""
    shutil.copytree(processed, site.folder, dirs_exist_ok=True)
    return site


def asked(*arguments: str | Path) -> str:
    run = aftertake("export", *arguments)
    assert run.code == 0
    (export,) = run.out.splitlines()
    return export


@pytest.mark.usefixtures("published")
def test_the_truth_is_told_before_anything_is_made() -> None:
    run = aftertake("export", AGORA, *SOME, "--reason", "complaint 12")

    assert run.code == 0
    truth, said = run.err.splitlines()
    assert truth.startswith(f"stream mix, {AGORA}: starts 20")
    assert "earlier than asked; ends 20" in truth or "as asked; ends 20" in truth
    assert truth.endswith((" MB", " kB"))
    (export,) = run.out.splitlines()
    assert said == f"export {export}"
    shown = aftertake("exports", "show", export[:6], "--json").json
    assert (shown["state"], shown["asked"][0]["by"], shown["asked"][0]["reason"]) == (
        *("queued", "ada@desk", "complaint 12"),
    )
    told = truth.partition("starts ")[2].partition(",")[0]
    assert shown["clips"][0]["starts_at"][:22] == told[:22]


@pytest.mark.usefixtures("published")
def test_the_start_that_was_told_can_be_asked_for() -> None:
    """Samples begin between milliseconds; what is told is rounded so that the same keyframe is at or before it."""
    first = aftertake("export", AGORA, *SOME).err.splitlines()[0]
    told = first.partition("starts ")[2].partition(",")[0]
    again = aftertake("export", AGORA, "--in", told, "--out", "+1s").err.splitlines()[0]
    assert f"starts {told}, " in again


@pytest.mark.usefixtures("published")
def test_a_file_is_fetched_with_its_certificate_and_verified(tmp_path: Path) -> None:
    place = tmp_path / "cut.mp4"
    with at_work():
        run = aftertake("export", AGORA, *SOME, "-o", place)

    assert (run.code, run.out) == (0, f"{place}\n")
    assert f"{place} is as certified" in run.err
    assert sorted(each.name for each in tmp_path.glob("*cut*")) == ["cut.mp4", "cut.mp4.certificate.json"]
    verified = aftertake("verify-export", place, "--json").json
    (clip,) = verified["certificate"]["clips"]
    assert verified["holds"]
    assert f"starts {clip['starts_at']}" in run.err
    assert f"ends {clip['ends_at']}" in run.err
    assert f"{place.stat().st_size / 1e3:.1f} kB" in run.err
    assert not list(tmp_path.glob(".*.part"))


def test_an_output_that_is_gone_is_told_before_any_work(published: Site) -> None:
    for movie in published.output.rglob("*.mp4"):
        movie.unlink()
    run = aftertake("export", AGORA, *SOME)
    assert (run.code, run.out) == (4, "")
    assert "is not in the archive any more" in run.err


@pytest.mark.usefixtures("published")
def test_it_is_made_here_without_any_worker(tmp_path: Path) -> None:
    run = aftertake("export", AGORA, *SOME, "--here", "-o", tmp_path / "cut.mp4")
    assert (run.code, run.out) == (0, f"{tmp_path / 'cut.mp4'}\n")
    assert aftertake("verify-export", tmp_path / "cut.mp4").code == 0
    again = aftertake("export", AGORA, *SOME, "--here")
    assert "made already" in again.err
    assert aftertake("exports", "show", again.out.strip(), "--json").json["state"] == "done"


@pytest.mark.usefixtures("published")
def test_what_lies_in_the_queue_can_be_made_here() -> None:
    queued = asked(AGORA, *SOME)
    here = aftertake("export", AGORA, *SOME, "--here")
    assert (here.code, here.out.strip()) == (0, queued)


@pytest.mark.usefixtures("published")
def test_the_same_again_is_there_at_once(tmp_path: Path) -> None:
    first = asked(AGORA, *SOME)
    under_way = aftertake("export", AGORA, *SOME)
    assert (under_way.out.strip(), "it is queued" in under_way.err) == (first, True)
    make_now()

    again = aftertake("export", AGORA, *SOME, "--wait", "--name", "another name")
    assert (again.code, again.out) == (0, f"{first}\n")
    assert f"export {first}: made already, on 20" in again.err
    saved = aftertake("export", AGORA, *SOME, "-o", tmp_path, "--json")
    name = Path(saved.json["saved_as"]).name
    assert (saved.code, saved.json["id"], name.startswith("math"), name[-4:]) == (0, first, name[:4] == "math", ".mp4")


@pytest.mark.usefixtures("published")
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "cut.mp4"
    for taken in (place, tmp_path / "cut.mp4.certificate.json"):
        taken.write_bytes(b"mine")
        run = aftertake("export", AGORA, *SOME, "-o", place)
        assert (run.code, run.out, taken.read_bytes()) == (6, "", b"mine")
        assert f"{taken} is there already" in run.err
        taken.unlink()
    assert aftertake("exports").code == 4


@pytest.mark.usefixtures("published")
def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "none" / "cut.mp4", tmp_path / "file" / "cut.mp4", tmp_path / f"{'ü' * 125}.mp4"):
        run = aftertake("export", AGORA, *SOME, "-o", place)
        assert (run.code, run.out) == (6, "")
        assert f"aftertake: {place} cannot be written: " in run.err
    assert aftertake("exports").code == 4
    assert [each.name for each in tmp_path.glob("*.part")] == []


@pytest.mark.usefixtures("published")
def test_a_disk_that_is_full_leaves_nothing_and_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("flows.steps.downloading.verify", fill)
        run = aftertake("export", AGORA, *SOME, "--here", "-o", tmp_path / "cut.mp4")
    assert run.code == 6
    assert "cut.mp4 cannot be written: No space left on device. Write it elsewhere with -o." in run.err
    assert not [*tmp_path.glob("*cut*"), *tmp_path.glob("*.part")]
    assert aftertake("export", AGORA, *SOME, "-o", tmp_path / "cut.mp4").code == 0


@pytest.mark.usefixtures("published")
def test_made_here_it_is_tried_again_without_anybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Export] = []

    def fail_once(worker: Worker, export: Export, progress: Progress) -> ExportedFile:
        tries.append(export)
        if len(tries) == 1:
            raise Transient("put", "key", "the store is busy")
        return make(worker, export, progress)

    monkeypatch.setattr("cli.export.make", fail_once)
    monkeypatch.setattr("cli.export._AGAIN_S", 0.01)
    run = aftertake("export", AGORA, *SOME, "--here")
    assert (run.code, len(tries)) == (0, 2)
    assert "it is tried again in a moment: " in run.err


@pytest.mark.usefixtures("published")
def test_made_here_although_who_made_it_has_died(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.export._AGAIN_S", 0.05)
    export = asked(AGORA, *SOME)
    with site.catalog() as catalog:
        assert catalog.exports.take(export, holder="dead", ttl=timedelta(milliseconds=20))
    run = aftertake("export", AGORA, *SOME, "--here")
    assert (run.code, run.out) == (0, f"{export}\n")


@pytest.mark.usefixtures("published")
def test_an_archive_of_one_file_for_each(tmp_path: Path) -> None:
    wrong = aftertake("export", AGORA, *SOME, "--separate", "-o", tmp_path / "all.mp4")
    assert (wrong.code, "write -o with .zip" in wrong.err) == (2, True)

    place = tmp_path / "all.zip"
    with at_work():
        run = aftertake("export", AGORA, *SOME, "--separate", "-o", place)
    assert run.code == 0
    assert "1 file in one archive" in run.err
    assert aftertake("verify-export", place).code == 0


@pytest.mark.usefixtures("published")
def test_what_is_lost_in_the_range_is_told_beforehand_and_by_the_exit_code(tmp_path: Path) -> None:
    with at_work():
        run = aftertake("export", ZEGO, "--in", "0:03", "--out", "0:07", "-o", tmp_path / "cut.mp4")

    assert run.code == 3
    (lost,) = [line for line in run.err.splitlines() if line.startswith("! ")]
    assert "lost from 20" in lost
    assert "(0:00:03.9" in lost
    assert "): missing record/" in lost
    assert "  lost " in aftertake("verify-export", tmp_path / "cut.mp4").out
    with at_work():
        assert aftertake("export", ZEGO, "--in", "0:00", "--out", "0:02", "--wait").code == 0


def test_who_is_lost_altogether_is_told_beforehand_and_by_the_exit_code(site: Site) -> None:
    """They have no file, and so no certificate that could say it."""
    laid = agora_individual(audio=slices(), uid="7") | agora_individual(audio=slices(), uid="8")
    lost = [key for key in laid.segments if "__uid_s_8__" in key][:2]
    replace(laid, objects={key: data for key, data in laid.objects.items() if key not in lost}).write_to(site.source)
    aftertake("submit", site.source)
    assert aftertake("process", AGORA).code == 3

    run = aftertake("export", AGORA, "--in", "0:00.5", "--out", "0:02", "--separate", "--here")
    assert run.code == 3
    assert "! user 8: audio and video lost from " in run.err or "! user 8: audio lost from " in run.err
    assert [clip["user"] for clip in aftertake("exports", "show", run.out.strip(), "--json").json["clips"]] == ["7"]


@pytest.mark.usefixtures("published")
def test_what_is_lost_between_the_keyframe_and_the_time_that_was_asked_for_is_told_too(tmp_path: Path) -> None:
    with at_work():
        run = aftertake("export", ZEGO, "--in", "0:05.9", "--out", "0:07", "-o", tmp_path / "cut.mp4")

    truth, lost = run.err.splitlines()[:2]
    (clip,) = aftertake("verify-export", tmp_path / "cut.mp4", "--json").json["certificate"]["clips"]
    (gap,) = clip["gaps"]
    assert run.code == 3
    assert "earlier than asked" in truth
    assert f"lost from {gap['from']} to {gap['to']} " in lost
    assert clip["starts_at_s"] < gap["from_s"]


@pytest.mark.usefixtures("published")
def test_what_was_never_recorded_is_answered_at_once() -> None:
    run = aftertake("export", ZEGO, "--in", "0:04.5", "--out", "0:05")

    assert (run.code, run.out) == (4, "")
    said = run.err.splitlines()
    assert said[0].startswith("aftertake: the mix: nothing was recorded from 0:00:04.500 to 0:00:05.000 in ")
    assert any("lost from" in line for line in said)
    assert any(line.startswith("The nearest of the mix that was recorded: --in 0:00:0") for line in said)
    told = aftertake("export", ZEGO, "--in", "0:04.5", "--out", "0:05", "--json").json
    assert (told["id"], told["missing"][0]["cause"], told["missing"][0]["state"]) == (None, "missing", "gap")
    assert aftertake("exports").code == 4


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ((AGORA, "--in", "0:05", "--out", "now"), 2, "is no time: write a time as"),
        ((AGORA, "--in", "0:05", "--out", "0:01"), 2, "write the earlier one first"),
        (("--in", "0:05", "--out", "0:07"), 2, "whose recording?"),
        ((AGORA, "--in", "0:01", "--out", "0:02", "--user", "a", "--user", "b"), 2, "--separate"),
        (("nothing", *SOME), 4, "knows no recording nothing"),
        ((AGORA, "--user", "9", *SOME), 4, "Only the mix of everybody was recorded"),
        ((AGORA, *SOME, "--link"), 2, "gives no links: write the file with -o"),
        ((AGORA, *SOME, "--expires", "5s"), 2, 'write "1m" or more'),
        ((AGORA, *SOME, "--expires", "soon"), 2, "write a whole number and its unit"),
        ((AGORA, "--in", "0:05"), 2, "usage: aftertake export"),
    ],
)
@pytest.mark.usefixtures("published")
def test_what_cannot_be_asked(given: tuple[str, ...], code: int, said: str) -> None:
    run = aftertake("export", *given)

    assert (run.code, run.out) == (code, "")
    assert said in run.err


def test_what_is_heard_of_and_has_no_objects_yet(site: Site) -> None:
    site.register("t9", room="R")
    run = aftertake("export", "t9", *SOME)

    assert (run.code, run.out) == (7, "")
    assert "agora:t9 is not published yet" in run.err


def test_quota(published: Site) -> None:
    published.patch.setenv("AFTERTAKE_EXPORTS_PER_PERSON", "1")
    asked(AGORA, *SOME)
    run = aftertake("export", AGORA, "--in", "0:01", "--out", "0:02")

    assert (run.code, run.out) == (6, "")
    assert "Wait for one, or cancel one." in run.err


@pytest.mark.usefixtures("published")
def test_listed_cancelled_and_asked_for_again() -> None:
    first = asked(AGORA, *SOME)
    second = asked(AGORA, "--in", "0:01", "--out", "0:02", "--name", "the second")

    assert aftertake("exports", "cancel", first).code == 0
    shown = aftertake("exports", "--mine").out.splitlines()
    assert shown[0].split() == ["state", "export", "name", "asked", "(UTC)", "size", "by"]
    assert [line.split()[:2] for line in shown[1:]] == [["queued", second[:12]], ["cancelled", first[:12]]]
    assert "the second.mp4" in shown[1]
    waited = aftertake("export", AGORA, "--in", "0:01", "--out", "0:02")
    assert waited.out.strip() == second
    assert [each["id"] for each in aftertake("exports", "--state", "cancelled", "--json").json["exports"]] == [first]
    again = aftertake("exports", "retry", first, "--json").json
    assert (again["state"], again["id"] != first) == ("queued", True)
    assert aftertake("exports", "stop", second).out.splitlines()[0] == f"{second}: cancelled"
    assert aftertake("exports", "retry", again["id"]).code == 6
    assert aftertake("exports", "show", "ffffffffff").code == 4


@pytest.mark.usefixtures("published")
def test_one_that_is_cancelled_meanwhile_ends_the_waiting() -> None:
    export = asked(AGORA, *SOME)
    timer = threading.Timer(0.3, aftertake, ("exports", "stop", export))
    timer.start()
    run = aftertake("export", AGORA, *SOME, "--wait", "--json")
    timer.join()

    assert run.code == 1
    assert (run.json["id"], run.json["state"]) == (export, "cancelled")
    assert "the export is cancelled: ada@desk cancelled it" in run.err
    assert "retry" in run.err


def test_one_that_fails_says_why(published: Site) -> None:
    export = asked(AGORA, *SOME)
    for file in (published.output / "media").rglob("*.mp4"):
        file.unlink()
    make_now()
    run = aftertake("exports", "show", export)

    assert run.code == 1
    assert f"{export}: failed" in run.out
    assert "  why       " in run.out


@pytest.mark.usefixtures("published")
def test_a_file_that_is_damaged_in_the_store_is_not_handed_on(tmp_path: Path, site: Site) -> None:
    asked(AGORA, *SOME)
    make_now()
    (stored,) = (site.output / "exports").rglob("*.mp4")
    body = bytearray(stored.read_bytes())
    body[len(body) // 2] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(body)

    run = aftertake("export", AGORA, *SOME, "-o", tmp_path / "cut.mp4")
    assert run.code == 5
    assert "not what was certified" in run.err
    assert "Stop the export, and ask for it again." in run.err
    assert not list(tmp_path.glob("*cut*"))


@pytest.mark.usefixtures("published")
def test_nor_is_one_with_a_certificate_that_is_damaged_or_of_another(tmp_path: Path, site: Site) -> None:
    export = asked(AGORA, *SOME)
    other = asked(AGORA, "--in", "0:01", "--out", "+2s")
    make_now()
    folder = site.output / "exports"

    def is_refused(said: str) -> bool:
        run = aftertake("export", AGORA, *SOME, "-o", tmp_path / "cut.mp4")
        return (run.code, said in run.err, [*tmp_path.glob("*cut*")]) == (5, True, [])

    (certificate,) = (folder / export).glob("*.json")
    certificate.unlink()
    certificate.write_bytes(b"{")
    assert is_refused("it is not JSON")
    for kind in ("*.mp4", "*.json"):
        (taken,), (place,) = (folder / other).glob(kind), (folder / export).glob(kind)
        place.unlink()
        shutil.copy(taken, place)
    assert is_refused("it is of another file than was made")


@pytest.mark.usefixtures("published")
def test_nobody_at_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.export._PATIENCE_S", 0.05)
    timer = threading.Timer(0.6, make_now)
    timer.start()
    run = aftertake("export", AGORA, *SOME, "--wait")
    timer.join()

    assert run.code == 0
    assert run.err.count("a worker of `aftertake serve` must run") == 1


@pytest.mark.usefixtures("published")
def test_an_interrupt_leaves_the_job_and_says_how_to_follow_it() -> None:
    command = [*PROGRAM, "export", AGORA, *SOME, "--wait"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:  # noqa: S603
        assert waiting.stderr
        said = [waiting.stderr.readline().decode() for _ in range(2)]
        waiting.send_signal(signal.SIGINT)
        try:
            out, err = waiting.communicate(timeout=30)
        finally:
            waiting.kill()

    export = said[1].split()[1]
    assert (waiting.returncode, out) == (Exit.INTERRUPTED, b"")
    assert f"`aftertake exports show {export[:12]}`" in err.decode()
    assert aftertake("exports", "show", export, "--json").json["state"] == "queued"


def test_by_user_and_time_with_what_was_absent(site: Site) -> None:
    """The recording is made up, so that nothing can be cut of it; what is told comes from its manifest."""
    out = absence(20, 30, track="both")
    with site.catalog() as catalog:
        site.output.mkdir(parents=True)
        publish(catalog, LocalStore(site.output), held("t1", person("ann", absences=(out,)), person("bob")))
    run = aftertake("export", "--user", "ann", "--room", "R", "--in", "2026-05-03T14:00:32.250Z", "--out", "+5s")

    assert (run.code, run.out) == (4, "")
    assert run.err.splitlines()[1:] == [
        (
            "user ann: audio and video not recorded from 2026-05-03T14:00:32.250Z to 2026-05-03T14:00:37.250Z "
            "(0:00:21.000 to 0:00:26.000 of agora:t1): paused: the vendor marks a new start of the track after it."
        ),
        "The nearest of user ann that was recorded: --in 2026-05-03T14:00:26.250Z --out 2026-05-03T14:00:31.250Z",
    ]


def test_a_link_gives_the_file_under_its_name_and_is_noted(site: Site) -> None:
    with running_clouds() as clouds:
        for name, value in ENVIRONMENT.items():
            site.patch.setenv(name, value)
        site.patch.setenv("AFTERTAKE_OUTPUT", new_bucket(clouds, "oss", prefix="out/"))
        site.lay_agora()
        aftertake("submit", site.source)
        assert aftertake("process", AGORA).code == 0
        export = asked(AGORA, *SOME, "--name", "Anns call")
        assert aftertake("exports", "link", export).code == 6
        make_now()
        runs = [aftertake("export", AGORA, *SOME, "--link"), aftertake("exports", "link", export, "--json")]
        (url,) = runs[0].out.splitlines()
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - on loopback
            body, disposition = answer.read(), answer.headers["Content-Disposition"]
        told = aftertake("exports", "show", export, "--json").json

    assert [run.code for run in runs] == [0, 0]
    assert "Anns call.mp4" in disposition.replace("%20", " ")
    assert hashlib.sha256(body).hexdigest() == told["file"]["sha256"]
    assert "ignature" not in runs[0].err + runs[1].err
    assert (runs[1].json["name"], runs[1].json["url"] != "") == ("Anns call.mp4", True)
    links = [each for each in site.audited() if each[1] == "link_export"]
    assert [(actor, subject) for actor, _, subject, _ in links] == [("ada@desk", export)] * 2


@pytest.mark.usefixtures("published")
def test_names_that_do_harm() -> None:
    runs: list[Run] = [aftertake("export", AGORA, *SOME, "--name", HOSTILE, "--reason", HOSTILE.replace("\0", ""))]
    runs += [aftertake("exports"), aftertake("exports", "show", runs[0].out.strip())]
    runs.append(aftertake("export", "--room", HOSTILE, "--in", "2026-05-03", "--out", "+1m"))

    for run in runs:
        assert not {"\x1b", "\x07", "\u202e"} & set(run.out + run.err)


@pytest.mark.usefixtures("published")
def test_json_alone_is_on_stdout() -> None:
    done = subprocess.run(  # noqa: S603
        [*PROGRAM, "export", AGORA, *SOME, "--json"], cwd=ROOT, capture_output=True, check=False, timeout=60
    )

    told = json.loads(done.stdout)
    assert (done.returncode, told["schema"], told["state"]) == (0, "aftertake.export/1", "queued")
    assert (told["progress"], told["eta_s"], told["file"], told["link"]) == (0.0, None, None, None)
