"""What a vendor keeps in its own store is fetched, whatever that store does, and from nowhere else."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.events import Kept, NamedFile, Vouched, Word
from catalog.layout import BackupKey
from catalog.model import RecordingId, State, Verdict
from catalog.records import Heed
from flows.steps.rescuing import Rescue, UnknownHostError, fetch, may_be_rescued, rescued
from storage.base import AS_BYTES, ObjectMeta, Served
from storage.checksums import Buffer
from storage.connection import Connection
from storage.errors import Corrupt, Denied, NoSpace, StorageError, Transient
from storage.keys import ObjectKey, output_key
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.retry import Retry
from tests.flows.folders import contents, media_playlist
from tests.flows.receiver import Answering, Handler, Receiver
from tests.flows.site import Site, recording_id, sid
from tests.vendors.api_server import cut, hang_up, plain
from vendors.recorder import Status, as_event

RECORDING = RecordingId(vendor="zego", task_id="Zk3-QeE4Iq2AAAAB")
QUICK = Retry(attempts=3, sleep=lambda _: None)
SLICE = b"\x47" * 188 * 3


class Backup(Receiver):
    """A vendor's own store: objects by path, or what it does in place of one."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: dict[str, bytes | Answering] = {}
        self.answers_by(self._give)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.host}"

    @property
    def asked(self) -> list[str]:
        return sorted(request.path for request in self.received)

    def _give(self, handler: Handler) -> None:
        held = self.holds.get(handler.path, lambda h: h.answer(404))
        (plain(held) if isinstance(held, bytes) else held)(handler)


@pytest.fixture
def backup() -> Iterator[Backup]:
    with Backup() as backup:
        yield backup


def kept(url: str, name: str = "", size_bytes: int | None = None) -> NamedFile:
    return NamedFile(name=name or url.rpartition("/")[2], kept=Kept.BACKUP, url=url, size_bytes=size_bytes)


def wanted(backup: Backup, *files: NamedFile, **fields: Any) -> Rescue:  # noqa: ANN401 - of any field
    given = {"recording": RECORDING, "files": files, "hosts": (backup.host,), "check": lambda _: None}
    return Rescue(**{**given, **fields})


def fetched(rescue: Rescue, output: MemoryStore | None = None) -> dict[str, bytes]:
    """What is there of the recording afterwards."""
    output = output or MemoryStore("output")
    fetch(rescue, output, connection=Connection(read_s=1), retry=QUICK)
    return there(output)


def there(output: MemoryStore) -> dict[str, bytes]:
    return {key: content(output, meta.key) for key, meta in rescued(output, RECORDING, "").items()}


def content(output: MemoryStore, key: str) -> bytes:
    with output.open(key) as opened:
        return opened.read(1 << 20)


def status(code: int, **headers: str) -> Answering:
    return lambda handler: handler.answer(code, **headers)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> Answering:
    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end)
        handler.close_connection = True

    return answer


