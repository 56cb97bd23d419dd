"""Keys of vendors' APIs: where they are read, what is said where there is none, and that they are never shown."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flows.recorders import Recorders
from flows.settings import Settings, SettingsError
from vendors.recorder import Access

SOURCE = {"name": "class-1", "vendor": "agora", "app": "app", "store": "s3://calls/?region=eu-west-1"}


@dataclass
class Opening:
    """Opens nothing, and keeps what was asked for."""

    asked: list[Access] = field(default_factory=list)
    closed: int = 0

    def __call__(self, vendor: str, access: Access, **_: object) -> Any:  # noqa: ANN401 - stands for a recorder
        self.asked.append(access)
        assert vendor
        time.sleep(0.01)  # as importing and connecting take
        return self

    def close(self) -> None:
        self.closed += 1


def settings(*sources: Mapping[str, Any], folder: Path = Path("nowhere")) -> Settings:
    given = {"AFTERTAKE_CONFIG": "/dev/null", "AFTERTAKE_DATA": str(folder)}
    return Settings.load({**given, "AFTERTAKE_SOURCES": json.dumps(sources or [SOURCE])})


def access(environment: Mapping[str, str], **more: object) -> Access:
    configured, opening = settings({**SOURCE, **more}), Opening()
    Recorders(configured, environment, open_recorder=opening).of(configured.sources[0])
    [asked] = opening.asked
    return asked


def variables(name: str, key_id: str, secret: str) -> dict[str, str]:
    return {f"AFTERTAKE_{name}_API_KEY_ID": key_id, f"AFTERTAKE_{name}_API_SECRET": secret}


def test_the_variables_of_a_source_count_before_those_of_its_vendor() -> None:
    vendors, own = variables("AGORA", "v", "vs"), variables("CLASS_1", "o", "os")
    assert (access(vendors).key_id, access(vendors).secret) == ("v", "vs")
    assert (access(vendors | own).key_id, access(vendors | own).secret) == ("o", "os")
    half = {"AFTERTAKE_CLASS_1_API_KEY_ID": "o"}
    assert access(vendors | half).key_id == "v", "halves of two keys are no key"


@pytest.mark.parametrize(
    ("written", "key"),
    [("s", ("", "s")), ("k s", ("k", "s")), ("k\r\ns\r\n", ("k", "s")), ("\n k\t s \n\n", ("k", "s"))],
)
def test_a_file_counts_before_all_variables(tmp_path: Path, written: str, key: tuple[str, str]) -> None:
    (tmp_path / "key").write_text(written)
    found = access(variables("CLASS_1", "o", "os"), api_key=str(tmp_path / "key"))
    assert (found.key_id, found.secret) == key


@pytest.mark.parametrize("written", [None, b"", b" \n", b"k sekrit more", b"sekrit \xff\xfe"])
def test_a_file_that_holds_no_key(tmp_path: Path, written: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    if written is not None:
        path.write_bytes(written)
    configured = settings({**SOURCE, "api_key": str(path), "upload_key": str(path)})
    recorders = Recorders(configured, variables("AGORA", "v", "vs"))
    [source] = configured.sources
    for ask in (recorders.of, recorders.upload_key):
        with pytest.raises(SettingsError, match="class-1") as caught:
            ask(source)
        assert str(path) in str(caught.value)
        assert "sekrit" not in str(caught.value)
    assert list(recorders.able("agora")) == []
    assert str(path) in caplog.text
    assert "sekrit" not in caplog.text


def test_one_bad_file_keeps_no_other_source_from_being_asked(tmp_path: Path) -> None:
    configured = settings({**SOURCE, "api_key": str(tmp_path / "none")}, {**SOURCE, "name": "b"})
    recorders = Recorders(configured, variables("AGORA", "v", "vs"))
    assert [source.name for source in recorders.able("agora")] == ["b"]


def test_a_file_that_cannot_be_read_is_told_once_until_that_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    recorders = Recorders(settings({**SOURCE, "api_key": str(path)}), {})
    told = []
    for change in (None, None, "", "k one", "two words more", "two words more", None):
        if change is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(change)
        list(recorders.able("agora"))
        told.append(len(caplog.messages))
    assert told == [1, 1, 2, 2, 3, 3, 4], caplog.messages


def test_a_key_that_is_changed_in_its_file_is_used_at_once(tmp_path: Path) -> None:
    path, opening = tmp_path / "key", Opening()
    configured = settings({**SOURCE, "api_key": str(path)})
    recorders = Recorders(configured, {}, open_recorder=opening)
    for secret in ("one", "one", "two"):
        path.write_text(f"k {secret}")
        recorders.of(configured.sources[0])
    assert [asked.secret for asked in opening.asked] == ["one", "two"]
    recorders.close()
    assert opening.closed == 2


def test_threads_share_one_recorder() -> None:
    """It keeps its vendor's limits, so there must not be two."""
    configured, opening = settings(), Opening()
    recorders = Recorders(configured, variables("AGORA", "v", "vs"), open_recorder=opening)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: recorders.of(configured.sources[0]), range(200)))
    assert len(opening.asked) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"app": None}, "write app"),
        ({"vendor": None}, "write vendor"),
        ({}, "AFTERTAKE_CLASS_1_API_KEY_ID and AFTERTAKE_CLASS_1_API_SECRET"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, object], says: str) -> None:
    configured = settings({**SOURCE, **change})
    recorders = Recorders(configured, {})
    with pytest.raises(SettingsError, match=says):
        recorders.of(configured.sources[0])
    with pytest.raises(SettingsError, match="AFTERTAKE_CLASS_1_UPLOAD_KEY_ID"):
        recorders.upload_key(configured.sources[0])
    assert list(recorders.able("agora")) == []


