"""`aftertake doctor`: lines, JSON, exit codes, the sweep."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox.clouds.buckets import CloudName
from flows.steps.store_checks import Place, Role
from storage.keys import output_key
from storage.opening import open_store
from tests.cli.running import aftertake
from tests.clouds import CLOUDS, SECRET
from tests.flows.patients import Ward, ward


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    for name in ("AFTERTAKE_SOURCE", "AFTERTAKE_OUTPUT", "AFTERTAKE_STORES"):
        monkeypatch.delenv(name, raising=False)
    with ward() as running:
        yield running


def pair(sick: Ward, cloud: CloudName, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple[Place, Place]:
    places = [sick.bucket(cloud, role, kinds=(role.value, *more)) for role in Role]
    for name, value in sick.environment.items():
        monkeypatch.setenv(name, value)
    return places[0], places[1]


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("more", [(), ("doctor",)])
def test_all_is_well(sick: Ward, cloud: CloudName, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = pair(sick, cloud, monkeypatch, *more)
    monkeypatch.setenv("AFTERTAKE_SOURCE", source.url)
    monkeypatch.setenv("AFTERTAKE_OUTPUT", output.url)
    run = aftertake("doctor")
    assert (run.code, run.err) == (0, "")
    shown = run.out.splitlines()
    assert shown[0] == f"source  {source.url}"
    assert f"output  {output.url}" in shown
    assert "  ok       write        doctor/probe.txt (84 bytes)" in shown
    assert shown[-1].startswith("doctor: 0 fail, 0 warn, ")
    written = [seen.bucket for seen in sick.clouds.journal.seen() if seen.writes]
    assert written
    assert [bucket for bucket in written if f"/{bucket}/" in source.url] == []
    assert SECRET not in run.out


def test_a_failure_comes_with_its_fix(sick: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = pair(sick, "oss", monkeypatch)
    monkeypatch.setenv("AFTERTAKE_KEY0_SECRET", "wrong")
    run = aftertake("doctor", "--source", source.url)
    assert run.code == 3
    shown = run.out.splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("  FAIL     credentials  the secret does"))
    assert shown[at + 1].strip().startswith("-> Check the secret in AFTERTAKE_KEY0_KEY_ID")
    assert shown[-1].startswith("doctor: 1 fail")


def test_json(sick: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = pair(sick, "cos", monkeypatch, "doctor")
    run = aftertake("doctor", "--json", "--source", source.url, "--output", output.url, "--sweep")
    assert run.code == 0
    document: dict[str, Any] = run.json
    assert (document["schema"], document["outcome"], document["swept"]) == ("aftertake.doctor/1", "ok", [])
    assert [(store["role"], store["url"]) for store in document["stores"]] == [
        ("source", source.url),
        ("output", output.url),
    ]
    first = document["stores"][0]["checks"][0]
    assert first == {"check": "reachable", "outcome": "ok", "seen": "127.0.0.1 takes connections", "fix": None}
    assert {check["outcome"] for store in document["stores"] for check in store["checks"]} == {"ok"}


def test_the_sweep_aborts_what_is_old(sick: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    _, output = pair(sick, "s3", monkeypatch)
    store = open_store(output.url)
    for name in ("old", "young"):
        store.start_multipart(output_key(f"media/{name}.mp4"))
    old, _ = sick.clouds.uploads("s3", "key2")
    old.started_at = datetime.now(UTC) - timedelta(days=8)
    run = aftertake("doctor", "--output", output.url, "--sweep", "10")
    assert "0 uploads older than 10 days aborted" in run.out
    run = aftertake("doctor", "--output", output.url, "--sweep")
    assert run.code == 0
    assert "1 upload older than 7 days aborted" in run.out
    assert "aborted  media/old.mp4  begun " in run.out
    assert [upload.key for upload in store.list_uploads()] == ["media/young.mp4"]


def test_a_sweep_that_is_refused(sick: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    output = sick.bucket("oss", Role.OUTPUT, without="oss:ListMultipartUploads")
    for name, value in sick.environment.items():
        monkeypatch.setenv(name, value)
    run = aftertake("doctor", "--output", output.url, "--sweep")
    assert run.code == 3
    assert "  FAIL     sweep        oss:ListMultipartUploads is refused" in run.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no store is configured"),
        (("--source", "gs://bucket/"), "the supported stores are"),
        (("--source", "s3://bucket/?nonsense=1&credentials=none"), "there is no option 'nonsense'"),
        (("--source", "s3://bucket/?region=EU%20WEST&credentials=none"), "boto3 refuses it"),
        (("--source", "oss://A/?region=cn-hangzhou&credentials=none"), "oss2 refuses it"),
        (("--source", "cos://a_b-12/?region=ap-guangzhou&credentials=none"), "the SDK refuses it"),
        (("--source", "file:///in", "--sweep"), "--sweep needs --output"),
        (("--output", "file:///out", "--sweep", "0"), "a day at least"),
    ],
)
def test_usage(sick: Ward, arguments: tuple[str, ...], said: str) -> None:
    assert sick
    run = aftertake("doctor", *arguments)
    assert run.code == 2
    assert said in run.err


def test_an_output_in_a_configured_source_is_not_written(
    sick: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sick
    monkeypatch.setenv("AFTERTAKE_SOURCE", str(tmp_path))
    run = aftertake("doctor", "--output", tmp_path / "out", "--sweep")
    assert run.code == 3
    assert "lies in the source" in run.out
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_settings_counts(sick: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sick
    (tmp_path / "in").mkdir()
    (tmp_path / "aftertake.toml").write_text('[[sources]]\nname = "all"\nstore = "in"')
    monkeypatch.chdir(tmp_path)
    run = aftertake("doctor")
    assert (run.code, run.err) == (0, "")
    assert f"output  {tmp_path.as_uri()}/aftertake-data/published" in run.out.splitlines()


def test_folders(sick: Ward, tmp_path: Path) -> None:
    assert sick
    (tmp_path / "in").mkdir()
    run = aftertake("doctor", "--source", tmp_path / "in", "--output", tmp_path / "out")
    assert run.code == 0
    assert "  ok       mounts       one file system" in run.out.splitlines()
