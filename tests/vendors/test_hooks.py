"""What all webhooks have in common: signatures and forgeries, sources and projects, and readers that never fail."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import pytest

from catalog.events import RecordingEvent, Signature, Word
from tests.vendors.forging import V1, V2, forgeries, sha1, sha256, zego_signature
from tests.vendors.messages import agora_document, agora_signed, jocloud_document, message, zego_document
from vendors.fields import MAX_DEDUPE_ID, dedupe_id, fingerprint, number, when
from vendors.hooks import MAX_NESTING, TOLERANCE, Checked, Key, Message, MessageError, check, parse
from vendors.registry import HOOKS, VENDORS

SECRET = "a Secret of 32 characters, é 1234"  # noqa: S105
SENT_AT = datetime(2024, 1, 2, 3, 4, 5, 0, UTC)
ZEGO_SECRET = "secret"  # noqa: S105 - of the documents
KEYS = (Key(secret=SECRET, source="rooms"),)
GOOD = Checked(signature=Signature.GOOD, sources=("rooms",))
FORGERIES = 2_000

# Agora's documents: body, secret and both digests.
VECTOR = (
    b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
    b'"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}'
)
VECTOR_V1 = "033c62f40f687675f17f0f41f91a40c71c0f134c"
VECTOR_V2 = "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99"


def agora(body: bytes, headers: Mapping[str, str]) -> Message:
    return Message(body=body, document=parse(body), headers=headers)


def zego(**fields: object) -> Message:
    return message(zego_document(7, **fields))


def signature(vendor: str, sent: Message, *keys: Key, now: datetime = SENT_AT) -> Signature:
    return check(HOOKS[vendor], sent, keys or KEYS, now).signature


def test_every_vendor_with_rooms_has_a_hook() -> None:
    assert set(HOOKS) == set(VENDORS) - {"plain"}
    assert all(hook.vendor == vendor for vendor, hook in HOOKS.items())
    assert [hook.covers_body for hook in HOOKS.values()] == [True, False, False]


def test_the_signatures_of_agoras_documents() -> None:
    hook = HOOKS["agora"]
    assert hook.fits(agora(VECTOR, {V2: VECTOR_V2}), "secret")
    assert hook.fits(agora(VECTOR, {V1: VECTOR_V1}), "secret")
    assert hook.fits(agora(VECTOR, {V1: "wrong", V2: VECTOR_V2}), "secret")
    assert not hook.fits(agora(VECTOR, {V1: VECTOR_V1, V2: "wrong"}), "secret")
    assert not hook.fits(agora(VECTOR, {V1: VECTOR_V1, V2: ""}), "secret")
    assert not hook.fits(agora(VECTOR + b" ", {V2: VECTOR_V2}), "secret")
    assert not hook.fits(agora(VECTOR, {V2: VECTOR_V2}), "Secret")
    assert not hook.fits(agora(VECTOR, {}), "secret")
    assert (hook.seal(agora(VECTOR, {})), hook.signed_at(agora(VECTOR, {}))) == (None, None)


def test_an_empty_secret_fits_nothing() -> None:
    assert not HOOKS["agora"].fits(agora(VECTOR, {V1: sha1("", VECTOR), V2: sha256("", VECTOR)}), "")
    unsigned = {"timestamp": "1704164645", "nonce": "1", "signature": zego_signature("", "1704164645", "1")}
    assert not HOOKS["zego"].fits(message(unsigned), "")
    assert not HOOKS["jocloud"].fits(message({}, url_secret=""), "")


def test_without_secrets_nothing_is_good() -> None:
    sent = agora(VECTOR, {V2: sha256("", VECTOR)})
    assert check(HOOKS["agora"], sent, [], SENT_AT) == Checked(signature=Signature.UNCONFIGURED)
    assert signature("agora", sent, Key(secret="", source="rooms")) is Signature.UNCONFIGURED


def test_a_message_is_good_unsigned_or_wrong() -> None:
    assert check(HOOKS["agora"], agora_signed(agora_document(31), SECRET), KEYS, SENT_AT) == GOOD
    assert signature("agora", agora(VECTOR, {})) is Signature.NONE
    assert signature("agora", agora(VECTOR, {V1: ""})) is Signature.WRONG
    assert signature("zego", message({})) is Signature.NONE
    assert signature("zego", zego()) is Signature.WRONG
    assert signature("jocloud", message(jocloud_document())) is Signature.NONE
    assert signature("jocloud", message(jocloud_document(), url_secret="other")) is Signature.WRONG  # noqa: S106
    assert check(HOOKS["jocloud"], message(jocloud_document(), url_secret=SECRET), KEYS, SENT_AT) == GOOD


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        (timedelta(0), Signature.GOOD),
        (TOLERANCE, Signature.GOOD),
        (-TOLERANCE, Signature.GOOD),
        (TOLERANCE + timedelta(microseconds=1), Signature.STALE),
        (-TOLERANCE - timedelta(microseconds=1), Signature.STALE),
        (timedelta(days=365), Signature.STALE),
    ],
)
def test_a_signed_time_must_be_near(apart: timedelta, expected: Signature) -> None:
    keys = [Key(secret=ZEGO_SECRET, source="rooms")]
    assert check(HOOKS["zego"], zego(), keys, SENT_AT + apart).signature is expected


def test_a_late_message_speaks_for_no_source() -> None:
    keys = [Key(secret=ZEGO_SECRET, source="rooms")]
    assert check(HOOKS["zego"], zego(), keys, SENT_AT + timedelta(days=1)).sources == ()


def test_a_secret_speaks_for_its_sources() -> None:
    keys = [
        Key(secret=ZEGO_SECRET, source="of any project"),
        Key(secret=ZEGO_SECRET, source="of this project", app="1234567890"),
        Key(secret=ZEGO_SECRET, source="of another project", app="1"),
        Key(secret=ZEGO_SECRET, source=None),
        Key(secret=SECRET, source="of another secret"),
        Key(secret=ZEGO_SECRET, source="of any project", app="1234567890"),
    ]
    checked = check(HOOKS["zego"], zego(), keys, SENT_AT)
    assert checked == Checked(signature=Signature.GOOD, sources=("of any project", "of this project"))


def test_where_messages_name_no_project_the_secret_does() -> None:
    """Agora's do not; each of its projects has a secret of its own."""
    sent = agora_signed(agora_document(31), SECRET)
    keys = [Key(secret=SECRET, source="one", app="4711"), Key(secret=ZEGO_SECRET, source="two", app="4712")]
    assert check(HOOKS["agora"], sent, keys, SENT_AT) == Checked(signature=Signature.GOOD, sources=("one",))