def test_no_secret_shows(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k sekrit")
    configured = settings({**SOURCE, "api_key": str(tmp_path / "key"), "upload_key": str(tmp_path / "key")})
    recorders = Recorders(configured, variables("AGORA", "v", "sekrit"))
    shown = [configured, recorders, recorders.of(configured.sources[0]), recorders.upload_key(configured.sources[0])]
    recorders.close()
    assert "sekrit" not in repr(shown) + str(configured.as_environment())


ASKED = {
    "api": ["https://api.example", "http://127.0.0.1:8/x"],
    "api_scheme": "token",
    "api_key": "/keys/api",
    "upload_key": "/keys/upload",
    "backup_hosts": ["*.backup.example:8443", "backup.example"],
}


def test_all_of_it_goes_on_to_other_processes(tmp_path: Path) -> None:
    first = settings({**SOURCE, **ASKED}, folder=tmp_path)
    again = Settings.load({**first.as_environment(), "AFTERTAKE_AGORA_API_SECRET": "s", "AFTERTAKE_ROOM_TOKEN": "t"})
    assert again == first
    assert again.sources[0].backup_hosts == ("*.backup.example:8443", "backup.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("api", [url])
            for url in (
                "http://api.example",
                "https://user:sekrit@api.example",
                "https://api.example?key=sekrit",
                "https://api.example#sekrit",
                "https://",
                "https://a:0",
                "https://a:99999",
                "https://[::1",
                "file:///sekrit",
                "api.example",
                "",
            )
        ),
        *(
            ("backup_hosts", [host])
            for host in (
                "*",
                "*.",
                "*.com",
                "https://a.b",
                "a.b/c",
                "A.b",
                "a b",
                "a.b:",
                "u@a.b",
                "",
                "*.*.a.b",
                "a.*",
            )
        ),
        ("api_scheme", "none"),
        ("api", "https://api.example"),
        ("api_keys", "x"),
    ],
)
def test_what_is_written_wrong_is_refused_and_not_repeated(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        settings({**SOURCE, name: value})
    assert "sekrit" not in str(caught.value)
