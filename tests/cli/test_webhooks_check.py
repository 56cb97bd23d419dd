"""`aftertake doctor` on webhooks: a vendor without a secret is posted to in vain."""

import pytest

from cli.webhooks_check import check_webhooks
from flows.settings import Settings
from flows.steps.store_checks import Outcome
from tests.cli.running import aftertake
from tests.cli.site import Site

SOURCES = '[{"name": "a", "vendor": "agora", "store": "in/a"}, {"name": "z", "vendor": "zego", "store": "in/z"}]'
AGORA, ZEGO = "AFTERTAKE_A_WEBHOOK_SECRET", "AFTERTAKE_ZEGO_WEBHOOK_SECRET"


@pytest.mark.parametrize(
    ("sources", "secrets", "outcome", "seen"),
    [
        (SOURCES, (AGORA, ZEGO), Outcome.OK, "there are secrets for agora, zego"),
        (SOURCES, (ZEGO,), Outcome.WARN, "no secret for agora: all that is posted for them is refused"),
        (SOURCES, (), Outcome.SKIPPED, "no secret is set here; without one, `web` refuses all that vendors post"),
        ('[{"name": "a", "vendor": "plain", "store": "in"}]', (ZEGO,), Outcome.OK, "there are secrets for zego"),
    ],
)
def test_each_vendor_that_a_source_names_needs_one(
    sources: str, secrets: tuple[str, ...], outcome: Outcome, seen: str
) -> None:
    environment = {"AFTERTAKE_SOURCES": sources, **dict.fromkeys(secrets, "s")}
    check = check_webhooks(Settings.load(environment), environment)
    assert (check.outcome, check.seen) == (outcome, seen)
    assert ("WEBHOOK_SECRET" in check.fix) is (outcome is Outcome.WARN)


def test_it_is_shown_beside_the_catalog(site: Site) -> None:
    site.patch.setenv("AFTERTAKE_CALLS_WEBHOOK_SECRET", "canary")
    run = aftertake("doctor", "--json")
    assert run.json["webhooks"]["seen"] == "there are secrets for agora, zego, jocloud"
    assert run.json["catalog"]["outcome"] == "ok"
    assert "canary" not in run.out
