import errno
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.errors import AlreadyExists, Changed, Denied, InvalidKey, NoSpace, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.local import LocalStore
from storage.local_files import ERRORS, append_file, refused

KEY = output_key("room/one.ts")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "bucket")


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_key_is_a_path(store: LocalStore, tmp_path: Path) -> None:
    store.put(KEY, b"abc")
    assert (tmp_path / "bucket/room/one.ts").read_bytes() == b"abc"
    assert files_in(tmp_path) == ["bucket/room/one.ts"]
    assert store.url == (tmp_path / "bucket").as_uri()


def test_a_folder_that_does_not_exist(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"bucket does not exist"):
        store.list("room/")
    with pytest.raises(NotFound):
        store.head(KEY)
    assert list(store.list_uploads()) == []
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_objects(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "bucket/a\nb").mkdir(parents=True)
    (tmp_path / "bucket/a\nb/.hidden").write_bytes(b"abc")
    (tmp_path / "bucket" / os.fsdecode(b"\xff.ts")).write_bytes(b"latin")
    (tmp_path / "bucket/\uffee.ts").write_bytes(b"")
    listed = [meta.key for meta in store.list()]
    assert listed == ["a\nb/.hidden", "\uffee.ts", "\udcff.ts"]
    assert [store.head(key).size_bytes for key in listed] == [3, 0, 5]


def test_the_clock_stamps_versions(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, clock_ns=lambda: 1_700_000_000_123_456_789)
    assert store.put(KEY, b"").last_modified == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


