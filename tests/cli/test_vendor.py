"""`aftertake vendor`, asked for by name, at vendors that really record."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.model import RecordingId, State
from tests.cli.running import aftertake
from tests.cli.site import HOSTILE, set_up
from tests.cli.site import Site as Bare
from tests.flows.vendor_site import VendorSite, vendor_site
from vendors.recorder import (
    BadCallError,
    GoneError,
    NoHandleError,
    NoSuchCallError,
    RefusedCallError,
    VendorDownError,
)


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorSite]:
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        for name, value in site.settings.as_environment().items():
            patch.setenv(name, value)
        yield site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bare:
    """One without those vendors and their keys."""
    for name in list(os.environ):
        if name.startswith("AFTERTAKE_"):
            monkeypatch.delenv(name)
    return set_up(tmp_path, monkeypatch)


def started(*arguments: str) -> str:
    run = aftertake("vendor", "start", "--source", "zego", *arguments, "--json")
    assert run.code == 0, run.err
    [recording] = run.json["recordings"]
    return f"{recording['vendor']}:{recording['task_id']}"


@pytest.mark.usefixtures("vendors")
def test_from_start_to_stop_for_people() -> None:
    run = aftertake("vendor", "start", "--source", "zego", "--room", "math", "--idle", "30", "--folder", "a/")
    assert (run.code, run.err) == (0, "")
    name = run.out.partition("vendor stop ")[2].partition("`")[0]
    assert "room math, source zego" in run.out
    status = aftertake("vendor", "status", name)
    assert (status.code, "its vendor says recording" in status.out) == (0, True)
    for _ in range(2):
        stop = aftertake("vendor", "stop", name)
        assert (stop.code, f"`aftertake show {name}`" in stop.out) == (0, True)
    history = aftertake("vendor", "history", "--source", "zego", "--from", "2026-01-01")
    assert (history.code, name in history.out) == (0, True)


def test_documents(vendors: VendorSite) -> None:
    name = started("--room", "json", "--client-id", "one")
    assert started("--room", "json", "--client-id", "one") == name
    for action in ("status", "stop", "stop"):
        run = aftertake("vendor", action, name, "--json")
        assert run.json["schema"] == "aftertake.vendor/1"
        [told] = run.json["recordings"]
        assert f"{told['vendor']}:{told['task_id']}" == name
    vendors.vendors.wait_idle(60)
    listed = aftertake("vendor", "history", "--source", "zego", "--json").json["recordings"]
    assert name in {f"{past['vendor']}:{past['task_id']}" for past in listed}


@pytest.mark.usefixtures("vendors")
def test_fields_of_the_vendor(tmp_path: Path) -> None:
    path = tmp_path / "fields.json"
    path.write_text("{}")
    name = started("--room", "fields", "--fields", f"@{path}")
    assert aftertake("vendor", "layout", name, "--fields", '{"MixMode": 2}').code in {0, 2}
    aftertake("vendor", "stop", name)
    for wrong in ("{", "[]", "1", "", "@", f"@{path}.none", "@/dev/null", "{" * 9999, "[" * 99999):
        run = aftertake("vendor", "start", "--source", "zego", "--room", "r", "--fields", wrong)
        assert (run.code, "write a JSON object" in run.err) == (2, True), wrong[:9]


@pytest.mark.usefixtures("vendors")
@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "--room", "r"),
        ("start", "--room", "r", "--source", "nowhere"),
        ("start", "--source", "zego"),
        *(("start", "--room", "r", "--source", "zego", "--folder", text) for text in ("a", "/", "../", "a//", "a/./")),
        *(("start", "--room", "r", "--source", "zego", "--idle", text) for text in ("-1", "1.5", "1e9", "9" * 99)),
        ("history", "--source", "agora"),
        ("history", "--source", "jocloud"),
        ("history",),
        ("layout", "zego:x"),
        (),
    ],
)
def test_usage(arguments: tuple[str, ...]) -> None:
    run = aftertake("vendor", *arguments)
    assert (run.code, run.out) == (2, ""), run
    assert "Traceback" not in run.err
    if "agora" in arguments:
        assert "agora" in run.err


@pytest.mark.usefixtures("vendors")
@pytest.mark.parametrize("name", ["zego", "zego:unknown", "agora:unknown"])
def test_what_the_catalog_does_not_know(name: str) -> None:
    for action in ("status", "stop"):
        run = aftertake("vendor", action, name)
        assert (run.code, run.out) == (4, "")


def test_what_somebody_else_began(vendors: VendorSite) -> None:
    """ZEGOCLOUD's id is enough; Agora's is not, and the message says what to do."""
    for vendor in ("agora", "zego"):
        recording = RecordingId(vendor=vendor, task_id="AAAAAAAAAAAAAAAA" if vendor == "zego" else "f" * 32)
        vendors.catalog.register(recording, state=State.STOPPED, cause="heard", actor="test", source=vendor)
    agora, zego = (aftertake("vendor", "status", name) for name in ("agora:" + "f" * 32, "zego:AAAAAAAAAAAAAAAA"))
    assert (agora.code, "aftertake submit agora:" in agora.err) == (6, True)
    assert (zego.code, "knows no such recording" in zego.out) == (0, True)


def test_a_source_that_is_configured_no_more(vendors: VendorSite, monkeypatch: pytest.MonkeyPatch) -> None:
    name = started("--room", "gone")
    left = [{"name": "other", "vendor": "zego", "store": vendors.stage.sources["zego"]}]
    with monkeypatch.context() as patch:
        patch.setenv("AFTERTAKE_SOURCES", json.dumps(left))
        for action in ("status", "stop"):
            run = aftertake("vendor", action, name)
            assert (run.code, run.out) == (2, "")
            assert "there is no source 'zego'" in run.err
    assert aftertake("vendor", "stop", name).code == 0


def test_a_name_that_would_do_things_to_a_terminal(vendors: VendorSite) -> None:
    recording = RecordingId(vendor="zego", task_id="BBBBBBBBBBBBBBBB")
    vendors.catalog.register(recording, state=State.STOPPED, cause="heard", actor="test", source="zego", room=HOSTILE)
    run = aftertake("vendor", "status", "zego:BBBBBBBBBBBBBBBB")
    assert all(line.isprintable() for line in (run.out + run.err).splitlines())
    refused = aftertake("vendor", "start", "--source", "zego", "--room", HOSTILE)
    assert all(line.isprintable() for line in (refused.out + refused.err).splitlines())


@pytest.mark.usefixtures("vendors")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GoneError("zego", "Call", "said", "Do."), 4),
        (NoHandleError("said"), 6),
        (NoSuchCallError("zego", "Call", "said", "Do."), 2),
        (BadCallError("zego", "Call", "said", "Do."), 2),
        (RefusedCallError("zego", "Call", "said", "Do."), 6),
        (VendorDownError("zego", "Call", "said", "Do."), 5),
    ],
)
def test_each_error_has_its_code(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("flows.vendor_recordings.VendorRecordings.start", fail)
    run = aftertake("vendor", "start", "--source", "zego", "--room", "r")
    assert (run.code, run.out, run.err.count("\n")) == (code, "", 1)


SOURCE = {"name": "class-1", "vendor": "zego", "app": "1", "store": "cos://calls-1250000000/?region=ap-guangzhou"}


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([SOURCE], "AFTERTAKE_CLASS_1_API_SECRET"),
        ([{**SOURCE, "app": ""}], "write app"),
        ([SOURCE, {**SOURCE, "name": "b"}], "AFTERTAKE_CLASS_1_API_KEY_ID and AFTERTAKE_CLASS_1_API_SECRET"),
        ([{"name": "any", "store": SOURCE["store"]}], "no source has vendor"),
    ],
)
def test_without_keys_it_says_which(site: Bare, sources: list[dict[str, str]], says: str) -> None:
    site.configure(*({name: value for name, value in source.items() if value} for source in sources))
    run = aftertake("vendor", "start", "--room", "r")
    assert (run.code, run.out) == (2, "")
    assert says in run.err


def test_several_that_can_be_asked(site: Bare) -> None:
    site.configure(SOURCE, {**SOURCE, "name": "b"})
    site.patch.setenv("AFTERTAKE_ZEGO_API_SECRET", "s")
    run = aftertake("vendor", "history")
    assert (run.code, "--source NAME" in run.err, "class-1, b" in run.err) == (2, True, True)


def test_doctor_says_whose_vendor_can_be_asked(site: Bare) -> None:
    def seen() -> tuple[str, str]:
        told = aftertake("doctor", "--json").json["vendors"]
        return told["outcome"], f"{told['seen']} {told['fix']}"

    assert seen()[0] == "skipped"
    site.configure({**SOURCE, "store": str(site.source)})
    outcome, text = seen()
    assert (outcome, "AFTERTAKE_CLASS_1_API_SECRET" in text) == ("warn", True)
    site.patch.setenv("AFTERTAKE_ZEGO_API_SECRET", "sekrit")
    outcome, text = seen()
    assert (outcome, "class-1" in text, "sekrit" in text) == ("ok", True, False)
