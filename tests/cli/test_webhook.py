"""`aftertake webhook`: what came, what it did, and how to try it out."""

# ruff: noqa: S106 - secrets of examples

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from catalog.events import Delivery, Signature
from deployments.sandbox.layouts import AGORA_CNAME, AGORA_SID
from deployments.sandbox.webhooks import SAMPLES, Posted, sample
from flows.loops import Overseer
from flows.settings import Settings
from storage.opening import open_store
from tests.catalog.steps import stored
from tests.cli.running import Run, aftertake
from tests.cli.site import AGORA, HOSTILE, Site
from tests.flows.test_loops import ScriptedStarter
from vendors.hooks import Message, parse
from vendors.registry import HOOKS

SECRET = "canary-secret"  # noqa: S105
AT = datetime(2026, 5, 3, 14, 0, 0, 250_000, tzinfo=UTC)


def put(site: Site, posted: Posted, signature: Signature = Signature.GOOD, sources: Sequence[str] = ("calls",)) -> int:
    """A delivery as the receiver stores it, its headers in small letters; its number."""
    message = Message(body=posted.body, document=parse(posted.body), headers={})
    delivery = Delivery(
        token=os.urandom(16).hex(),
        vendor=posted.vendor,
        received_at=AT,
        signature=signature,
        sources=tuple(sources) if signature is Signature.GOOD else (),
        body=posted.body,
        headers={name.lower(): value for name, value in posted.headers.items()},
        peer="192.0.2.7",
        dedupe_id=HOOKS[posted.vendor].read(message).dedupe_id,
    )
    with site.catalog() as catalog:
        catalog.inbox.put([delivery])
        return stored(catalog, delivery.token).id


def uploaded(vendor: str = "agora", room: str = AGORA_CNAME, secret: str = SECRET) -> Posted:
    return sample(vendor, "uploaded", task_id=AGORA_SID, room=room, secret=secret, sent_at=AT)


def take_in(site: Site) -> None:
    """As the loops do every second."""
    settings = Settings.load()
    with site.catalog() as catalog:
        output = open_store(settings.output)
        starter = ScriptedStarter()
        Overseer(name="loops", catalog=catalog, starter=starter, output=output, settings=settings).take_in()


def _end() -> None:
    raise KeyboardInterrupt


def deliveries(run: Run) -> list[dict[str, object]]:
    found: list[dict[str, object]] = run.json["deliveries"]
    return found


