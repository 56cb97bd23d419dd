"""Folders that nobody should have to process: each gets an answer, an exit code and no harm done."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.running import Run, aftertake, codes, program
from tests.clouds import ENVIRONMENT
from tests.flows.folders import aged, contents, media_playlist, slices, write
from tests.lab import plain
from tests.lab.damages import ERROR_PAGE

Make = Callable[[Path], Path]
ENTRY = "#EXTINF:1,\na\n"


def both(source: Path, output: Path) -> Iterator[Run]:
    """The answers of `check` and `process`, as JSON."""
    yield aftertake("check", source, "--json")
    yield aftertake("process", source, "--output", output, "--json")


def one_sentence(run: Run) -> str:
    """All of stderr, which is one line for people."""
    assert run.err.startswith("aftertake: ")
    assert run.err.count("\n") == 1
    assert "Traceback" not in run.err
    return run.err


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path / "nowhere", "no such folder"),
        (lambda path: write(path / "empty"), "there is nothing"),
        (lambda path: write(path / "notes", readme_txt="hello"), "none of which is a playlist"),
        (lambda path: write(path, list_m3u8="#EXTM3U\n") / "list.m3u8", "name the folder, not the playlist"),
        (
            lambda path: write(path / "v", master_m3u8="#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n"),
            "only names other playlists",
        ),
    ],
)
def test_where_there_is_no_recording(make: Make, says: str, tmp_path: Path) -> None:
    source, output = make(tmp_path), tmp_path / "out"

    for run in both(source, output):
        assert run.code == 4
        assert says in one_sentence(run)
        assert run.out == ""
    assert not output.exists()


PLAYLISTS: dict[str, tuple[str | bytes, int, str, set[str]]] = {
    "no bytes": (b"", 3, "unreadable", {"playlist_unreadable"}),
    "an error page": (ERROR_PAGE, 3, "unreadable", {"playlist_unreadable"}),
    "a header": (media_playlist(end=False), 3, "missing", {"playlist_empty"}),
    "a header and an end": (media_playlist(), 0, "empty", set()),
    "itself": (media_playlist("list.m3u8"), 3, "missing", {"uri_self"}),
    "another playlist": (media_playlist("other.m3u8"), 3, "missing", {"uri_self"}),
    "a long line": (b"#EXTM3U\n#" + b"x" * 10_000_000, 3, "unreadable", {"playlist_unreadable"}),
    "a long line in a short file": (b"#EXTM3U\n" + b"x" * 4_900_000, 3, "unreadable", {"playlist_unreadable"}),
    "a million entries": ("#EXTM3U\n" + ENTRY * 1_000_000, 3, "unreadable", {"playlist_unreadable"}),
    "too many entries in a small file": ("#EXTM3U\n" + ENTRY * 200_000, 3, "unreadable", {"playlist_unreadable"}),
    "a cut last entry": (media_playlist(end=False) + "#EXTINF:2,\n", 3, "missing", {"playlist_dangling"}),
    "other text": ("hello\n", 3, "unreadable", {"playlist_unreadable"}),
    "a binary file": (bytes(range(256)) * 20, 3, "unreadable", {"playlist_unreadable"}),
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_that_holds_only(name: str, tmp_path: Path) -> None:
    body, code, verdict, found = PLAYLISTS[name]
    source, output = aged(write(tmp_path / "in", list_m3u8=body)), tmp_path / "out"
    began = time.monotonic()

    for run in both(source, output):
        assert (run.code, run.json["verdict"]) == (code, verdict)
        assert found <= codes(run.json["recordings"][0])
        assert run.err == ""
    assert time.monotonic() - began < 10
    assert not any(key.startswith("media/") for key in contents(output))


CLOSED = {"a header and an end", "itself", "another playlist"}


@pytest.mark.parametrize("name", sorted(PLAYLISTS.keys() - CLOSED))
def test_a_fresh_one_may_still_be_written(name: str, tmp_path: Path) -> None:
    source, output = write(tmp_path / "in", list_m3u8=PLAYLISTS[name][0]), tmp_path / "out"

    for run in both(source, output):
        assert (run.code, run.json["verdict"], run.json["state"]) == (7, None, "waiting")
        assert "Try again in" in one_sentence(run)
    assert not output.exists()


class Canary(ThreadingHTTPServer):
    """Answers every request with a sound slice, and counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CanaryHandler)
        self.requests = 0


class CanaryHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Canary)
        self.server.requests += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(slices()[1].data)


