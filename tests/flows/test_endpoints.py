"""Endpoints in the settings, and what their webhooks are signed with."""

import subprocess
import sys
from argparse import Namespace
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.records import Announced
from cli import serve
from flows.endpoints import SecretError
from flows.settings import (
    Endpoint,
    Settings,
    SettingsError,
)
from tests.flows.written import PASSWORD, refused, write

SECRET = f"whsec_{b64encode(b'k' * 32).decode()}"
TWO = """
[[endpoints]]
name = "crm"
url = "https://crm.example/"

[[endpoints]]
name = "our-index"
url = "http://index.internal:8000/"
private = true
secrets = "secrets/index"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of each test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


HTTPS = "url: write https://HOST/PATH, without user, password and #; http:// is for endpoints with private = true only"
IN_AN_ENDPOINT = {
    'name = "CRM"': "name: it should match pattern",
    'url = ""': HTTPS,
    'url = "crm.example"': HTTPS,
    'url = "http://crm.example/"': HTTPS,
    'url = "ftp://crm.example/"': HTTPS,
    'url = "https:///hooks"': HTTPS,
    'url = "https://crm.example:0/"': HTTPS,
    'url = "https://crm.example:99999/"': HTTPS,
    'url = "https://[::1/"': HTTPS,
    'url = "https://crm.example/#a"': HTTPS,
    'url = "https://crm.example/a b"': HTTPS,
    'url = "https://krämer.example/"': HTTPS,
    f'url = "https://me:{PASSWORD}@crm.example/"': HTTPS,
    f'url = "https://{PASSWORD}@crm.example/"': HTTPS,
    "url = 5": "url: it should be a valid string",
    'private = "yes"': "private: it should be a valid boolean",
    'events = ["recording.lost"]': "events[0]: it should be 'recording.settled', 'recording.improved' or 'export.done'",
    "events = []": "events: ",
    f'secret = "{PASSWORD}"': "secret: there is no such setting; did you mean secrets?",
    'deadline = "1h"': "deadline: there is no such setting; there are name, private, url, events, secrets",
}


def test_an_endpoint_is_told_of_everything_unless_it_says_otherwise() -> None:
    assert Endpoint(name="bi", url="https://bi.example/").events == tuple(Announced)


class TestRefusals:
    @pytest.mark.parametrize("line", IN_AN_ENDPOINT)
    def test_of_an_endpoint(self, line: str) -> None:
        fields = {"name": 'name = "b"', "url": 'url = "https://b.example/"'} | {line.partition(" ")[0]: line}
        write("\n".join(['[[endpoints]]\nname = "a"\nurl = "https://a.example/"\n[[endpoints]]', *fields.values()]))
        assert refused().startswith(f"aftertake.toml: endpoints[1].{IN_AN_ENDPOINT[line]}")

    def test_of_endpoints_in_a_variable(self) -> None:
        said = refused({"AFTERTAKE_ENDPOINTS": '[{"name": "a", "url": "https://a.example/", "event": []}]'})
        assert said == "AFTERTAKE_ENDPOINTS[0].event: there is no such setting; did you mean events?"
        assert refused({"AFTERTAKE_ENDPOINTS": '["https://a.example/"]'}).startswith(
            "AFTERTAKE_ENDPOINTS[0]: write a table"
        )

    def test_of_one_name_for_several(self) -> None:
        """Whose secrets would be in one variable."""
        write(
            '[[sources]]\nname = "a"\nstore = "memory://a"\n'
            '[[endpoints]]\nname = "b"\nurl = "https://b/"\n[[endpoints]]\nname = "b"\nurl = "https://c/"\n'
        )
        assert refused() == (
            "aftertake.toml: endpoints[1]: 'b' is the name of aftertake.toml: endpoints[0] too; write another name"
        )
        assert refused({"AFTERTAKE_ENDPOINTS": '[{"name": "a", "url": "https://a/"}]'}) == (
            "AFTERTAKE_ENDPOINTS[0]: 'a' is the name of aftertake.toml: sources[0] too; write another name"
        )


class TestSigning:
    ENDPOINT = Endpoint(name="crm-eu", url="https://crm.example/")

    @pytest.mark.parametrize("written", [SECRET, f" {SECRET}\n", f"{SECRET} whsec_{b64encode(b'o' * 24).decode()}"])
    def test_with_one_secret_or_two(self, written: str, folder: Path) -> None:
        assert self.ENDPOINT.signing_secrets({"AFTERTAKE_CRM_EU_WEBHOOK_SECRET": written}) == tuple(written.split())
        write(written, "secrets")
        assert replace(self.ENDPOINT, secrets=folder / "secrets").signing_secrets({}) == tuple(written.split())

    @pytest.mark.parametrize(
        "written",
        [
            "",
            PASSWORD,
            SECRET.removeprefix("whsec_"),
            f"whsec_{PASSWORD}",
            f"{SECRET} whsec_",
            f"whsec_{b64encode(b'k' * 23).decode()}",
            f"whsec_{b64encode(b'k' * 65).decode()}",
            f"{SECRET[:-4]}ä===",
            " ".join([SECRET] * 3),
        ],
    )
    def test_with_anything_else_it_is_refused(self, written: str, folder: Path) -> None:
        write(written, "secrets")
        for endpoint, place in (
            (self.ENDPOINT, "AFTERTAKE_CRM_EU_WEBHOOK_SECRET"),
            (replace(self.ENDPOINT, secrets=folder / "secrets"), f"the file {folder}/secrets"),
        ):
            with pytest.raises(SecretError) as caught:
                endpoint.signing_secrets({"AFTERTAKE_CRM_EU_WEBHOOK_SECRET": written})
            assert str(caught.value).startswith(f"endpoint crm-eu: {place} must hold one secret, or two")
            assert SECRET not in str(caught.value)
            assert PASSWORD not in str(caught.value)

    def test_all_that_cannot_sign_are_named_at_the_start(self) -> None:
        write(TWO)
        settings = Settings.load({})
        with pytest.raises(SettingsError) as caught:
            settings.require_secrets({})
        crm, index = str(caught.value).splitlines()
        assert crm.startswith("endpoint crm: AFTERTAKE_CRM_WEBHOOK_SECRET must hold one secret")
        assert index.endswith("/secrets/index: No such file or directory")
        write(SECRET, "secrets/index")
        settings.require_secrets({"AFTERTAKE_CRM_WEBHOOK_SECRET": SECRET})

    @pytest.mark.parametrize(("parts", "is_refused"), [([], True), (["web", "loops"], True), (["worker"], False)])
    def test_loops_are_not_even_started(
        self, monkeypatch: pytest.MonkeyPatch, parts: list[str], *, is_refused: bool
    ) -> None:
        """By the command, before it makes processes that would only end."""
        write(TWO)

        def start(*_: object) -> None:
            raise Started

        monkeypatch.setattr(serve, "Serving", start)
        with pytest.raises(SettingsError if is_refused else Started):
            serve.run(Namespace(parts=parts))

    def test_loops_refuse_to_start(self) -> None:
        write(TWO)
        text = "from flows.hosting import run_overseer; run_overseer()"
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", text],
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"endpoint crm: AFTERTAKE_CRM_WEBHOOK_SECRET must hold one secret" in done.stderr


class Started(Exception):  # noqa: N818 - it is none
    pass