def test_a_narrow_listing_reads_no_other_folders(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a/sid_1/x", "a/other/x", "b/x"):
        store.put(output_key(key), b"")
    read: list[str] = []
    scandir = os.scandir

    def watched(path: str) -> object:
        read.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    assert [meta.key for meta in store.list("a/sid_")] == ["a/sid_1/x"]
    assert read == ["a", "sid_1"]


class TestStayingInside:
    @pytest.mark.parametrize("key", ["../secret", "room/../../secret", "/secret", "", ".", "room/./one.ts", "a\0b"])
    def test_keys_that_lead_out(self, store: LocalStore, tmp_path: Path, key: str) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        store.put(KEY, b"abc")
        for call in (store.head, store.open, store.delete):
            with pytest.raises(InvalidKey):
                call(key)
        assert (tmp_path / "secret").read_bytes() == b"secret"

    @pytest.mark.parametrize("prefix", ["/", "//", "../", "room/../../", "/etc/", "./"])
    def test_prefixes_that_lead_out(self, store: LocalStore, tmp_path: Path, prefix: str) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        store.put(KEY, b"abc")
        assert list(store.list(prefix)) == []

    def test_symbolic_links(self, store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/file").write_bytes(b"secret")
        store.put(KEY, b"abc")
        (tmp_path / "bucket/folder").symlink_to(tmp_path / "secret")
        (tmp_path / "bucket/file").symlink_to(tmp_path / "secret/file")
        with caplog.at_level(logging.WARNING):
            assert [meta.key for meta in store.list()] == [KEY]
        assert caplog.text.count("is left out") == 2
        assert list(store.list("folder/")) == []
        for key in ("file", "folder/file"):
            for call in (store.head, store.open, store.delete):
                with pytest.raises(InvalidKey, match="symbolic link"):
                    call(key)
            with pytest.raises(InvalidKey, match="symbolic link"):
                store.put(output_key(key), b"overwritten")
        assert (tmp_path / "secret/file").read_bytes() == b"secret"

    def test_the_root_may_be_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        store = LocalStore(tmp_path / "link")
        store.put(KEY, b"abc")
        assert [meta.key for meta in store.list("room/")] == [KEY]

    @pytest.mark.parametrize("upload_id", ["", ".", "..", "../../secret", "/etc", "a\0b"])
    def test_upload_ids_that_lead_out(self, store: LocalStore, tmp_path: Path, upload_id: str) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        store.put(KEY, b"abc")
        with pytest.raises(InvalidKey):
            store.abort_upload(KEY, upload_id)
        assert files_in(tmp_path) == ["bucket/room/one.ts", "secret"]

    @pytest.mark.parametrize("key", [".aftertake-uploads", ".aftertake-uploads/x"])
    def test_the_hidden_folder_is_no_key(self, store: LocalStore, key: str) -> None:
        store.start_multipart(KEY).put_part(1, b"abc")
        with pytest.raises(InvalidKey):
            store.put(output_key(key), b"")
        with pytest.raises(InvalidKey):
            store.head(key)
        assert list(store.list()) == list(store.list(".aftertake-uploads/")) == []

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_what_is_no_file_is_no_object(
        self, store: LocalStore, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        store.put(KEY, b"")
        make(tmp_path / "bucket/thing")
        assert [meta.key for meta in store.list()] == [KEY]
        with pytest.raises(NotFound):
            store.open("thing")


class TestChanges:
    def test_a_file_written_into_while_it_is_read(self, store: LocalStore, tmp_path: Path) -> None:
        store.put(KEY, b"a" * 100)
        with store.open(KEY) as opened:
            opened.read(10)
            time.sleep(0.02)  # the kernel's stamps have the resolution of its tick
            (tmp_path / "bucket" / KEY).write_bytes(b"b" * 100)
            with pytest.raises(Changed):
                opened.read(100)

    def test_a_file_cut_while_it_is_read(self, store: LocalStore, tmp_path: Path) -> None:
        store.put(KEY, b"a" * 100)
        with store.open(KEY) as opened:
            os.truncate(tmp_path / "bucket" / KEY, 50)
            with pytest.raises(Changed):
                opened.read(100)

    def test_versions_in_quick_succession_differ(self, store: LocalStore) -> None:
        etags = [store.put(KEY, b"same").etag for _ in range(20)]
        assert len(set(etags)) == 20


class TestNames:
    def test_names_longer_than_the_file_system_allows(self, store: LocalStore) -> None:
        key = output_key("n" * 300)
        calls: list[Callable[[], object]] = [lambda: store.put(key, b""), lambda: store.head(key)]
        for call in calls:
            with pytest.raises(InvalidKey, match="longer than the file system allows"):
                call()
        assert list(store.list_uploads()) == []

    def test_a_file_where_a_folder_must_be(self, store: LocalStore) -> None:
        store.put(output_key("a"), b"1")
        with pytest.raises(InvalidKey, match="cannot hold both"):
            store.put(output_key("a/b/c"), b"2")

    @pytest.mark.parametrize("create_only", [False, True])
    def test_a_folder_where_a_file_must_be(self, store: LocalStore, create_only: bool) -> None:
        store.put(output_key("a/b"), b"1")
        with pytest.raises(InvalidKey, match="cannot hold both"):
            store.put(output_key("a"), b"2", create_only=create_only)


class TestErrors:
    @pytest.mark.parametrize("number", ERRORS)
    def test_every_known_error_of_the_system_has_a_meaning(self, number: int) -> None:
        error = refused("open", KEY, OSError(number, os.strerror(number)))
        assert type(error) is not StorageError
        assert KEY in str(error)

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ENOENT, NotFound),
            (errno.EACCES, Denied),
            (errno.ENOSPC, NoSpace),
            (errno.EEXIST, AlreadyExists),
            (errno.EIO, Transient),
            (errno.EXDEV, StorageError),
        ],
    )
    def test_meanings(self, number: int, kind: type[StorageError]) -> None:
        assert type(refused("open", KEY, OSError(number, "text of the system"))) is kind

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission_is_denied(self, store: LocalStore, tmp_path: Path) -> None:
        store.put(KEY, b"abc")
        (tmp_path / "bucket/room").chmod(0)
        try:
            with pytest.raises(Denied):
                list(store.list())
        finally:
            (tmp_path / "bucket/room").chmod(0o755)


