"""What the receiver of webhooks answers, and what it keeps."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from catalog.errors import CatalogTextError
from catalog.events import Delivery, Signature
from tests.web.receiving import (
    NOW,
    SECRET,
    SIGNATURE,
    MemoryInbox,
    application,
    body_of,
    parts,
    signature_of,
)
from vendors.hooks import Key
from web.bodies import Limits
from web.repeats import ENOUGH, Repeats

REFUSED = {"status": "refused", "why": "the signature does not fit"}


class Talk:
    """A receiver, and somebody who posts to it."""

    def __init__(self, inbox: MemoryInbox, **others: Any) -> None:  # noqa: ANN401 - parts of a receiver
        self.inbox = inbox
        self.app = application(replace(parts(inbox), **others))

    def ask(self, method: str, path: str, body: object = b"", **headers: str) -> httpx.Response:
        async def talk() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                answer = await client.request(method, path, content=body, headers=named)  # type: ignore[arg-type]
                await asyncio.sleep(0.05)  # what is kept without being waited for
                return answer

        return asyncio.run(talk())

    def post(self, body: bytes, signature: str | None = None, **headers: str) -> httpx.Response:
        """Rightly signed unless said."""
        signed = signature_of(body) if signature is None else signature
        return self.ask("POST", "/hooks/bodied", body, **{SIGNATURE: signed, **headers})


@pytest.fixture
def talk() -> Talk:
    return Talk(MemoryInbox())


def test_what_is_signed_is_stored_before_it_is_acknowledged(talk: Talk) -> None:
    body = body_of(7, app="x")

    answer = talk.post(body, user_agent="Vendor/1.0")

    assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
    (kept,) = talk.inbox.deliveries
    assert kept == Delivery(
        token=kept.token,
        vendor="bodied",
        received_at=NOW,
        signature=Signature.GOOD,
        sources=("bodied here",),
        body=body,
        headers=kept.headers,
        peer="127.0.0.1:123",
        dedupe_id="message 7",
    )
    assert len(kept.token) == 32
    assert kept.headers["user-agent"] == "Vendor/1.0"
    assert kept.headers[SIGNATURE] == signature_of(body)


def test_each_delivery_of_a_message_has_its_own_token(talk: Talk) -> None:
    talk.post(body_of())
    talk.post(body_of())
    first, second = talk.inbox.deliveries
    assert first.token != second.token
    assert first.dedupe_id == second.dedupe_id


def test_what_is_stored_again_and_again_is_stored_no_more(talk: Talk) -> None:
    """Acknowledged it is nevertheless: it is there."""
    answers = {talk.post(body_of()).status_code for _ in range(ENOUGH + 5)}
    assert (answers, len(talk.inbox.deliveries)) == ({200}, ENOUGH)
    talk.post(body_of(2))
    assert len(talk.inbox.deliveries) == ENOUGH + 1


def test_what_could_not_be_stored_does_not_count_as_stored() -> None:
    inbox = MemoryInbox()
    talk = Talk(inbox)
    inbox.away = True
    assert {talk.post(body_of()).status_code for _ in range(ENOUGH + 1)} == {503}
    inbox.away = False
    assert (talk.post(body_of()).status_code, len(inbox.deliveries)) == (200, 1)


def test_a_seal_is_good_for_two_messages(talk: Talk) -> None:
    """Where the signature does not cover the body, anybody who saw it can say more under it."""
    answers = [
        talk.ask("POST", f"/hooks/urled/{SECRET}", body_of(number, seal="1:2")).status_code
        for number in (1, 2, 1, 3, 4, 2)
    ]
    assert answers == [200, 200, 200, 401, 401, 200]
    spent = [kept for kept in talk.inbox.deliveries if kept.signature is Signature.SPENT]
    assert [(kept.dedupe_id, kept.seal) for kept in spent] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        (signature_of(body_of())[:-1], Signature.WRONG),
        (signature_of(body_of(2)), Signature.WRONG),
        (signature_of(body_of(), "another secret"), Signature.WRONG),
        ("", Signature.WRONG),
    ],
)
def test_what_is_wrongly_signed_is_refused_and_kept_as_refused(talk: Talk, signature: str, shown: Signature) -> None:
    answer = talk.ask("POST", "/hooks/bodied", body_of(), **{SIGNATURE: signature})

    assert (answer.status_code, answer.json()) == (401, REFUSED)
    (kept,) = talk.inbox.deliveries
    assert (kept.signature, kept.sources, kept.body) == (shown, (), body_of())


def test_whatever_is_wrong_with_a_signature_nobody_outside_is_told_what(caplog: pytest.LogCaptureFixture) -> None:
    late = body_of(sent_s=int(NOW.timestamp()) - 301)
    none = Talk(MemoryInbox()).ask("POST", "/hooks/bodied", body_of())
    stale = Talk(MemoryInbox()).post(late)
    unconfigured = Talk(MemoryInbox(), keys=lambda _vendor: [Key(secret="", source=None)]).post(body_of())
    wrong = Talk(MemoryInbox()).post(body_of(), "guessed")

    answers = [none, stale, unconfigured, wrong]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, REFUSED)] * 4
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    for signature in ("none", "stale", "unconfigured", "wrong"):
        assert f"signature is {signature}" in caplog.text


def test_a_refused_message_takes_nobodys_place(talk: Talk) -> None:
    """Else whoever guesses the id of a message could have the true one be taken for a repetition."""
    talk.ask("POST", "/hooks/bodied", body_of())
    (kept,) = talk.inbox.deliveries
    assert (kept.dedupe_id, kept.seal) == (None, None)


def test_only_so_many_refused_ones_are_kept(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    answers = [talk.post(body_of(number), "guessed") for number in range(3)]
    assert len(talk.inbox.deliveries) == 3

    async def storm() -> list[int]:
        transport = httpx.ASGITransport(talk.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            statuses = [(await client.post("/hooks/bodied", content=body_of())).status_code for _ in range(100)]
            await asyncio.sleep(0.1)
            return statuses

    assert asyncio.run(storm()) == [401] * 100
    assert [answer.status_code for answer in answers] == [401] * 3
    assert 60 <= len(talk.inbox.deliveries) <= 65
    assert caplog.text.count("refused a delivery") == len(talk.inbox.deliveries)


def test_what_is_refused_cannot_spoil_the_transaction_of_what_is_good() -> None:
    class Choosy(MemoryInbox):
        def put(self, deliveries: Sequence[Delivery]) -> None:
            if any(delivery.signature is not Signature.GOOD for delivery in deliveries):
                raise CatalogTextError("some text of it cannot be held")
            super().put(deliveries)

    async def together() -> list[int]:
        transport = httpx.ASGITransport(application(parts(Choosy())))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            signed = {SIGNATURE: signature_of(body_of())}
            posts = [client.post("/hooks/bodied", content=body_of(), headers=signed) for _ in range(30)]
            forged = [client.post("/hooks/bodied", content=body_of()) for _ in range(30)]
            mixed = [post for pair in zip(forged, posts, strict=True) for post in pair]
            return [answer.status_code for answer in await asyncio.gather(*mixed)]

    assert asyncio.run(together()) == [401, 200] * 30


def test_a_consoles_check_is_answered_and_has_no_effect_unless_it_is_signed(talk: Talk) -> None:
    check = body_of(room="test_webhook")

    unsigned = talk.ask("POST", "/hooks/bodied", check)
    signed = talk.post(check)

    assert (unsigned.status_code, unsigned.json()) == (200, {"status": "check"})
    assert (signed.status_code, signed.json()) == (200, {"status": "stored"})
    assert [kept.signature for kept in talk.inbox.deliveries] == [Signature.NONE, Signature.GOOD]


def test_a_secret_in_the_url_signs_and_is_neither_stored_nor_logged(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    right = talk.ask("POST", "/hooks/urled/a%20secret%20that%20signs", body_of(seal="sealed"))
    wrong = talk.ask("POST", "/hooks/urled/a%20secret%20that%20does%20not", body_of())
    none = talk.ask("POST", "/hooks/urled", body_of())

    assert [answer.status_code for answer in (right, wrong, none)] == [200, 401, 401]
    first, *others = talk.inbox.deliveries
    assert (first.signature, first.seal) == (Signature.GOOD, "sealed")
    assert [other.signature for other in others] == [Signature.WRONG, Signature.NONE]
    assert SECRET not in str([*talk.inbox.deliveries])
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("web")]
    assert ours
    assert not [line for line in ours if "secret" in line]


@pytest.mark.parametrize("path", ["/hooks/bodied", "/hooks/urled", "/hooks/urled/whatever"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_consoles_may_look_whether_the_address_answers(talk: Talk, method: str, path: str) -> None:
    assert talk.ask(method, path).status_code == 200
    assert talk.inbox.deliveries == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"])
def test_nothing_else_is_taken(talk: Talk, method: str) -> None:
    answer = talk.ask(method, "/hooks/bodied", body_of())
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("path", ["/hooks/", "/hooks/nobody", "/hooks//bodied", "/hooks/Bodied", "/hooks"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_vendor_that_nobody_knows_is_not_found(talk: Talk, method: str, path: str) -> None:
    assert talk.ask(method, path, body_of()).status_code == 404
    assert talk.inbox.deliveries == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[1]",
        b"{" * 50,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b'{"a":' + b"9" * 200_000 + b"}",
        b"\xff\xfe\x00",
    ],
    ids=["nothing", "text", "a list", "a beginning", "deep lists", "deep objects", "a long number", "bytes"],
)
def test_what_is_no_message_is_refused_also_with_a_right_signature(talk: Talk, body: bytes) -> None:
    answer = talk.post(body)
    assert (answer.status_code, answer.json()["status"]) == (400, "refused")
    assert talk.inbox.deliveries == []


def test_a_message_may_be_as_large_as_the_limit_and_no_larger(talk: Talk) -> None:
    fitting = body_of(pad="").replace(b'""', b'"' + b"x" * (256 * 1024 - len(body_of(pad=""))) + b'"')
    assert len(fitting) == 256 * 1024

    assert talk.post(fitting).status_code == 200
    assert talk.post(fitting + b" ").status_code == 413
    assert talk.inbox.bodies == [fitting]


async def pieces(*sent: bytes) -> AsyncIterator[bytes]:
    for piece in sent:
        yield piece


def test_what_comes_in_pieces_is_counted_as_it_comes(talk: Talk) -> None:
    body = body_of()
    signed = {SIGNATURE: signature_of(body)}

    whole = talk.ask("POST", "/hooks/bodied", pieces(body[:3], b"", body[3:]), **signed)
    large = talk.ask("POST", "/hooks/bodied", pieces(*[b" " * 1000] * 263), **signed)

    assert (whole.status_code, large.status_code) == (200, 413)
    assert talk.inbox.bodies == [body]


@pytest.mark.parametrize("length", ["-1", "many", "1_0", "+5", "٣", "", "0x10", "9" * 5000])
def test_a_length_that_is_none_is_refused_without_reading(talk: Talk, length: str) -> None:
    status, read = ask_raw(talk, [(b"content-length", length.encode())])
    assert (status, read) == (400, 0)


def test_a_length_beyond_the_limit_is_refused_without_reading(talk: Talk) -> None:
    assert ask_raw(talk, [(b"content-length", b"262145")]) == (413, 0)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity", "GZIP", ""])
def test_what_is_packed_is_never_unpacked(talk: Talk, encoding: str) -> None:
    assert ask_raw(talk, [(b"content-encoding", encoding.encode())]) == (400, 0)


def test_plain_may_be_called_identity(talk: Talk) -> None:
    assert talk.post(body_of(), content_encoding="Identity").status_code == 200


def ask_raw(talk: Talk, headers: Sequence[tuple[bytes, bytes]]) -> tuple[int, int]:
    """The status, and how often the body was asked for."""
    told: list[Any] = []
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/hooks/bodied", "headers": headers, "client": None}
    asyncio.run(talk.app(scope, receive, send))
    return told[0]["status"], asked


def test_what_cannot_be_stored_is_never_acknowledged(talk: Talk) -> None:
    talk.inbox.away = True
    answer = talk.post(body_of())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    talk.inbox.away = False
    assert talk.post(body_of()).status_code == 200


def test_who_waits_too_long_for_the_inbox_is_told_to_come_again() -> None:
    slow = Talk(MemoryInbox(), storing_patience=timedelta(seconds=0.05))
    slow.inbox.gate.clear()

    async def talk() -> httpx.Response:
        transport = httpx.ASGITransport(slow.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            answer = await client.post("/hooks/bodied", content=body_of(), headers={SIGNATURE: signature_of(body_of())})
            slow.inbox.gate.set()
            return answer

    answer = asyncio.run(talk())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_only_so_much_is_held_at_once_and_all_of_it_is_given_back() -> None:
    full = Talk(MemoryInbox(), limits=Limits(held_bytes=100))
    for _ in range(3):
        assert full.post(body_of(pad="x" * 100)).status_code == 503
        assert full.post(body_of()).status_code == 200
        assert full.post(b"no JSON").status_code == 400
        assert full.post(body_of(), "guessed").status_code == 401


def test_a_message_that_we_cannot_read_is_stored_unread(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    assert talk.post(body_of(unreadable=True)).status_code == 200
    (kept,) = talk.inbox.deliveries
    assert (kept.signature, kept.dedupe_id) == (Signature.GOOD, None)
    assert "stored unread" in caplog.text


def test_text_that_no_database_holds_is_spelled_out(talk: Talk) -> None:
    """It would spoil the transaction of everybody who waits with it."""
    body = json.dumps({"id": "odd \0 and \ud800"}).encode()
    assert talk.post(body).status_code == 200
    assert talk.inbox.deliveries[0].dedupe_id == r"odd \u0000 and \ud800"


def test_ids_are_short_enough_for_every_index_and_still_tell_messages_apart(talk: Talk) -> None:
    for end in ("a", "b"):
        talk.post(json.dumps({"id": "é" * 10_000 + end}).encode())
    first, second = (kept.dedupe_id or "" for kept in talk.inbox.deliveries)
    assert first != second
    assert max(len(first), len(second)) <= 256


def test_only_headers_without_secrets_are_kept(talk: Talk) -> None:
    given = {"authorization": "Bearer x", "cookie": "a=b", "x_api_key": "k", "x_forwarded_for": "9.9.9.9" * 100}
    more = {f"agora_signature_{number}": "s" for number in range(40)}
    talk.post(body_of(), **given, **more)

    (kept,) = talk.inbox.deliveries
    assert not {"authorization", "cookie", "x-api-key"} & set(kept.headers)
    assert len(kept.headers["x-forwarded-for"]) == 256
    assert len(kept.headers) == 32


def test_the_secrets_are_asked_for_each_time_and_by_vendor() -> None:
    asked: list[str] = []

    def keys(vendor: str) -> list[Key]:
        asked.append(vendor)
        return [Key(secret="old" if len(asked) == 1 else "new", source=None)]

    rotated = Talk(MemoryInbox(), keys=keys)
    body = body_of()
    assert rotated.post(body, signature_of(body, "old")).status_code == 200
    assert rotated.post(body, signature_of(body, "old")).status_code == 401
    assert rotated.post(body, signature_of(body, "new")).status_code == 200
    assert asked == ["bodied"] * 3


def test_health_answers_as_before(talk: Talk) -> None:
    assert talk.ask("GET", "/livez").json() == {"status": "ok"}


def test_only_so_many_messages_are_remembered() -> None:
    talk = Talk(MemoryInbox())
    for number in range(5):
        talk.post(body_of(number))
    repeats, sent = Repeats(most=3), talk.inbox.deliveries
    for one in sent:
        for _ in range(ENOUGH):
            repeats.note(one)
    assert [repeats.has_enough(one) for one in sent] == [False, False, True, True, True]
