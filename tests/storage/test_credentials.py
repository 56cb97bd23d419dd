# ruff: noqa: S105, S106 -- the secrets are made up
import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.credentials import Credentials, Provider, provider
from storage.errors import Denied, StorageError, Unsupported
from tests.storage.leaks import whole_story

_CANARY = "canary/secret+0123456789"
_NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def _provider(cloud: str, named: str | None, environment: dict[str, str] | None = None) -> Provider:
    found = provider(cloud, named, environment=environment or {})
    assert found is not None
    return found


@pytest.mark.parametrize("cloud", ["s3", "oss", "cos"])
def test_the_variables_of_the_cloud_are_the_default(cloud: str) -> None:
    name = f"AFTERTAKE_{cloud.upper()}"
    environment = {f"{name}_KEY_ID": "id", f"{name}_SECRET": "secret"}
    assert _provider(cloud, None, environment)() == Credentials(key_id="id", secret="secret")
    environment[f"{name}_TOKEN"] = "token"
    assert _provider(cloud, None, environment)() == Credentials(key_id="id", secret="secret", token="token")


def test_the_real_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERTAKE_OSS_KEY_ID", "id")
    monkeypatch.setenv("AFTERTAKE_OSS_SECRET", "secret")
    found = provider("oss", None)
    assert found is not None
    assert found().key_id == "id"


@pytest.mark.parametrize("named", ["archive_2", "ARCHIVE_2", "Archive_2"])
def test_a_name_stands_for_variables_of_its_own(named: str) -> None:
    environment = {"AFTERTAKE_ARCHIVE_2_KEY_ID": "id", "AFTERTAKE_ARCHIVE_2_SECRET": "secret"}
    assert _provider("cos", named, environment)().key_id == "id"


@pytest.mark.parametrize("named", ["none"])
def test_none_is_nobody(named: str) -> None:
    assert provider("s3", named, environment={}) is None