def unmeasured(handler: Handler) -> None:
    """A body that ends where the connection does."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(SLICE)


def test_a_playlist_and_what_it_names(backup: Backup) -> None:
    backup.holds = {"/z/a.m3u8": media_playlist("a_0.ts", "a_1.ts").encode(), "/z/a_0.ts": SLICE, "/z/a_1.ts": SLICE}
    output = MemoryStore("output")
    rescue = wanted(backup, kept(f"{backup.base}/z/a.m3u8"))
    assert fetched(rescue, output).keys() == {"a.m3u8", "a_0.ts", "a_1.ts"}
    assert len(backup.asked) == 3
    assert fetched(rescue, output).keys() == {"a.m3u8", "a_0.ts", "a_1.ts"}
    assert len(backup.asked) == 3


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (cut, Transient, "broke after"),
        (chunked(SLICE, end=b""), Transient, "broke after"),
        (hang_up, Transient, "does not answer"),
        (unmeasured, Transient, "how long it is"),
        (plain(SLICE, 200, Content_Encoding="gzip"), Transient, "encoded"),
        (status(500), Transient, "answered 500"),
        (status(503), Transient, "answered 503"),
        (status(429), Transient, "answered 429"),
        (status(401), Denied, "answered 401"),
        (status(403), Denied, "answered 403"),
        (status(302, Location="/z/b.ts"), Denied, "answered 302"),
        (status(206), Denied, "answered 206"),
    ],
)
def test_what_cannot_be_fetched_leaves_nothing_behind(
    backup: Backup, answer: Answering, error: type[StorageError], says: str
) -> None:
    backup.holds = {"/z/a.ts": answer, "/z/b.ts": SLICE}
    output = MemoryStore("output")
    files = [kept(f"{backup.base}/z/{name}.ts") for name in "ab"]
    with pytest.raises(error, match=says):
        fetched(wanted(backup, *files), output)
    assert there(output) == {"b.ts": SLICE}
    assert list(output.list_uploads()) == []
    assert backup.asked.count("/z/a.ts") == (QUICK.attempts if error is Transient else 1)
    assert fetched(wanted(backup, *files, is_last=True), output) == {"b.ts": SLICE}


@pytest.mark.parametrize("size_bytes", [len(SLICE) - 1, len(SLICE) + 1, 0, 1 << 50])
def test_another_size_than_the_vendor_said(backup: Backup, size_bytes: int) -> None:
    backup.holds = {"/z/a.mp4": SLICE}
    output = MemoryStore("output")
    with pytest.raises(Corrupt, match="the vendor said"):
        fetched(wanted(backup, kept(f"{backup.base}/z/a.mp4", size_bytes=size_bytes)), output)
    assert there(output) == {}


def test_sizes_make_up_for_lengths_and_do_not_count_for_playlists(backup: Backup) -> None:
    text = media_playlist("a_0.ts").encode()
    backup.holds = {"/a.mp4": unmeasured, "/b.mp4": chunked(SLICE), "/a.m3u8": text, "/a_0.ts": SLICE}
    sizes = {"a.mp4": len(SLICE), "b.mp4": len(SLICE), "a.m3u8": 99_999}
    files = [kept(f"{backup.base}/{name}", size_bytes=size) for name, size in sizes.items()]
    found = fetched(wanted(backup, *files))
    assert found == {"a.mp4": SLICE, "b.mp4": SLICE, "a.m3u8": text, "a_0.ts": SLICE}


@pytest.mark.parametrize("code", [404, 410])
def test_what_is_gone_is_left_to_the_verdict(backup: Backup, code: int) -> None:
    backup.holds = {"/a.ts": status(code), "/b.ts": SLICE}
    files = [kept(f"{backup.base}/{name}.ts") for name in "ab"]
    assert fetched(wanted(backup, *files)) == {"b.ts": SLICE}


def test_an_error_page_never_stands_in_place_of_a_playlist(backup: Backup) -> None:
    backup.holds = {"/a.m3u8": b"<html>come again</html>"}
    output, rescue = MemoryStore("output"), wanted(backup, kept(f"{backup.base}/a.m3u8"))
    with pytest.raises(Transient, match="no playlist"):
        fetched(rescue, output)
    assert there(output) == {}
    backup.holds = {"/a.m3u8": media_playlist("a_0.ts").encode(), "/a_0.ts": SLICE}
    assert fetched(rescue, output).keys() == {"a.m3u8", "a_0.ts"}


def test_a_playlist_without_end_is_not_read_to_its_end(backup: Backup) -> None:
    backup.holds = {"/a.m3u8": cut, "/b.m3u8": b"#" * 6_000_000}
    for name, error in (("a", Transient), ("b", Denied)):
        with pytest.raises(error):
            fetched(wanted(backup, kept(f"{backup.base}/{name}.m3u8")))


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}/a.ts",
        "https://backup.example/a.ts",
        "https://backup.example.evil.test/a.ts",
        "https://evil.test\\.known.example/a.ts",
        "https://known.example@evil.test/a.ts",
        "https://user:word@one.known.example/a.ts",
        "https://evil.test/.known.example",
        "https://evil.test#.known.example/a.ts",
        "http://one.known.example/a.ts",
        "ftp://one.known.example/a.ts",
        "https://known.example/a.ts",
        "https://one.known.example:8443/a.ts",
        "https://one.known.example:99999/a.ts",
        "https://[::1/a.ts",
        "file:///etc/passwd",
        "//one.known.example/a.ts",
        "a.ts",
    ],
)
def test_only_hosts_that_the_settings_name_are_asked(
    backup: Backup, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`{host}` is one that would answer."""
    backup.holds = {"/a.ts": SLICE}
    caplog.set_level(logging.DEBUG, "urllib3")
    files = [kept(url.format(host=backup.host), name="a.ts")]
    with pytest.raises(UnknownHostError, match="backup_hosts") as caught:
        fetched(wanted(backup, *files, hosts=("*.known.example", "backup.other")))
    assert "word" not in str(caught.value)
    assert "Starting new" not in caplog.text
    assert fetched(wanted(backup, *files, hosts=(), is_last=True)) == {}
    assert backup.asked == []