class TestFullDisk:
    """A disk that is full, played by the limit of a process for the size of its files."""

    @pytest.mark.parametrize("write", ["put", "part", "complete", "copy"])
    def test_leaves_nothing_behind(self, tmp_path: Path, write: str) -> None:
        program = f"""
            import resource
            from storage.errors import NoSpace
            from storage.keys import output_key
            from storage.local import LocalStore
            store, old, new = LocalStore({str(tmp_path)!r}), output_key("old"), output_key("new")
            store.put(old, b"x" * 90_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
            upload = store.start_multipart(old)
            def complete():
                upload.put_part(1, b"a" * 40_000)
                upload.put_part(2, b"b" * 40_000)
                upload.complete()
            calls = dict(put=lambda: store.put(old, b"a" * 80_000), part=lambda: upload.put_part(1, b"a" * 80_000),
                complete=complete, copy=lambda: store.copy(old, new))
            try:
                calls[{write!r}]()
            except NoSpace as error:
                upload.abort()
                raise SystemExit(7 if "larger than is allowed" in str(error) else 1)
        """
        with run(program) as process:
            assert process.wait(30) == 7
        assert files_in(tmp_path) == ["old"]
        assert (tmp_path / "old").read_bytes() == b"x" * 90_000

    def test_a_short_write_goes_on(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        store.put(KEY, b"0123456789" * 10)
        with store.open(KEY) as opened:
            assert opened.read(1000) == b"0123456789" * 10


class TestKilled:
    def test_only_an_abandoned_upload_is_left(self, store: LocalStore, tmp_path: Path) -> None:
        store.put(KEY, b"old")
        program = f"""
            import sys, time
            from storage.keys import output_key
            from storage.local import LocalStore
            from storage.writing import StreamingUpload
            upload = StreamingUpload(LocalStore({str(tmp_path / "bucket")!r}), output_key({KEY!r}), piece_bytes=1000)
            upload.write(b"x" * 5000)
            sys.stdout.write("written\\n")
            sys.stdout.flush()
            time.sleep(60)
        """
        with run(program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGKILL)
        assert [meta.key for meta in store.list()] == [KEY]
        assert store.head(KEY).size_bytes == 3
        (pending,) = store.list_uploads("room/")
        assert pending.key == KEY
        store.abort_upload(pending.key, pending.upload_id)
        assert files_in(tmp_path) == ["bucket/room/one.ts"]

    def test_killed_before_the_key_was_written(self, store: LocalStore, tmp_path: Path) -> None:
        (tmp_path / "bucket/.aftertake-uploads/0123").mkdir(parents=True)
        (pending,) = store.list_uploads()
        assert (pending.key, pending.upload_id) == ("", "0123")
        assert list(store.list_uploads("room/")) == []
        store.abort_upload("", "0123")
        assert list(store.list_uploads()) == []


class TestJoining:
    def test_the_disk_holds_one_part_more_than_the_object_at_most(
        self, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held: list[int] = []

        def watch(target: int, source: int) -> None:
            append_file(target, source)
            held.append(sum(path.stat().st_size for path in tmp_path.rglob("*.part")))

        monkeypatch.setattr("storage.local_uploads.append_file", watch)
        upload = store.start_multipart(KEY)
        for number in range(1, 11):
            upload.put_part(number, b"p" * 10_000)
        upload.complete()
        assert held == [110_000] * 9

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_where_the_kernel_does_not_copy(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "copy_file_range", refuse)
        upload = store.start_multipart(KEY)
        for part in range(1, 4):
            upload.put_part(part, b"%d" % part * 1000)
        upload.complete()
        assert store.copy(KEY, output_key("copy")).size_bytes == 3000
        with store.open("copy") as opened:
            assert opened.read(9999) == b"1" * 1000 + b"2" * 1000 + b"3" * 1000


def run(program: str) -> subprocess.Popen[bytes]:
    """Run Python text in a process of its own, which can be killed or limited."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])  # noqa: S603