@pytest.fixture
def canary() -> Iterator[Canary]:
    server = Canary()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def unread(path: Path) -> float:
    """The access time of a file after it was set so far back that any reading moves it."""
    status = path.stat()
    os.utime(path, (status.st_mtime - 2 * 86_400, status.st_mtime))
    return path.stat().st_atime


OUTSIDE = [
    "{path}",
    "../secret.ts",
    "..%2Fsecret.ts",
    "./../in/../secret.ts",
    "..\\secret.ts",
    "file://{path}",
    "FILE:{path}",
    "concat:slice0.ts|{path}",
    "concat:http://127.0.0.1:{port}/x.ts|slice0.ts",
    "crypto:{path}",
    "data:video/mp2t;base64,R0AAEA==",
    "folder.ts/",
]
# Read as names of objects, as the URLs of vendors' buckets must be.
ABSENT = [
    "http://127.0.0.1:{port}/other/secret.ts",
    "//127.0.0.1:{port}/other/secret.ts",
    "http://user:word@127.0.0.1:{port}/other/secret.ts",
    "subfile,,start,0,end,9,,:{path}",
    "link.ts",
]


@pytest.mark.parametrize("uri", OUTSIDE + ABSENT)
def test_nothing_outside_is_read_and_nobody_is_called(uri: str, tmp_path: Path, canary: Canary) -> None:
    code = "segment_missing" if uri in ABSENT else "uri_outside"
    secret = tmp_path / "secret.ts"
    secret.write_bytes(slices()[1].data)
    uri = uri.format(path=secret, port=canary.server_port)
    first = slices()[0].data
    playlist = media_playlist("slice0.ts", uri)
    source = write(tmp_path / "in", list_m3u8=playlist, slice0_ts=first)
    (source / "link.ts").symlink_to(secret)
    output, before = tmp_path / "out", unread(secret)

    for run in both(source, output):
        recording = run.json["recordings"][0]
        assert (run.code, run.json["verdict"]) == (3, "gaps")
        assert codes(recording) == {code}
        assert recording["streams"][0]["segments"]["size_bytes"] == len(first)
    assert secret.stat().st_atime == before
    assert canary.requests == 0


def test_another_recording_of_the_same_bucket_is_outside_too(tmp_path: Path) -> None:
    first, second = slices()[:2]
    write(tmp_path / "in" / "a", list_m3u8=media_playlist("slice0.ts", "../b/slice1.ts"), slice0_ts=first.data)
    write(tmp_path / "in" / "b", list_m3u8=media_playlist("slice1.ts"), slice1_ts=second.data)

    run = aftertake("check", tmp_path / "in", "--json")

    assert run.code == 3
    assert [(r["verdict"], codes(r)) for r in run.json["recordings"]] == [
        ("gaps", {"uri_outside"}),
        ("complete", set()),
    ]


def test_keys_and_init_sections_are_not_fetched_either(tmp_path: Path, canary: Canary) -> None:
    address = f"http://127.0.0.1:{canary.server_port}/k"
    head, _, rest = media_playlist("slice0.ts").partition("#EXTINF")
    for line in (f'#EXT-X-KEY:METHOD=AES-128,URI="{address}"', f'#EXT-X-MAP:URI="{address}"'):
        source = write(tmp_path / "in", list_m3u8=f"{head}{line}\n#EXTINF{rest}", slice0_ts=slices()[0].data)
        for run in both(source, tmp_path / "out"):
            assert (run.code, run.json["verdict"]) == (3, "missing")
    assert canary.requests == 0


def test_the_canary_can_sing(tmp_path: Path) -> None:
    """Were the access time not kept here, the test above could not fail."""
    path = tmp_path / "secret.ts"
    path.write_bytes(b"x")
    before = unread(path)
    path.read_bytes()
    if path.stat().st_atime == before:
        pytest.skip("this file system keeps no access times")


def test_an_error_page_in_place_of_a_slice(tmp_path: Path) -> None:
    laid = plain(slices())
    laid.objects[laid.segments[2]] = ERROR_PAGE
    laid.write_to(tmp_path / "in")

    for run in both(tmp_path / "in", tmp_path / "out"):
        recording = run.json["recordings"][0]
        assert (run.code, run.json["verdict"]) == (3, "gaps")
        assert [f["key"] for f in recording["findings"] if f["code"] == "segment_not_media"] == [laid.segments[2]]
        assert [gap["cause"] for gap in recording["gaps"]] == ["not_media"]