def test_a_redirect_leads_nowhere(backup: Backup) -> None:
    with Backup() as other:
        other.holds = {"/a.ts": SLICE}
        backup.holds = {"/a.ts": status(307, Location=f"{other.base}/a.ts")}
        with pytest.raises(Denied):
            fetched(wanted(backup, kept(f"{backup.base}/a.ts"), hosts=(backup.host, other.host)))
        assert other.asked == []


@pytest.mark.parametrize(
    "uri",
    [
        "../other/b.ts",
        "/other/b.ts",
        "{base}/other/b.ts",
        "file:///etc/passwd",
        "data:,b.ts",
        "sub/..%2f..%2fb.ts",
        "sub/",
        "..",
        "http://[b.ts",
    ],
)
def test_slices_that_are_not_beside_their_playlist_are_not_fetched(backup: Backup, uri: str) -> None:
    text = media_playlist(uri.format(base=backup.base), "a_0.ts").encode()
    backup.holds = {"/z/a.m3u8": text, "/z/a_0.ts": SLICE, "/other/b.ts": SLICE, "/b.ts": SLICE}
    assert fetched(wanted(backup, kept(f"{backup.base}/z/a.m3u8"))).keys() == {"a.m3u8", "a_0.ts"}
    assert backup.asked == ["/z/a.m3u8", "/z/a_0.ts"]


def test_slices_on_a_host_that_nobody_named(backup: Backup) -> None:
    backup.holds = {"/a.m3u8": media_playlist("https://evil.test/b.ts", "a_0.ts").encode(), "/a_0.ts": SLICE}
    output = MemoryStore("output")
    with pytest.raises(UnknownHostError, match=r"evil\.test"):
        fetched(wanted(backup, kept(f"{backup.base}/a.m3u8")), output)
    assert there(output).keys() == {"a.m3u8", "a_0.ts"}


ODD = ["ü b.ts", "教室" * 20 + "_0.ts", "a+b~c.ts", "x" * 200 + ".ts", "a:b.ts"]


def test_names_are_kept_as_they_are(backup: Backup) -> None:
    """Long ones are cut in keys of ours, and found again by what names them."""
    seen: list[str] = []

    def give(handler: Handler) -> None:
        seen.append(handler.path)
        plain(media_playlist(*(f"./{name}" for name in ODD)).encode() if ".m3u8" in handler.path else SLICE)(handler)

    backup.answers_by(give)
    output, name = MemoryStore("output"), "教室" * 15 + ".m3u8"
    rescue = wanted(backup, kept(f"{backup.base}/z/{name}?a=b", name=name))
    for _ in range(2):
        fetch(rescue, output, retry=QUICK)
        assert rescued(output, RECORDING, "calls/", rescue.files).keys() == {f"calls/{each}" for each in (*ODD, name)}
    assert len(seen) == len(ODD) + 1


@pytest.mark.parametrize("name", ["z/", "..", "z/.", "a\nb.ts", "a\x00.ts", "\ud800.ts"])
def test_a_file_with_a_name_that_no_object_has(backup: Backup, name: str) -> None:
    backup.holds = {"/a.ts": SLICE}
    assert fetched(wanted(backup, kept(f"{backup.base}/a.ts", name=name))) == {}


