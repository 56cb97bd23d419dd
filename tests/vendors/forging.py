"""Messages that no vendor sent, made of one that it did: for every way to forge that we can think of, endlessly."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from vendors.hooks import Message, MessageError, parse

V1, V2 = "agora-signature", "agora-signature-v2"

Forged = tuple[bytes, Mapping[str, str], str | None]
Forger = Callable[[Random, bytes, Mapping[str, str], str], Forged]


def forgeries(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Iterator[tuple[str, Message]]:
    """What was done, and the message: of Agora where a header is signed, of ZEGOCLOUD where the body says so.

    For a vendor that signs nothing `secret` is the one in the URL. None of them is to be found good.
    """
    ways = _ways(body, headers)
    while True:
        what, forge = rng.choice(ways)
        forged, with_headers, url_secret = forge(rng, body, headers, secret)
        if (forged, with_headers, url_secret) != (body, headers, secret):
            yield what, message(forged, with_headers, url_secret)


def message(body: bytes, headers: Mapping[str, str], url_secret: str | None = None) -> Message:
    """The message of a request; what is no JSON is taken for an empty object."""
    try:
        document = parse(body)
    except MessageError:
        document = {}
    return Message(body=body, document=document, headers=headers, url_secret=url_secret)


def _ways(body: bytes, headers: Mapping[str, str]) -> list[tuple[str, Forger]]:
    if V2 in headers or V1 in headers:
        return _AGORA
    return _ZEGO if "signature" in parse(body) else _SECRET


def sha256(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def sha1(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def zego_signature(secret: str, timestamp: str, nonce: str) -> str:
    parts = sorted(part.encode() for part in (secret, timestamp, nonce))
    return hashlib.sha1(b"".join(parts)).hexdigest()  # noqa: S324 - the vendor's


def _flipped(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _other_secret(rng: Random, secret: str) -> str:
    odd = [f"{secret}x", secret[:-1], f" {secret}", f"{secret}\n", secret.swapcase(), secret[::-1], ""]
    return rng.choice([other for other in odd if other != secret])


def _spoilt(rng: Random, signature: str) -> str:
    at = rng.randrange(len(signature))
    other = rng.choice([digit for digit in "0123456789abcdef" if digit != signature[at]])
    spoilt = [
        signature[:at] + other + signature[at + 1 :],
        _flipped(rng, signature.encode()).decode("latin-1"),
        signature[:at],
        signature[at + 1 :],
        signature.upper(),
        f" {signature}",
        f"{signature} ",
        f"{signature}\n",
        f"{signature}{signature}",
        f"sha256={signature}",
        signature[::-1],
        "é" + signature[1:],
        "\ud800" + signature[1:],
        "",
        "0" * len(signature),
        "None",
    ]
    return rng.choice([text for text in spoilt if text != signature])


def _rewritten(rng: Random, body: bytes) -> bytes:
    document = json.loads(body)
    written = [
        json.dumps(document, indent=1),
        json.dumps(document, separators=(", ", ":")),
        json.dumps(dict(reversed(document.items())), separators=(",", ":")),
        json.dumps({**document, "more": 1}, separators=(",", ":")),
        body.decode() + "\n",
        " " + body.decode(),
    ]
    return rng.choice([text.encode() for text in written if text.encode() != body])


def _body_flipped(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
    return _flipped(rng, body), headers, None


def _body_shortened(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
    return body[: rng.randrange(len(body))], headers, None


def _body_rewritten(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
    return _rewritten(rng, body), headers, None


def _header_spoilt(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    """The good older signature stays beside the spoilt one, and must not be asked."""
    return body, {**headers, V1: sha1(secret, body), V2: _spoilt(rng, sha256(secret, body))}, None


def _older_alone_spoilt(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    unsigned = {name: value for name, value in headers.items() if name != V2}
    return body, {**unsigned, V1: _spoilt(rng, sha1(secret, body))}, None


def _signed_otherwise(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    other = _other_secret(rng, secret)
    return body, {**headers, V1: sha1(other, body), V2: sha256(other, body)}, None


def _body_and_older_signature(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    """Another body with a good older signature, and the newer one of the first body."""
    forged = _flipped(rng, body)
    return forged, {**headers, V1: sha1(secret, forged), V2: sha256(secret, body)}, None


def _digests_exchanged(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    unsigned = {name: value for name, value in headers.items() if name not in {V1, V2}}
    plain = hashlib.sha256(secret.encode() + body).hexdigest()
    signed = [{V2: sha1(secret, body)}, {V1: sha256(secret, body)}, {V2: plain}, {}]
    return body, {**unsigned, **rng.choice(signed)}, None


def _field(name: str, change: Callable[[Random, Any], Any]) -> Forger:
    def forge(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
        document = json.loads(body)
        return json.dumps({**document, name: change(rng, document[name])}).encode(), headers, None

    return forge


def _other_value(rng: Random, text: str) -> object:
    """Never the text itself, nor a number that is written as it is."""
    odd: list[object] = [None, True, False, [], [text], {}, {"text": text}, 0, -1, 1.5, 10**30, "", "\0", "\ud800"]
    odd += [text + "0", "0" + text, text[:-1], f" {text}", f"{text}\n", "٣" * len(text), f"{text}.0", f"+{text}"]
    return rng.choice(odd)


def _field_missing(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
    document = json.loads(body)
    document.pop(rng.choice(["nonce", "timestamp", "signature"]))
    return json.dumps(document).encode(), headers, None


def _cut_elsewhere(rng: Random, body: bytes, headers: Mapping[str, str], _: str) -> Forged:
    """The same signed text, with digits of the nonce passed off as the time's, or the other way round."""
    document = json.loads(body)
    nonce, timestamp = document["nonce"], document["timestamp"]
    first, second = sorted((nonce, timestamp))
    both = first + second
    at = rng.choice([cut for cut in range(len(both) + 1) if cut != len(first)])
    names = ("nonce", "timestamp") if first == nonce else ("timestamp", "nonce")
    cut = dict(zip(names, (both[:at], both[at:]), strict=True))
    return json.dumps({**document, **cut}).encode(), headers, None


def _zego_signed_otherwise(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    document = json.loads(body)
    signature = zego_signature(_other_secret(rng, secret), document["timestamp"], document["nonce"])
    return json.dumps({**document, "signature": signature}).encode(), headers, None


def _url_secret_spoilt(rng: Random, body: bytes, headers: Mapping[str, str], secret: str) -> Forged:
    return body, headers, rng.choice([_other_secret(rng, secret), _spoilt(rng, secret), None])


_AGORA: list[tuple[str, Forger]] = [
    ("a bit of the body", _body_flipped),
    ("the body cut short", _body_shortened),
    ("the body written anew", _body_rewritten),
    ("the header spoilt", _header_spoilt),
    ("the older header alone, spoilt", _older_alone_spoilt),
    ("another secret", _signed_otherwise),
    ("another body with the older signature", _body_and_older_signature),
    ("digests exchanged", _digests_exchanged),
]
_ZEGO: list[tuple[str, Forger]] = [
    ("another nonce", _field("nonce", _other_value)),
    ("another time", _field("timestamp", _other_value)),
    ("the signature spoilt", _field("signature", _spoilt)),
    ("another kind of signature", _field("signature", _other_value)),
    ("a field left out", _field_missing),
    ("the signed text cut elsewhere", _cut_elsewhere),
    ("another secret", _zego_signed_otherwise),
]
_SECRET: list[tuple[str, Forger]] = [("another secret in the URL", _url_secret_spoilt)]
