"""What the command says of sound and damaged recordings: exit codes, JSON, and when it does not wait."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cli.exits import Exit, exit_of_error
from deployments.sandbox.layouts import AGORA_SID
from storage import errors
from storage.checksums import Proof
from tests.cli.running import ROOT, aftertake, codes, program
from tests.flows.folders import aged, contents, followed, media_playlist, slices, unfinished, write
from tests.lab import MIXED, agora_individual, agora_mixed, cut, flash_and_beep, plain, zego_mixed

TEXT = {"type": "string"}
SPAN = {"stream": TEXT, "track": {"enum": ["audio", "video", "both"]}, "from_s": {"type": "number"}}
ANSWER = {
    "type": "object",
    "required": ["schema", "verdict", "state", "recordings"],
    "additionalProperties": False,
    "properties": {
        "schema": {"pattern": r"^aftertake\.(check|process|show)/1$"},
        "verdict": {"enum": ["complete", "gaps", "missing", "empty", "unreadable", None]},
        "state": {"enum": ["settled", "waiting", "failed"]},
        "recordings": {
            "items": {
                "required": ["vendor", "task_id", "state", "verdict", "streams", "gaps", "absences", "findings"],
                "properties": {
                    "gaps": {"items": {"required": ["cause", "segment", *SPAN], "properties": SPAN}},
                    "absences": {"items": {"required": ["evidence", *SPAN], "properties": SPAN}},
                    "findings": {
                        "items": {
                            "required": ["code", "severity", "key", "detail", "advice"],
                            "additionalProperties": False,
                            "properties": dict.fromkeys(["code", "key", "detail", "advice"], TEXT)
                            | {"severity": {"enum": ["notice", "warning", "error"]}},
                        }
                    },
                    "manifest": {"pattern": "^manifests/"},
                    "outputs": {
                        "items": {
                            "required": ["key", "size_bytes", "crc64xz"],
                            "additionalProperties": False,
                            "properties": {
                                "key": {"pattern": "^media/"},
                                "size_bytes": {"type": "integer"},
                                "crc64xz": {"pattern": "^[0-9a-f]{16}$"},
                            },
                        }
                    },
                },
            }
        },
    },
}


@pytest.mark.parametrize("vendor", MIXED)
def test_a_sound_recording_of(vendor: str, tmp_path: Path) -> None:
    source, output = MIXED[vendor](slices()).write_to(tmp_path / "in"), tmp_path / "out"

    checked = aftertake("check", source, "--json")
    assert (checked.code, checked.json["verdict"], checked.err) == (0, "complete", "")
    assert not output.exists()
    processed = aftertake("process", source, "--output", output, "--json")
    assert (processed.code, processed.json["verdict"], processed.err) == (0, "complete", "")
    (recording,) = processed.json["recordings"]
    manifest = followed(output, vendor, recording["task_id"])
    assert [o["key"] for o in recording["outputs"]] == [o.key for s in manifest.streams for o in s.outputs]
    assert recording["manifest"] in contents(output)


def test_every_answer_has_one_shape(tmp_path: Path) -> None:
    laid = agora_mixed(slices())
    del laid.objects[laid.segments[2]]
    source, output = laid.write_to(tmp_path / "in"), tmp_path / "out"
    waiting = write(tmp_path / "w", list_m3u8=media_playlist("a.ts", end=False))

    for arguments in (
        ("check", source),
        ("check", waiting),
        ("process", source, "--output", output),
        ("show", AGORA_SID, "--output", output),
    ):
        run = aftertake(*arguments, "--json")
        Draft202012Validator(ANSWER).validate(run.json)
        assert run.json["schema"] == f"aftertake.{arguments[0]}/1"
        assert arguments[0] == "check" or {"manifest", "outputs"} <= set(run.json["recordings"][0])


def test_a_loss_is_named_with_its_slice_and_what_to_do(tmp_path: Path) -> None:
    laid = agora_mixed(slices())
    lost = laid.segments[2]
    del laid.objects[lost]
    source = laid.write_to(tmp_path / "in")

    run = aftertake("check", source)

    assert run.code == 3
    assert f"- {lost}   missing: in the playlist, not in the bucket" in run.out.splitlines()
    assert "-> Ask the vendor for this slice" in run.out
    assert run.out.rstrip().endswith(f"agora {AGORA_SID}: gaps")
    (gap,) = aftertake("check", source, "--json").json["recordings"][0]["gaps"]
    assert (gap["segment"], gap["cause"], gap["track"]) == (lost, "missing", "both")
    assert gap["to_s"] - gap["from_s"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("vendor", MIXED)
def test_the_first_slice_lost(vendor: str, tmp_path: Path) -> None:
    laid = MIXED[vendor](slices())
    del laid.objects[laid.segments[0]]

    run = aftertake("process", laid.write_to(tmp_path / "in"), "--output", tmp_path / "out", "--json")

    assert (run.code, run.json["verdict"]) == (3, "gaps")
    assert [g["cause"] for g in run.json["recordings"][0]["gaps"]] == ["missing"]
    followed(tmp_path / "out", vendor, run.json["recordings"][0]["task_id"])


@pytest.mark.parametrize("vendor", ["zego", "jocloud", "plain"])
def test_one_sound_slice_before_a_loss(vendor: str, tmp_path: Path) -> None:
    laid = MIXED[vendor](slices())
    del laid.objects[laid.segments[1]]

    run = aftertake("check", laid.write_to(tmp_path), "--json")

    assert [g["cause"] for g in run.json["recordings"][0]["gaps"]] == ["missing"]


def test_without_an_end_a_fresh_recording_is_not_waited_for(tmp_path: Path) -> None:
    laid = plain(slices())
    laid.objects[laid.playlists[0]] = laid.objects[laid.playlists[0]].replace(b"#EXT-X-ENDLIST\n", b"")
    source, output = laid.write_to(tmp_path / "in"), tmp_path / "out"

    began = time.monotonic()
    run = aftertake("process", source, "--output", output)
    assert time.monotonic() - began < 5
    assert run.code == 7
    assert "has no #EXT-X-ENDLIST" in run.err
    assert "Try again in 30 min" in run.err
    assert not output.exists()

    for hours, code in ((0.4, 7), (0.6, 0)):
        run = aftertake("process", aged(source, hours), "--output", output, "--json")
        assert run.code == code
    assert "playlist_no_end" in codes(run.json["recordings"][0])
    assert run.json["verdict"] == "complete"


def test_two_recordings_in_one_folder(tmp_path: Path) -> None:
    gappy = zego_mixed(slices())
    del gappy.objects[gappy.segments[2]]
    source, output = (agora_mixed(slices()) | gappy).write_to(tmp_path / "in"), tmp_path / "out"

    run = aftertake("process", source, "--output", output, "--json")

    assert (run.code, run.json["verdict"]) == (3, "gaps")
    assert {r["vendor"]: r["verdict"] for r in run.json["recordings"]} == {"zego": "gaps", "agora": "complete"}
    for recording in run.json["recordings"]:
        followed(output, recording["vendor"], recording["task_id"])


@pytest.mark.parametrize(("others", "code", "verdict"), [("complete", 0, "complete"), ("gaps", 3, "gaps")])
def test_an_empty_recording_hides_no_other(others: str, code: int, verdict: str, tmp_path: Path) -> None:
    laid = agora_mixed(slices())
    if others == "gaps":
        del laid.objects[laid.segments[1]]
    laid.objects["empty.m3u8"] = media_playlist().encode()

    run = aftertake("check", laid.write_to(tmp_path), "--json")

    assert (run.code, run.json["verdict"]) == (code, verdict)
    assert {r["verdict"] for r in run.json["recordings"]} == {"empty", verdict}


def test_a_waiting_recording_hides_no_verdict_of_another(tmp_path: Path) -> None:
    laid = agora_mixed(slices())
    laid.objects["open.m3u8"] = media_playlist("a.ts", end=False).encode()

    run = aftertake("process", laid.write_to(tmp_path / "in"), "--output", tmp_path / "out", "--json")

    assert (run.code, run.json["verdict"], run.json["state"]) == (7, None, "waiting")
    assert [r["verdict"] for r in run.json["recordings"]] == ["complete", None]
    followed(tmp_path / "out", "agora", AGORA_SID)


def test_a_playlist_of_playlists_is_no_recording(tmp_path: Path) -> None:
    laid = plain(slices())
    laid.objects["master.m3u8"] = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvod/lecture.m3u8\n"

    run = aftertake("check", laid.write_to(tmp_path), "--json")

    (recording,) = run.json["recordings"]
    assert run.code == 0
    assert recording["task_id"].endswith("/vod/lecture")


def test_individual_recordings_have_an_output_for_each_user(tmp_path: Path) -> None:
    audio, video = cut(flash_and_beep(4, video=False), 2), cut(flash_and_beep(4, audio=False), 2)
    laid = agora_individual(audio=audio, video=video, uid="11") | agora_individual(audio=audio, uid="22")

    run = aftertake("process", laid.write_to(tmp_path / "in"), "--output", tmp_path / "out", "--json")

    assert run.code == 0
    manifest = followed(tmp_path / "out", "agora", AGORA_SID)
    assert [(s.stream, s.user, len(s.outputs)) for s in manifest.streams] == [
        ("11", "11", 1),
        ("22", "22", 1),
    ]
    assert [tuple(t.type for t in s.tracks) for s in manifest.streams] == [("video", "audio"), ("audio",)]


def test_whole_files_without_slices_are_never_called_empty(tmp_path: Path) -> None:
    write(tmp_path / "in", **{f"{AGORA_SID}_room_0_mp4": b"not looked at"})
    (tmp_path / "in" / f"{AGORA_SID}.room.0.mp4").rename(tmp_path / "in" / f"{AGORA_SID}_room_0.mp4")

    run = aftertake("check", aged(tmp_path / "in"), "--json")

    assert (run.code, run.json["verdict"]) == (3, "missing")
    assert codes(run.json["recordings"][0]) == {"segment_unsupported"}


def test_show(tmp_path: Path) -> None:
    output = tmp_path / "out"
    aftertake("process", agora_mixed(slices()).write_to(tmp_path / "in"), "--output", output)

    for task in (AGORA_SID, f"agora:{AGORA_SID}"):
        run = aftertake("show", task, "--output", output)
        assert (run.code, run.err) == (0, "")
        assert f"agora {AGORA_SID}: complete" in run.out
    for task, folder in ((AGORA_SID[:-1], output), (f"zego:{AGORA_SID}", output), (AGORA_SID, tmp_path / "none")):
        run = aftertake("show", task, "--output", folder)
        assert (run.code, run.out) == (4, "")
        assert "Check the task id" in run.err


def test_long_names_are_found_again(tmp_path: Path) -> None:
    source = plain(slices(), name="lecture-" + "ü" * 100).write_to(tmp_path / "in")

    (recording,) = aftertake("process", source, "--output", tmp_path / "out", "--json").json["recordings"]
    for task in (recording["task_id"], f"plain:{recording['task_id']}"):
        assert aftertake("show", task, "--output", tmp_path / "out").code == 0


def test_the_program_answers_with_the_same_codes(tmp_path: Path) -> None:
    source = agora_mixed(slices()).write_to(tmp_path / "in")

    good, bad, wrong = program("check", source, "--json"), program("check", tmp_path / "none"), program("check")

    assert (good.code, good.json["verdict"], good.err) == (0, "complete", "")
    assert (bad.code, bad.out, bad.err.count("\n")) == (4, "", 1)
    assert wrong.code == 2


def test_an_interrupt_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    source, output = agora_mixed(slices()).write_to(tmp_path / "in"), tmp_path / "out"
    slow = (
        "import sys, time, flows.steps.assembling as a\n"
        "def wait(upload, head, **_): print('now', file=sys.stderr, flush=True); time.sleep(60)\n"
        "a.StreamingUpload.complete = wait\n"
        "from cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", slow, "process", str(source), "--output", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8") as process:  # noqa: S603
        assert process.stderr is not None
        assert process.stderr.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(timeout=10) == 130, said

    assert "run the same command again" in said
    assert "Traceback" not in said
    assert (contents(output), unfinished(output)) == ({}, [])


def test_a_worse_run_says_that_the_published_one_stays(tmp_path: Path) -> None:
    source, output = agora_mixed(slices(8)).write_to(tmp_path / "in"), tmp_path / "out"
    (good,) = aftertake("process", source, "--output", output, "--json").json["recordings"]
    shorter = agora_mixed(slices(8)[:4])
    for path in source.rglob("*.ts"):
        path.unlink()
    shorter.write_to(source)

    run = aftertake("process", source, "--output", output, "--json")

    (kept,) = run.json["recordings"]
    assert (run.code, run.json["verdict"]) == (3, "complete")
    assert "becomes shorter" in kept["kept"]
    assert (kept["manifest"], kept["revision"], kept["outputs"]) == (good["manifest"], 1, good["outputs"])
    told = aftertake("process", source, "--output", output)
    assert "the published revision stays, because this run is worse" in told.out
    assert told.code == 3


def test_a_late_slice_of_one_user_rebuilds_that_users_output_only(tmp_path: Path) -> None:
    sound = cut(flash_and_beep(8, video=False), 2)
    late = agora_individual(audio=sound, uid="22")
    source, output = (agora_individual(audio=sound, uid="11") | late).write_to(tmp_path / "in"), tmp_path / "out"
    (source / late.segments[2]).unlink()
    command = ("process", source, "--output", output, "--json")

    first = aftertake(*command)
    late.write_to(source)
    second = aftertake(*command)

    assert (first.code, second.code) == (3, 0)
    before, after = (run.json["recordings"][0]["outputs"] for run in (first, second))
    assert before[0] == after[0]
    assert before[1]["key"] != after[1]["key"]


def test_a_change_of_parameters_makes_a_second_part(tmp_path: Path) -> None:
    wide, narrow = (cut(flash_and_beep(4, sample_rate=rate), 2) for rate in (48_000, 44_100))
    laid = agora_mixed([*wide, *(piece.moved(10) for piece in narrow)])

    run = aftertake("process", laid.write_to(tmp_path / "in"), "--output", tmp_path / "out", "--json")

    (recording,) = run.json["recordings"]
    first, second = (output["key"] for output in recording["outputs"])
    assert second == first.replace(".mp4", ".p02.mp4")
    assert len(followed(tmp_path / "out", "agora", AGORA_SID).streams[0].outputs) == 2


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    output = tmp_path / "out"
    source = agora_mixed(slices()).write_to(tmp_path / "in")
    key = aftertake("process", source, "--output", output, "--json").json["recordings"][0]["manifest"]
    (output / key).write_bytes(b"[]")

    for run in (aftertake("show", AGORA_SID, "--output", output), aftertake("process", source, "--output", output)):
        assert (run.code, run.out) == (6, "")
        assert "Move it away" in run.err


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    source = agora_mixed(slices()).write_to(tmp_path / "in")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [
            sys.executable,
            "-c",
            "import sys; from cli.main import main; sys.exit(main())",
            "check",
            str(source),
        ]
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, check=False, stdout=writing, stderr=subprocess.PIPE, timeout=60
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, b"")


STORAGE_CODES = {
    errors.NotFound: Exit.NOT_FOUND,
    errors.Denied: Exit.REFUSED,
    errors.AlreadyExists: Exit.REFUSED,
    errors.Changed: Exit.TRY_AGAIN,
    errors.BadRange: Exit.UNEXPECTED,
    errors.Corrupt: Exit.TRY_AGAIN,
    errors.Archived: Exit.TRY_AGAIN,
    errors.NoSpace: Exit.TRY_AGAIN,
    errors.Transient: Exit.TRY_AGAIN,
    errors.InvalidKey: Exit.USAGE,
    errors.Unsupported: Exit.USAGE,
}


def test_every_error_of_a_store_has_an_exit_code() -> None:
    assert set(STORAGE_CODES) == set(errors.StorageError.__subclasses__())
    for kind, code in STORAGE_CODES.items():
        arguments = (Proof.LENGTH,) if kind is errors.Corrupt else ()
        assert exit_of_error(kind("open", "key", "detail", *arguments)) is code


def test_one_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    agora_mixed(slices()).write_to(source)
    zego_mixed(slices()).write_to(source)
    assert aftertake("process", source, "--output", output).code == Exit.OK
    (manifest,) = (path for path in (output / "manifests" / "zego").rglob("*.json") if path.name != "latest.json")
    manifest.write_bytes(b"garbage")
    run = aftertake("process", source, "--output", output, "--json")
    answer = run.json
    assert run.code == Exit.REFUSED
    assert (answer["state"], answer["verdict"]) == ("failed", None)
    assert {r["vendor"]: (r["state"], r["verdict"]) for r in answer["recordings"]} == {
        "agora": ("settled", "complete"),
        "zego": ("failed", None),
    }
