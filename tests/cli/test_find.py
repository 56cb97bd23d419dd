"""Recordings whose files are not where they were promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.exits import Exit
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.layouts import AGORA_SID, ZEGO_TASK
from storage.urls import StoreUrl
from tests.cli.running import aftertake
from tests.clouds import ENVIRONMENT, SECRET, new_bucket, running_clouds
from tests.flows.folders import slices
from tests.lab import agora_mixed, zego_mixed


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clouds]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with running_clouds() as running:
        yield running


def lay(clouds: Clouds, cloud: CloudName, objects: dict[str, bytes]) -> str:
    url = new_bucket(clouds, cloud)
    for key, data in objects.items():
        clouds.put(cloud, StoreUrl.parse(url).bucket, key, data)
    return url


def test_a_recording_is_found_in_whichever_store_it_lies(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    promised = lay(clouds, "s3", dict(zego_mixed(slices()).objects))
    other = lay(clouds, "oss", dict(agora_mixed(slices()).objects))
    monkeypatch.setenv("AFTERTAKE_SOURCE", promised)
    monkeypatch.setenv("AFTERTAKE_STORES", f"{other} {lay(clouds, 'cos', {})}")
    run = aftertake("find", AGORA_SID, "--json")
    (found,) = run.json["found"]
    assert run.code == Exit.OK
    assert (found["vendor"], found["store"], found["folder"]) == ("agora", other.partition("?")[0], "classes/")
    assert (found["playlists"], found["segments"]) == (1, 4)
    assert [searched["error"] for searched in run.json["searched"]] == [None, None, None]
    assert f"agora {AGORA_SID}: oss://" in aftertake("find", f"agora:{AGORA_SID}").out
    assert aftertake("find", ZEGO_TASK, "--store", promised).code == Exit.OK


def test_what_is_nowhere(clouds: Clouds) -> None:
    run = aftertake("find", AGORA_SID, "--store", lay(clouds, "cos", {}))
    assert run.code == Exit.NOT_FOUND
    assert f"no object of {AGORA_SID} in cos://" in run.out


def test_another_vendors_recording_of_that_id_is_not_meant(clouds: Clouds) -> None:
    url = lay(clouds, "s3", dict(agora_mixed(slices()).objects))
    assert aftertake("find", f"zego:{AGORA_SID}", "--store", url).code == Exit.NOT_FOUND


def test_a_store_that_cannot_be_searched_does_not_hide_the_others(clouds: Clouds) -> None:
    url = lay(clouds, "s3", dict(agora_mixed(slices()).objects))
    gone = f"oss://no-such-bucket/?region=cn-hangzhou&endpoint={clouds.endpoint}"
    run = aftertake("find", AGORA_SID, "--store", gone, "--store", url)
    assert run.code == Exit.OK
    assert "! oss://no-such-bucket/" in run.out
    assert aftertake("find", AGORA_SID, "--store", gone).code == Exit.NOT_FOUND
    assert SECRET not in run.out + run.err


def test_without_a_store_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AFTERTAKE_SOURCE", "AFTERTAKE_STORES"):
        monkeypatch.delenv(name, raising=False)
    run = aftertake("find", AGORA_SID)
    assert run.code == Exit.USAGE
    assert "AFTERTAKE_STORES" in run.err


def test_the_file_of_the_settings_counts(clouds: Clouds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = lay(clouds, "oss", dict(agora_mixed(slices()).objects))
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "aftertake.toml"
    settings.write_text(f'[[sources]]\nname = "agora"\nstore = "{url}"')
    assert aftertake("find", AGORA_SID).code == Exit.OK
    settings.write_text('slot = 1\nlisten = "\\u001b[31m"')
    run = aftertake("find", AGORA_SID)
    assert run.code == Exit.USAGE
    assert run.err.splitlines() == [
        'aftertake: aftertake.toml: listen: write HOST:PORT, such as "127.0.0.1:8080"',
        "aftertake.toml: slot: there is no such setting; did you mean slots?",
    ]


def test_the_verdict_hints_at_slices_that_lie_elsewhere(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    laid = agora_mixed(slices())
    away = set(laid.segments[1:3])
    source = lay(clouds, "s3", {key: data for key, data in laid.objects.items() if key not in away})
    other = lay(clouds, "cos", {key: laid.objects[key] for key in away})
    monkeypatch.setenv(
        "AFTERTAKE_STORES", f"{other} {source} oss://no-such-bucket/?region=x&endpoint={clouds.endpoint}"
    )
    clouds.journal.clear()
    run = aftertake("check", source, "--json")
    (hint,) = (f for f in run.json["recordings"][0]["findings"] if f["code"] == "segments_elsewhere")
    assert (run.code, run.json["verdict"]) == (Exit.LOST, "gaps")
    assert (hint["severity"], hint["key"]) == ("warning", other.partition("?")[0])
    assert hint["detail"] == "2 of the 2 missing slices lie there"
    asked = [seen.operation for seen in clouds.journal.seen() if seen.bucket == StoreUrl.parse(other).bucket]
    assert len(asked) == 1


def test_nobody_looks_elsewhere_when_nothing_is_missing(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = lay(clouds, "s3", dict(agora_mixed(slices()).objects)), lay(clouds, "cos", {})
    monkeypatch.setenv("AFTERTAKE_STORES", other)
    clouds.journal.clear()
    assert aftertake("check", source).code == Exit.OK
    assert {seen.cloud for seen in clouds.journal.seen()} == {"s3"}