ODD_APPS: list[object] = [None, True, 10**30, "", [], "a\0"]


def test_the_project_of_a_message() -> None:
    assert HOOKS["zego"].app(zego(app_id=12)) == HOOKS["zego"].app(zego(app_id="12")) == "12"
    assert [HOOKS["zego"].app(zego(app_id=odd)) for odd in ODD_APPS] == [None] * len(ODD_APPS)
    assert HOOKS["jocloud"].app(message(jocloud_document())) == "123123"
    assert HOOKS["agora"].app(agora(VECTOR, {})) is None


def forged(vendor: str, seed: int) -> list[tuple[str, Message]]:
    """Forgeries of one good message, which is judged right after it was sent."""
    if vendor == "agora":
        sent = agora_signed(agora_document(31, {"fileList": "a.m3u8"}), SECRET)
        assert signature(vendor, sent) is Signature.GOOD
    elif vendor == "zego":
        sent = zego()
        assert signature(vendor, sent, Key(secret=ZEGO_SECRET, source="rooms")) is Signature.GOOD
    else:
        sent = message(jocloud_document())
    secret = ZEGO_SECRET if vendor == "zego" else SECRET
    return list(islice(forgeries(Random(seed), sent.body, sent.headers, secret), FORGERIES))


@pytest.mark.parametrize("vendor", HOOKS)
def test_no_forgery_is_good(vendor: str) -> None:
    key = Key(secret=ZEGO_SECRET if vendor == "zego" else SECRET, source="rooms")
    tried = forged(vendor, seed=1)
    assert [what for what, sent in tried if signature(vendor, sent, key) is Signature.GOOD] == []
    for _, sent in tried:
        assert isinstance(HOOKS[vendor].read(sent), RecordingEvent)