@pytest.mark.parametrize("inside", ["in", "in/out", "in/../in/deeper/out", "link"])
def test_the_output_must_not_lie_in_the_source(inside: str, tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "in")
    (tmp_path / "link").symlink_to(source)
    before = contents(source)

    run = aftertake("process", source, "--output", tmp_path / inside)

    assert run.code == 2
    assert "Choose an output with another prefix" in one_sentence(run)
    assert contents(source) == before


@pytest.mark.parametrize("top", ["media", "segments", "manifests", "index"])
def test_the_source_must_not_lie_where_outputs_go(top: str, tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "out" / top)
    before = contents(tmp_path)

    assert aftertake("process", source, "--output", tmp_path / "out").code == 2
    assert contents(tmp_path) == before


def test_the_source_may_lie_beside_them(tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "recordings")

    assert aftertake("process", source, "--output", tmp_path).code == 0
    assert contents(source).keys() == plain(slices()).objects.keys()


def test_the_source_is_never_written(tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "in")
    before = sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*"))

    assert aftertake("process", source, "--output", tmp_path / "out").code == 0
    assert sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*")) == before


def test_names_reach_no_terminal_raw(tmp_path: Path) -> None:
    laid = plain(slices())
    laid.objects["vod/\x1b[2Jlecture.m3u8"] = laid.objects.pop(laid.playlists[0])
    laid.objects["vod/\x1b]0;owned\x07.ts"] = b"x"
    laid.write_to(tmp_path / "in")

    run = aftertake("process", tmp_path / "in", "--output", tmp_path / "out")

    assert run.code == 0
    assert "\x1b" not in run.out + run.err
    assert "\\x1b[2Jlecture" in run.out


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "in")
    os.close(os.open(os.fsencode(source / "vod") + b"/lecture\xff.ts", os.O_CREAT | os.O_WRONLY))

    for run in (program("check", source), program("check", source, "--json")):
        assert run.code == 0
        assert "its name is not UTF-8" in run.err
    assert run.json["verdict"] == "complete"
    assert aftertake("process", source, "--output", tmp_path / "out").code == 0


@pytest.mark.parametrize(
    ("length", "code"),
    [("0@5", "segment_empty"), ("188@999999999999999", "segment_truncated"), ("999999999999999", "segment_truncated")],
)
def test_byte_ranges_that_lead_nowhere(length: str, code: str, tmp_path: Path) -> None:
    first = slices()[0].data
    good = f"#EXTINF:2,\n#EXT-X-BYTERANGE:{len(first)}@0\nall.ts\n"
    bad = f"#EXTINF:2,\n#EXT-X-BYTERANGE:{length}\nall.ts\n"
    source = write(tmp_path / "in", list_m3u8=f"#EXTM3U\n{good}{bad}#EXT-X-ENDLIST\n", all_ts=first)

    for run in both(source, tmp_path / "out"):
        assert (run.code, run.json["verdict"]) == (3, "gaps")
        assert codes(run.json["recordings"][0]) == {code}


def test_slices_that_are_ranges_of_one_object(tmp_path: Path) -> None:
    lines, begin = ["#EXTM3U"], 0
    for piece in slices():
        lines += [f"#EXTINF:{piece.duration_s},", f"#EXT-X-BYTERANGE:{len(piece.data)}@{begin}", "all.ts"]
        begin += len(piece.data)
    whole = b"".join(piece.data for piece in slices())
    source = write(tmp_path / "in", list_m3u8="\n".join([*lines, "#EXT-X-ENDLIST"]), all_ts=whole)

    for run in both(source, tmp_path / "out"):
        assert (run.code, run.json["verdict"]) == (0, "complete")


@pytest.mark.parametrize("url", ["", "\0", "a\0b", "file:///a%00b"])
def test_what_is_no_path(url: str, tmp_path: Path) -> None:
    source = plain(slices()).write_to(tmp_path / "in")

    for run in (aftertake("check", url), aftertake("process", source, "--output", url)):
        assert run.code == 2
        assert "no path and no URL" in one_sentence(run)


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://bucket/?a=b", "oss://bucket/", "file://host/x", "file:///x?y"])
def test_a_url_that_no_store_understands(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    run = aftertake("check", url)

    assert run.code == 2
    assert "Correct the store URL" in one_sentence(run)


@pytest.mark.parametrize("arguments", [(), ("check",), ("process",), ("fly", "x"), ("check", "x", "--fast")])
def test_usage(arguments: tuple[str, ...]) -> None:
    run = aftertake(*arguments)

    assert run.code == 2
    assert run.out == ""
    assert "usage: aftertake" in run.err