@pytest.mark.parametrize(
    ("cloud", "named", "environment", "told"),
    [
        ("oss", None, {}, ["AFTERTAKE_OSS_KEY_ID", "AFTERTAKE_OSS_SECRET", "?credentials=", "chain", "none", "file"]),
        ("oss", "second", {}, ["AFTERTAKE_SECOND_KEY_ID", "AFTERTAKE_SECOND_SECRET"]),
        ("s3", None, {"AFTERTAKE_S3_KEY_ID": "id"}, ["AFTERTAKE_S3_KEY_ID is set, but not AFTERTAKE_S3_SECRET"]),
        ("s3", None, {"AFTERTAKE_S3_SECRET": _CANARY}, ["AFTERTAKE_S3_SECRET is set, but not AFTERTAKE_S3_KEY_ID"]),
        (
            "cos",
            None,
            {"AFTERTAKE_COS_KEY_ID": "id", "AFTERTAKE_COS_SECRET": _CANARY + "\n"},
            ["AFTERTAKE_COS_SECRET is not of printable"],
        ),
        (
            "cos",
            "x",
            {"AFTERTAKE_X_KEY_ID": "id", "AFTERTAKE_X_SECRET": _CANARY, "AFTERTAKE_X_TOKEN": _CANARY + " é"},
            ["AFTERTAKE_X_TOKEN is not of printable"],
        ),
        ("oss", "chain", {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": _CANARY}, ["not ALIBABA_CLOUD_ACCESS_KEY_ID"]),
        (
            "cos",
            "chain",
            {
                "TKE_REGION": "a\r\nX: b",
                "TKE_PROVIDER_ID": "b",
                "TKE_ROLE_ARN": "c",
                "TKE_WEB_IDENTITY_TOKEN_FILE": "/d",
            },
            ["TKE_REGION is not of printable"],
        ),
        ("cos", "chain", {"TENCENTCLOUD_SECRET_ID": "id"}, ["not TENCENTCLOUD_SECRET_KEY"]),
        (
            "oss",
            "chain",
            {"ALIBABA_CLOUD_ROLE_ARN": "role"},
            ["not ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE"],
        ),
        (
            "cos",
            "chain",
            {"TKE_ROLE_ARN": "a", "TKE_PROVIDER_ID": "b", "TKE_REGION": "c"},
            ["TKE_WEB_IDENTITY_TOKEN_FILE"],
        ),
    ],
)
def test_without_credentials_the_error_says_which_variables(
    cloud: str, named: str | None, environment: dict[str, str], told: list[str]
) -> None:
    with pytest.raises(Denied) as caught:
        provider(cloud, named, environment=environment)
    assert not [text for text in told if text not in str(caught.value)]
    assert _CANARY not in whole_story(caught.value)


@pytest.mark.parametrize("named", ["", _CANARY, "secrets/oss.json", "a-b", "file:///a", "naïve"])
def test_what_credentials_does_not_understand_is_not_repeated(named: str) -> None:
    with pytest.raises(Unsupported, match=r"\?credentials=NAME") as caught:
        provider("oss", named, environment={})
    assert not named or named not in whole_story(caught.value)


def test_the_chain_of_s3_is_boto3s_and_other_clouds_are_none() -> None:
    with pytest.raises(ValueError, match="boto3"):
        provider("s3", "chain", environment={})
    with pytest.raises(ValueError, match="gcs"):
        provider("gcs", None, environment={})


@pytest.mark.parametrize(
    ("cloud", "key_id", "secret", "token"),
    [
        ("oss", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
        ("cos", "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_SESSION_TOKEN"),
        ("cos", "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_TOKEN"),
    ],
)
def test_the_chain_begins_with_the_variables_of_the_cloud(cloud: str, key_id: str, secret: str, token: str) -> None:
    environment = {key_id: "id", secret: "secret", "TKE_ROLE_ARN": "ignored", "ALIBABA_CLOUD_ROLE_ARN": "ignored"}
    assert _provider(cloud, "chain", environment)() == Credentials(key_id="id", secret="secret")
    environment[token] = "token"
    assert _provider(cloud, "chain", environment)().token == "token"


class SecretFile:
    """The file of the credentials, a clock to read it by, and ways to replace it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = _NOON

    def provider(self) -> Provider:
        found = provider("oss", str(self.path), environment={}, clock=lambda: self.now)
        assert found is not None
        return found

    def replace(self, key_id: str, expires_at: str | None = None, **more: object) -> None:
        """By a rename, as Kubernetes does it."""
        new = self.path.with_suffix(".new")
        content = {"key_id": key_id, "secret": _CANARY, "expires_at": expires_at, **more}
        new.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
        new.rename(self.path)


@pytest.fixture
def secret_file(tmp_path: Path) -> SecretFile:
    file = SecretFile(tmp_path / "oss.json")
    file.replace("first")
    return file


def test_a_file_holds_the_four_fields(secret_file: SecretFile) -> None:
    secret_file.replace("id", "2030-01-01T13:00:00+00:00", token=_CANARY)
    expires_at = _NOON + timedelta(hours=1)
    assert secret_file.provider()() == Credentials(key_id="id", secret=_CANARY, token=_CANARY, expires_at=expires_at)


def test_a_file_that_was_replaced_is_read_again(secret_file: SecretFile) -> None:
    found = secret_file.provider()
    assert found().key_id == "first"
    secret_file.replace("other")
    assert found().key_id == "other"


def test_a_file_that_was_rewritten_in_place_is_read_again(secret_file: SecretFile) -> None:
    found = secret_file.provider()
    secret_file.path.write_text(json.dumps({"key_id": "longer-than-before", "secret": _CANARY}))
    assert found().key_id == "longer-than-before"


def test_a_mounted_secret_is_replaced_behind_its_links(tmp_path: Path) -> None:
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "oss.json").write_text(json.dumps({"key_id": f"key-{number}", "secret": _CANARY}))
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "oss.json").symlink_to("..data/oss.json")
    found = _provider("oss", str(tmp_path / "oss.json"))
    assert found().key_id == "key-1"
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert found().key_id == "key-2"


def test_a_file_that_did_not_change_is_not_read_again(secret_file: SecretFile, monkeypatch: pytest.MonkeyPatch) -> None:
    found = secret_file.provider()
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was opened"))
    assert [found().key_id for _ in range(3)] == ["first"] * 3


def test_near_its_expiry_a_file_is_read_although_it_looks_the_same(secret_file: SecretFile) -> None:
    secret_file.replace("first", "2030-01-01T13:00:00Z")
    found, times = secret_file.provider(), secret_file.path.stat()
    secret_file.path.write_text(secret_file.path.read_text().replace("first", "other"))
    os.utime(secret_file.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found().key_id == "first"
    secret_file.now += timedelta(minutes=55)
    assert found().key_id == "other"


def test_expired_credentials_of_a_file_are_an_error_until_new_ones_are_there(secret_file: SecretFile) -> None:
    secret_file.replace("first", "2030-01-01T13:00:00Z")
    found = secret_file.provider()
    secret_file.now += timedelta(hours=1)
    with pytest.raises(Denied, match=r"expired at 2030-01-01 13:00:00.*write new ones there") as caught:
        found()
    assert str(secret_file.path) in str(caught.value)
    secret_file.replace("other", "2030-01-01T14:00:00Z")
    assert found().key_id == "other"


def _into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


_BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "cannot be read: No such file"),
    (_into_folder, "cannot be read: Is a directory"),
    (lambda path: path.write_bytes(b""), "no JSON object"),
    (lambda path: path.write_text('{"key_id": "id", "secret": "' + _CANARY), "no JSON object"),
    (lambda path: path.write_bytes(b'{"secret": "' + _CANARY.encode() + b"\xff"), "no JSON object"),
    (lambda path: path.write_text(json.dumps(_CANARY)), "no JSON object"),
    (lambda path: path.write_text(json.dumps({"key_id": "id"})), "secret is missing"),
    (lambda path: path.write_text(json.dumps({"key_id": "id", "secret": _CANARY + " "})), "secret is missing, or not"),
    (lambda path: path.write_text(json.dumps({"SecretKey": _CANARY})), r"unknown keys \['SecretKey'\]; those known"),
    (
        lambda path: path.write_text(json.dumps({"key_id": "id", "secret": _CANARY, "expires_at": _CANARY})),
        "expires_at is no time with a zone, such as 2030",
    ),
    (lambda path: path.write_text(_CANARY * 4000), "longer than 65536 bytes"),
]


@pytest.mark.parametrize(("break_it", "fault"), _BROKEN)
def test_a_file_without_credentials_is_named_with_its_fault(
    secret_file: SecretFile, break_it: Callable[[Path], object], fault: str
) -> None:
    break_it(secret_file.path)
    with pytest.raises(Denied, match=fault) as caught:
        secret_file.provider()
    assert str(secret_file.path) in str(caught.value)
    assert _CANARY not in whole_story(caught.value)


@pytest.mark.parametrize(("break_it", "fault"), _BROKEN)
def test_a_file_that_breaks_leaves_the_old_credentials_until_they_expire(
    secret_file: SecretFile, caplog: pytest.LogCaptureFixture, break_it: Callable[[Path], object], fault: str
) -> None:
    secret_file.replace("first", "2030-01-01T13:00:00Z")
    found = secret_file.provider()
    break_it(secret_file.path)
    with caplog.at_level(logging.DEBUG):
        assert [found().key_id for _ in range(3)] == ["first"] * 3
    assert [str(secret_file.path) in record.getMessage() for record in caplog.records] == [True]
    assert _CANARY not in caplog.text
    secret_file.now += timedelta(hours=1)
    with pytest.raises(Denied, match=fault) as caught:
        found()
    assert _CANARY not in whole_story(caught.value)


def test_a_file_that_is_whole_again_is_used(secret_file: SecretFile) -> None:
    found = secret_file.provider()
    secret_file.path.write_text("{")
    assert found().key_id == "first"
    secret_file.replace("other")
    assert found().key_id == "other"


def _use(found: Provider) -> Iterator[str]:
    for _ in range(200):
        yield found().key_id


def test_threads_see_old_or_new_while_a_file_is_replaced(secret_file: SecretFile) -> None:
    found = secret_file.provider()
    with ThreadPoolExecutor(8) as pool:
        used = [pool.submit(lambda: set(_use(found))) for _ in range(8)]
        for number in range(50):
            secret_file.replace(f"key-{number}")
    known = {"first", *(f"key-{number}" for number in range(50))}
    assert all(names.result() <= known for names in used)
    assert found().key_id == "key-49"


def test_errors_are_those_of_the_store() -> None:
    with pytest.raises(StorageError) as caught:
        provider("oss", None, environment={})
    assert caught.value.operation == "credentials"
    assert caught.value.key == "oss"