def test_a_name_that_stands_twice_is_fetched_once(backup: Backup) -> None:
    backup.holds = {"/a.m3u8": media_playlist("s.ts", "s.ts").encode(), "/s.ts": SLICE}
    fetched(wanted(backup, *[kept(f"{backup.base}/a.m3u8")] * 3))
    assert backup.asked == ["/a.m3u8", "/s.ts"]


def test_other_things_below_backup_are_no_matter(backup: Backup) -> None:
    backup.holds = {"/a.ts": SLICE}
    output = MemoryStore("output")
    for key in ("a~b", "x/y.ts"):
        output.put(output_key(f"backup/zego/{RECORDING.task_id}/{key}"), b"a person's")
    assert fetched(wanted(backup, kept(f"{backup.base}/a.ts")), output) == {"a.ts": SLICE}


def test_a_store_that_is_down_is_not_asked_for_everything(backup: Backup) -> None:
    backup.answers_by(status(503))
    with pytest.raises(Transient):
        fetched(wanted(backup, *(kept(f"{backup.base}/{number}.ts") for number in range(100))))
    assert len(backup.received) <= (8 + 4) * QUICK.attempts


class FullStore(MemoryStore):
    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> ObjectMeta:
        del data, create_only, served
        raise NoSpace("put", key, "it is full")


def test_an_output_that_is_full_is_no_loss_of_the_vendors(backup: Backup) -> None:
    backup.holds = {"/a.ts": SLICE}
    with pytest.raises(NoSpace):
        fetched(wanted(backup, kept(f"{backup.base}/a.ts"), is_last=True), FullStore("output"))


