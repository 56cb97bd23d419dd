"""Which secrets a vendor's webhooks may be signed with, and which sources each of them speaks for."""

from pathlib import Path

import pytest

# ruff: noqa: S106 - names of variables, and secrets of examples
from flows.settings import Settings, SettingsError
from flows.webhook_keys import WebhookKeys

SOURCES = (
    '[{"name": "agora-eu", "vendor": "agora", "store": "in/eu"}, {"name": "any", "store": "in/any"},'
    ' {"name": "zego-1", "vendor": "zego", "store": "in/zego", "app": 1234567890, "webhook_secrets": "hooks/zego"}]'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(vendor: str, **secrets: str) -> list[tuple[str, str | None, str | None]]:
    environment = {"AFTERTAKE_SOURCES": SOURCES, **secrets}
    found = WebhookKeys(Settings.load(environment), environment)(vendor)
    return [(key.secret, key.source, key.app) for key in found]


def test_without_a_secret_there_is_no_key() -> None:
    assert keys("agora") == []


def test_a_source_has_its_own_and_two_while_one_replaces_the_other() -> None:
    assert keys("agora", AFTERTAKE_AGORA_EU_WEBHOOK_SECRET=" new  old ") == [
        ("new", "agora-eu", None),
        ("old", "agora-eu", None),
    ]


def test_a_source_of_any_vendor_takes_all_of_them() -> None:
    assert keys("jocloud", AFTERTAKE_ANY_WEBHOOK_SECRET="s") == [("s", "any", None)]
    assert keys("zego", AFTERTAKE_ANY_WEBHOOK_SECRET="s") == [("s", "any", None)]


def test_that_of_a_vendor_speaks_for_all_its_sources() -> None:
    assert keys("zego", AFTERTAKE_ZEGO_WEBHOOK_SECRET="s") == [("s", "any", None), ("s", "zego-1", "1234567890")]


def test_a_vendor_without_a_source_is_believed_and_shown() -> None:
    environment = {"AFTERTAKE_AGORA_WEBHOOK_SECRET": "s"}
    [key] = WebhookKeys(Settings.load(environment), environment)("agora")
    assert (key.secret, key.source) == ("s", None)


def test_a_file_is_read_again_for_each_message(folder: Path) -> None:
    environment = {"AFTERTAKE_SOURCES": SOURCES}
    of = WebhookKeys(Settings.load(environment), environment)
    assert of("zego") == ()
    (folder / "hooks").mkdir()
    for text, secrets in (("old\n", ["old"]), ("new\nold\n", ["new", "old"]), ("new", ["new"])):
        (folder / "hooks" / "zego").write_text(text, encoding="utf-8")
        assert [key.secret for key in of("zego")] == secrets


def test_a_file_that_cannot_be_read_is_told_once_until_it_can(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    environment = {"AFTERTAKE_SOURCES": SOURCES}
    of, told = WebhookKeys(Settings.load(environment), environment), []
    for text in (None, None, b"fine", b"\xff", b"\xff"):
        if text is not None:
            (folder / "hooks").mkdir(exist_ok=True)
            (folder / "hooks" / "zego").write_bytes(text)
        of("zego")
        told.append(len(caplog.messages))
    assert told == [1, 1, 1, 2, 2], caplog.messages


def test_a_secret_for_nobody_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="AFTERTAKE_AGORA_US_WEBHOOK_SECRET: no source, endpoint or vendor"):
        keys("agora", AFTERTAKE_AGORA_US_WEBHOOK_SECRET="s")


def test_no_secret_is_shown() -> None:
    environment = {"AFTERTAKE_SOURCES": SOURCES, "AFTERTAKE_ANY_WEBHOOK_SECRET": "canary"}
    settings = Settings.load(environment)
    assert "canary" not in repr(WebhookKeys(settings, environment)("zego"))
    assert "canary" not in str(settings.as_environment())


def test_an_endpoint_has_the_name_of_no_vendor() -> None:
    """Their secrets would be one."""
    with pytest.raises(SettingsError, match="'zego' is the name of a vendor"):
        keys("zego", AFTERTAKE_ENDPOINTS='[{"name": "zego", "url": "https://example.com/hook"}]')