class TestTail:
    def test_each_has_its_signature_and_its_effect(self, site: Site) -> None:
        first = put(site, uploaded())
        again = put(site, uploaded())
        forged = put(site, uploaded(secret="stranger"), Signature.WRONG)
        take_in(site)

        run = aftertake("webhook", "tail")

        assert (run.code, run.err) == (0, "")
        head, *lines = run.out.splitlines()
        assert head.split() == ["id", "received", "(UTC)", "vendor", "signature", "event", "effect"]
        assert [line.split()[0] for line in lines] == [str(first), str(again), str(forged)]
        assert lines[0].split()[3:6] == ["agora", "good", "uploaded"]
        assert lines[0].endswith(f"{AGORA}: made recording; now stopped; looked at now")
        assert lines[1].endswith(f"{AGORA}: ignored: seen as {first}")
        assert "refused: its signature is wrong; is the secret the one of the vendor's console?" in lines[2]
        assert lines[0].split()[1:3] == ["2026-05-03", "14:00:00.250"]

    def test_as_json_and_as_lines_of_it(self, site: Site) -> None:
        number = put(site, uploaded())
        take_in(site)

        (shown,) = deliveries(aftertake("webhook", "tail", "--json"))
        (line,) = aftertake("webhook", "tail", "--jsonl").out.splitlines()

        assert json.loads(line) == shown
        assert (shown["id"], shown["recording"], shown["event"], shown["signature"]) == (
            number,
            AGORA,
            "uploaded",
            "good",
        )
        assert (shown["sources"], shown["received_at"]) == (["calls"], "2026-05-03T14:00:00.250Z")

    def test_of_one_vendor_and_the_last_so_many(self, site: Site) -> None:
        put(site, uploaded())
        zego = [put(site, sample("zego", "left", task_id="x" * 16, room="r", secret="s", sent_at=AT)) for _ in range(3)]

        run = aftertake("webhook", "tail", "--vendor", "zego", "--limit", "2", "--json")

        assert [shown["id"] for shown in deliveries(run)] == zego[1:]

    def test_following_shows_what_comes_until_it_is_ended(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        put(site, uploaded())
        take_in(site)
        waits = iter([lambda: put(site, uploaded(secret="stranger"), Signature.WRONG), _end])
        monkeypatch.setattr("cli.webhook.time.sleep", lambda _: next(waits)())

        run = aftertake("webhook", "tail", "--follow")

        assert (run.code, run.err) == (0, "")
        assert [line.split()[4] for line in run.out.splitlines()[1:]] == ["good", "wrong"]

    def test_names_do_nothing_to_a_terminal(self, site: Site) -> None:
        put(site, sample("agora", "uploaded", task_id=HOSTILE, room=HOSTILE, secret="s", sent_at=AT))
        take_in(site)

        run = aftertake("webhook", "tail")

        assert not any(c in run.out for c in "\x1b\x07\u202e")
        assert len(run.out.splitlines()) == 2


class TestShow:
    def test_the_body_is_masked(self, site: Site) -> None:
        posted = sample("zego", "uploaded", task_id="x" * 16, room="r", secret="s", sent_at=AT)
        document = json.loads(posted.body)
        document["detail"]["file_info"][0]["file_url"] = "https://bucket.example/a.m3u8?sign=canary"
        document["detail"]["file_info"][0]["user_name"] = "Ann Canary"
        body = json.dumps(document).encode()
        number = put(site, Posted(vendor="zego", headers=posted.headers, body=body))

        run = aftertake("webhook", "show", str(number))
        shown = aftertake("webhook", "show", str(number), "--json").json

        assert (run.code, run.err) == (0, "")
        assert not any(word in run.out + json.dumps(shown) for word in ("canary", "Canary", document["signature"]))
        assert shown["body"]["detail"]["file_info"][0]["file_url"] == "https://bucket.example/a.m3u8?***"
        assert (shown["body"]["task_id"], shown["size_bytes"], shown["peer"]) == ("x" * 16, len(body), "192.0.2.7")

    def test_one_that_is_percent_encoded_is_masked_as_well(self, site: Site) -> None:
        posted = sample("zego", "uploaded", task_id="x" * 16, room="r", secret="s", sent_at=AT)
        number = put(site, Posted(vendor="zego", headers={}, body=quote(posted.body).encode()))
        run = aftertake("webhook", "show", str(number))
        assert json.loads(posted.body)["signature"] not in run.out
        assert '"task_id": "xxxxxxxxxxxxxxxx"' in run.out

    def test_raw_it_is_what_came(self, site: Site, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        posted = uploaded()
        number = put(site, posted)
        from cli.main import main  # noqa: PLC0415 - with the stdout that is captured

        assert main(["webhook", "show", str(number), "--raw"]) == 0
        assert capfdbinary.readouterr().out == posted.body

    @pytest.mark.usefixtures("site")
    def test_one_that_is_not_there(self) -> None:
        run = aftertake("webhook", "show", "7")
        assert (run.code, run.out) == (4, "")
        assert run.err == "aftertake: there is no delivery 7. `aftertake webhook tail` lists those that are kept.\n"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("number", ["9" * 19, "x", "\uff11", ""])
def test_what_is_no_number_of_a_delivery_is_refused(number: str) -> None:
    run = aftertake("webhook", "show", number)
    assert (run.code, run.out) == (2, "")


class TestReplay:
    @pytest.fixture(autouse=True)
    def _seen_to(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """The loops see to a replay while the command waits."""
        monkeypatch.setattr("cli.deliveries.time.sleep", lambda _: take_in(site))

    def test_it_has_its_effect_once_more_and_says_so(self, site: Site) -> None:
        number = put(site, uploaded())
        take_in(site)

        run = aftertake("webhook", "replay", str(number), "--reason", "to be sure")

        assert (run.code, run.err) == (0, "")
        assert run.out.splitlines()[1].endswith(f"{AGORA}: looked at now (again, of {number})")
        assert site.audited() == [("ada@desk", "replay", f"delivery {number}", "to be sure")]

    def test_one_without_a_source_finds_the_one_that_is_configured_now(self, site: Site) -> None:
        number = put(site, uploaded(), sources=())
        take_in(site)
        with site.catalog() as catalog:
            assert (catalog.inbox.get(number).effect or "").endswith("hinted: no_source")

        run = aftertake("webhook", "replay", str(number))

        assert f"{AGORA}: now stopped; looked at now" in run.out

    def test_one_that_was_refused_is_believed_once_the_secret_is_right(self, site: Site) -> None:
        number = put(site, uploaded(), Signature.UNCONFIGURED)

        without = aftertake("webhook", "replay", str(number))
        site.patch.setenv("AFTERTAKE_CALLS_WEBHOOK_SECRET", SECRET)
        with_it = aftertake("webhook", "replay", str(number))

        assert (without.code, without.out) == (6, "")
        assert without.err.startswith(f"aftertake: delivery {number} is not replayed: its signature is unconfigured")
        assert with_it.code == 0
        assert f"{AGORA}: made recording; now stopped; looked at now" in with_it.out

    def test_a_forged_one_stays_refused(self, site: Site) -> None:
        site.patch.setenv("AFTERTAKE_AGORA_WEBHOOK_SECRET", SECRET)
        number = put(site, uploaded(secret="stranger"), Signature.WRONG)
        assert aftertake("webhook", "replay", str(number)).code == 6


class TestTest:
    @pytest.mark.usefixtures("site")
    def test_without_a_secret_it_says_which_to_set(self) -> None:
        run = aftertake("webhook", "test", "--vendor", "zego", "--event", "uploaded")
        assert (run.code, run.out) == (2, "")
        assert "Set AFTERTAKE_ZEGO_WEBHOOK_SECRET." in run.err

    @pytest.mark.usefixtures("site")
    def test_an_event_that_there_is_none_of_is_answered_with_those_that_are(self) -> None:
        run = aftertake("webhook", "test", "--vendor", "zego", "--event", "upload")
        assert run.code == 2
        assert all(name in run.err for name in SAMPLES["zego"])

    def test_where_nobody_answers(self, site: Site) -> None:
        site.patch.setenv("AFTERTAKE_ZEGO_WEBHOOK_SECRET", SECRET)
        run = aftertake("webhook", "test", "--vendor", "zego", "--event", "uploaded", "--url", "http://127.0.0.1:9")
        assert run.code == 2
        assert "nobody answers at http://127.0.0.1:9" in run.err
        assert SECRET not in run.err

    def test_a_true_recording_needs_its_room(self, site: Site) -> None:
        """A wrong one would promise a playlist that never comes."""
        site.patch.setenv("AFTERTAKE_AGORA_WEBHOOK_SECRET", SECRET)
        run = aftertake("webhook", "test", "--vendor", "agora", "--event", "uploaded", "--task", AGORA_SID)
        assert run.code == 2
        assert "Give it with --room" in run.err

    def test_there_is_a_sample_of_each_vendor(self) -> None:
        assert set(SAMPLES) == set(HOOKS)