def test_whoever_loses_the_claim_stops(backup: Backup) -> None:
    backup.holds = {f"/{number}.ts": SLICE for number in range(50)}

    def check(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fetched(wanted(backup, *(kept(f"{backup.base}/{n}.ts") for n in range(50)), check=check, is_last=True))
    assert len(backup.received) < 50


@pytest.mark.parametrize(
    ("where", "is_so"), [(Kept.BACKUP, True), (Kept.LOST, True), (Kept.COMING, True), (Kept.STORED, False)]
)
def test_what_was_fetched_counts_also_after_the_vendor_lost_it(where: Kept, *, is_so: bool) -> None:
    assert may_be_rescued(Vouched(files=(NamedFile(name="a", kept=where),))) is is_so


NUMBER = 1
MISSING = 2


@pytest.fixture
def site(tmp_path: Path, backup: Backup) -> Site:
    """A recording whose vendor keeps one slice and the playlist, and says so."""
    site = Site(tmp_path)
    site.has_policies(backup_hosts=(backup.host,))
    laid = site.lay(NUMBER)
    (playlist,), slice_ = laid.playlists, laid.segments[MISSING]
    backup.holds = {f"/k/{key}": laid.objects[key] for key in (playlist, slice_)}
    for key in (playlist, slice_):
        (site.source / key).rename(site.root / key)
    says(site, kept(f"{backup.base}/k/{playlist}"))
    return site


def says(site: Site, *files: NamedFile) -> None:
    """The vendor's answer, which is heard as `Asker` does."""
    recording = recording_id(NUMBER)
    handle: dict[str, Any] = {"room": "r", "host": None, "details": {}}
    if site.catalog.inquiries.of(recording) is None:
        site.catalog.inquiries.begin(
            recording, source="calls", folder="", room="r", handle=handle, ask_in=None, actor="test"
        )
    inquiry = site.catalog.inquiries.of(recording)
    assert inquiry is not None
    word = Word.UPLOADED if all(file.kept is Kept.STORED for file in files) else Word.BACKED_UP
    event = as_event("status", recording, Status(word=word, files=files))
    heed = Heed(ask_in=None)
    site.catalog.inquiries.answered(inquiry, event, heed, began_at=None, gone_since=None, actor="test")


def processed(site: Site) -> tuple[State, Verdict | None]:
    site.time_passes()
    site.process(NUMBER)
    found = site.recording(NUMBER)
    return found.state, found.verdict


def codes(site: Site) -> set[str]:
    return {finding.code for finding in site.manifest(NUMBER).findings}


COMPLETE = (State.SETTLED, Verdict.COMPLETE)


def test_what_was_fetched_is_read_as_if_it_lay_in_the_source(site: Site, backup: Backup) -> None:
    before = contents(site.source)
    assert processed(site) == COMPLETE, site.causes(NUMBER)
    assert "objects_rescued" in codes(site)
    assert contents(site.source) == before
    assert set(backup.holds) <= set(backup.asked)


def test_a_host_that_nobody_named_alarms_and_holds_nothing_up_for_ever(site: Site, backup: Backup) -> None:
    site.has_policies(backup_hosts=("backup.other",))
    assert processed(site) == (State.FAILED, None)
    found = site.recording(NUMBER)
    assert found.alarm
    assert "backup_hosts" in site.causes(NUMBER)[-1]
    site.heard_long_ago(NUMBER)
    state, verdict = processed(site)
    assert state is State.SETTLED, site.causes(NUMBER)
    assert verdict is not Verdict.COMPLETE
    assert backup.asked == []


@pytest.mark.parametrize("code", [403, 500])
def test_a_store_that_never_gives_it_holds_nothing_up_for_ever(site: Site, backup: Backup, code: int) -> None:
    backup.answers_by(status(code))
    assert processed(site) == (State.FAILED, None)
    site.heard_long_ago(NUMBER)
    state, verdict = processed(site)
    assert state is State.SETTLED, site.causes(NUMBER)
    assert verdict is not Verdict.COMPLETE


def test_whoever_will_not_wait_is_not_kept_waiting(site: Site, backup: Backup) -> None:
    backup.answers_by(status(403))
    site.process(NUMBER, site.worker(is_forced=True))
    assert site.recording(NUMBER).state is State.SETTLED, site.causes(NUMBER)


def test_after_three_days_it_is_gone(site: Site, backup: Backup) -> None:
    backup.holds.clear()
    site.heard_long_ago(NUMBER)
    state, verdict = processed(site)
    assert state is State.SETTLED
    assert verdict is not Verdict.COMPLETE


@pytest.mark.parametrize("is_told", [True, False])
def test_the_vendor_uploads_after_all(site: Site, *, is_told: bool) -> None:
    """The source's own objects count, and nothing is told of a rescue that was not needed."""
    assert processed(site) == COMPLETE
    for path in site.root.glob("*.[mt]*"):
        if path.suffix in {".m3u8", ".ts"}:
            shutil.move(path, site.source / path.name)
    [playlist] = [path.name for path in site.source.glob("*.m3u8")]
    if is_told:
        says(site, NamedFile(name=playlist, kept=Kept.STORED))
    assert processed(site) == COMPLETE, site.causes(NUMBER)
    assert (site.manifest(NUMBER).revision, codes(site)) == (2, set())


def test_what_the_vendor_lost_later_is_there_still(site: Site, backup: Backup) -> None:
    assert processed(site) == COMPLETE
    backup.holds.clear()
    [playlist] = [path.name for path in site.root.glob("*.m3u8")]
    says(site, NamedFile(name=playlist, kept=Kept.LOST))
    assert processed(site) == COMPLETE, site.causes(NUMBER)
    assert site.manifest(NUMBER).revision == 1


def test_nothing_is_fetched_twice_over_many_looks(site: Site, backup: Backup) -> None:
    slice_ = next(path for path in backup.holds if path.endswith(".ts"))
    held, backup.holds[slice_] = backup.holds[slice_], status(500)
    for _ in range(2):
        assert processed(site) == (State.FAILED, None)
    backup.holds[slice_] = held
    assert processed(site) == COMPLETE, site.causes(NUMBER)
    assert sum(path.endswith(".m3u8") for path in backup.asked) == 1


def test_what_a_worker_that_died_had_begun_to_fetch_is_cleared(site: Site) -> None:
    """Nothing half-written is ever seen, or left."""
    output = LocalStore(site.output)
    key = output_key(BackupKey(vendor="agora", task_id=sid(NUMBER), name="a.ts").key)
    output.start_multipart(key).put_part(1, SLICE)
    site.days_pass()
    site.dies_over(NUMBER)
    site.overseer().reconcile()
    assert list(output.list_uploads())
    assert processed(site) == COMPLETE, site.causes(NUMBER)
    assert list(output.list_uploads()) == []