def test_forgers_try_everything() -> None:
    ways = {vendor: {what for what, _ in forged(vendor, seed=2)} for vendor in HOOKS}
    assert {vendor: len(names) for vendor, names in ways.items()} == {"agora": 8, "zego": 7, "jocloud": 1}


@pytest.mark.parametrize(
    "given_signature", ["é" * 64, "\ud800" * 64, VECTOR_V2.upper(), f" {VECTOR_V2}", VECTOR_V2[:63]]
)
def test_an_odd_header_is_wrong(given_signature: str) -> None:
    assert not HOOKS["agora"].fits(agora(VECTOR, {V2: given_signature}), "secret")
    assert not HOOKS["agora"].fits(agora(VECTOR, {V1: given_signature}), "secret")


def test_a_body_may_be_percent_encoded() -> None:
    assert parse(b"%7B%22event_type%22%3A7%7D") == {"event_type": 7}
    assert parse(b'{"event_type":7}') == {"event_type": 7}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"nonsense", "no JSON"),
        (b"[1]", "no object"),
        (b"7", "no object"),
        (b"\xff\xfe\xff", "no JSON"),
        (b'{"a":NaN}', "no JSON"),
        (b'{"a":-Infinity}', "no JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "no JSON"),
        (b"%7B%22", "no JSON"),
        (b'{"a":' * (MAX_NESTING + 1) + b"1" + b"}" * (MAX_NESTING + 1), "too deeply"),
        (b'{"a":' + b"[" * 100_000, "too deeply"),
    ],
)
def test_what_is_no_message(body: bytes, why: str) -> None:
    with pytest.raises(MessageError, match=why):
        parse(body)


def test_the_deepest_message_is_read() -> None:
    body = b'{"detail":' * (MAX_NESTING - 1) + b"{}" + b"}" * (MAX_NESTING - 1)
    assert HOOKS["zego"].read(message(json.loads(body))).word is Word.HEARD
    assert HOOKS["agora"].read(message(json.loads(body))).word is Word.HEARD


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), ("7", 7), (7.0, 7), ("-7", -7), (True, None), (7.5, None), ("7.0", None), ("٣", None), (2**63, None)],
)
def test_numbers(value: object, expected: int | None) -> None:
    assert number(value) == expected


NO_TIMES: list[object] = [0, -1, 10**14, "soon", None, True, []]


def test_times_in_seconds_and_in_milliseconds() -> None:
    assert when(1_704_164_645) == when("1704164645000") == SENT_AT
    assert when(1_704_164_645_006) == SENT_AT + timedelta(milliseconds=6)
    assert [when(odd) for odd in NO_TIMES] == [None] * len(NO_TIMES)


def test_the_number_of_a_message_is_one_that_a_database_can_count() -> None:
    for odd in (2**31, -1, True, 1.5, "1.5", None):
        assert HOOKS["agora"].read(message(agora_document(31, sequence=odd))).sequence is None
        assert HOOKS["zego"].read(zego(sequence=odd)).sequence is None
    assert HOOKS["agora"].read(message(agora_document(31, sequence=2**31 - 1))).sequence == 2**31 - 1


def test_dedupe_ids_cannot_be_mistaken_for_each_other() -> None:
    odd = "ä\0\ud800"
    assert dedupe_id("a", None, 7) == "a:-:7"
    assert dedupe_id("a:b", "c") != dedupe_id("a", "b:c")
    assert dedupe_id("a:b", "c").startswith("sha256:")
    assert dedupe_id(odd) == f"sha256:{fingerprint([odd])}"
    assert [len(dedupe_id("a" * length)) for length in (MAX_DEDUPE_ID, MAX_DEDUPE_ID + 1)] == [MAX_DEDUPE_ID, 71]
