"""`/v1/vendor-recordings`, asked over HTTP: who may, what is answered, and what never is."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from fastapi.security import HTTPAuthorizationCredentials

from catalog.errors import CatalogTextError, CatalogUnavailableError, LayoutError, UnknownRecordingError
from flows.settings import SettingsError
from tests.flows.vendor_site import TOKEN, VendorSite, vendor_site
from vendors.recorder import (
    BadCallError,
    CallError,
    GoneError,
    NoHandleError,
    NoSuchCallError,
    RefusedCallError,
    VendorDownError,
)
from vendors.storage import StorageSettingsError
from web.bodies import BODY_BYTES
from web.tokens import Tokens

PLACE = "/v1/vendor-recordings"
ORDER = {"source": "zego", "room": "r"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorSite]:
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        yield site


@pytest.fixture
def client(site: VendorSite) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    "authorization",
    [None, b"", b"Bearer", b"Bearer guessed", b"Basic " + TOKEN.encode(), b"Bearer \xff\xfe", b"\xff"],
)
def test_nobody_passes_without_the_token(site: VendorSite, authorization: bytes | None) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization}
    for method, path in (("POST", ""), ("GET", "?source=zego"), ("GET", "/zego:a"), ("POST", "/zego:a:stop")):
        answer = httpx.request(method, f"{site.url}{PLACE}{path}", headers=headers, trust_env=False)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_where_no_token_is_set_nobody_passes() -> None:
    for given in ("", "  "):
        with pytest.raises(Exception, match="AFTERTAKE_API_TOKEN") as caught:
            Tokens({"AFTERTAKE_API_TOKEN": given}).require(None)
        assert getattr(caught.value, "status_code", None) == 403


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 413)])
def test_a_large_body_is_not_read(site: VendorSite, headers: dict[str, str], status: int) -> None:
    """A stranger is told so before the first byte of it; whoever bears a token has a limit too."""
    port = int(site.url.rpartition(":")[2])
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"POST {PLACE} HTTP/1.1\r\nHost: h\r\nContent-Length: {1 << 30}\r\n{lines}\r\n".encode())
        assert f" {status} ".encode() in connection.recv(4096)


def test_a_large_body_of_unsaid_length_is_not_read(client: httpx.Client) -> None:
    pieces = (b" " * 65536 for _ in range(BODY_BYTES // 65536 + 1))
    assert client.post(PLACE, content=pieces).status_code == 413


def test_one_key_begins_one_recording(client: httpx.Client, site: VendorSite) -> None:
    asked = [client.post(PLACE, json=ORDER, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [201, 201]
    one, other = (answer.json() for answer in asked)
    assert one["task_id"] == other["task_id"]
    assert asked[0].headers["Location"] == f"{PLACE}/zego:{one['task_id']}"
    assert (one["state"], one["source"], one["room"]) == ("recording", "zego", "r")

    place = asked[0].headers["Location"]
    assert client.get(place).json()["says"] == "recording"
    for _ in range(2):
        stopped = client.post(f"{place}:stop")
        assert stopped.status_code == 200
        assert stopped.json()["task_id"] == one["task_id"]
    listed = client.get(PLACE, params={"source": "zego"}).json()["recordings"]
    assert one["task_id"] in {past["task_id"] for past in listed}
    site.vendors.wait_idle(60)


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "/x"},
        {"folder": "a/../"},
        {"tracks": "sekrit"},
        {"idle_s": 0},
        {"idle_s": 10**18},
        {"room": ""},
        {"room": "a\0b"},
        {"room": "a\nb"},
        {"mode": "sekrit"},
        {"unknown": "sekrit"},
        {"fields": ["sekrit"]},
        {"source": None},
        {"source": "nowhere"},
        {"room_token": ["sekrit"]},
    ],
)
def test_a_wrong_order_is_told_and_not_repeated(client: httpx.Client, change: dict[str, object]) -> None:
    answer = client.post(PLACE, json={"room_token": "sekrit-of-the-room", **ORDER, **change})
    assert answer.status_code == 422
    assert "sekrit" not in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"room_token": "sekrit"}', b'["sekrit"]', b'"sekrit', b"\xff", b"[" * 9999]
)
def test_what_is_no_order_is_told_and_not_repeated(client: httpx.Client, body: bytes) -> None:
    answer = client.post(PLACE, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert "sekrit" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/zego", 404),
        ("/zego:", 404),
        ("/:", 404),
        ("/nobody:x", 404),
        ("/zego:unknown", 404),
        ("/agora:a:stop", 404),
        ("/zego:%1b%5B2J%0a", 404),
        ("/zego:%00", 422),
        ("/zego:%ff", 404),
        ("/zego:..%2f..", 404),
        ("/zego:" + "x" * 5000, 404),
        ("?source=zego&from=0001-01-01T00:00:00Z&to=0001-01-01T00:00:00Z", 200),
        ("?source=zego&to=0001-01-01T00:00:00Z", 200),
        ("?source=zego&from=9999-12-31T23:59:59-14:00", 200),
        ("?source=zego&from=yesterday", 422),
        ("?source=agora", 501),
        ("?source=nowhere", 422),
        ("", 422),
    ],
)
def test_odd_questions_have_plain_answers(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(f"{PLACE}{path}")
    assert answer.status_code == status, answer.text
    if path.startswith("/"):
        assert client.post(f"{PLACE}{path}:stop").status_code == status
        assert client.post(f"{PLACE}{path}:layout", json={"fields": {}}).status_code == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownRecordingError("sentence"), 404),
        (LayoutError("sentence"), 404),
        (CatalogTextError("sentence"), 422),
        (GoneError("zego", "Call", "sentence", "Do."), 404),
        (NoHandleError("sentence"), 409),
        (NoSuchCallError("zego", "Call", "sentence", "Do."), 501),
        (BadCallError("zego", "Call", "sentence", "Do."), 422),
        (StorageSettingsError("sentence", known="k", advice="Do."), 422),
        (RefusedCallError("zego", "Call", "sentence", "Do."), 502),
        (VendorDownError("zego", "Call", "sentence", "Do."), 503),
        (CallError("zego", "Call", "sentence", "Do."), 502),
        (SettingsError("sentence"), 422),
        (CatalogUnavailableError("sentence"), 503),
    ],
)
def test_each_error_has_its_status_and_its_sentence(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("flows.vendor_recordings.VendorRecordings.status", fail)
    answer = client.get(f"{PLACE}/zego:a")
    assert (answer.status_code, "sentence" in answer.json()["detail"]) == (status, True)


def test_the_documents_name_the_token_and_no_secret(site: VendorSite) -> None:
    answer = httpx.get(f"{site.url}/openapi.json", trust_env=False)
    document = answer.json()
    [scheme] = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][scheme]["scheme"] == "bearer"
    routes = {path: way for path, way in document["paths"].items() if path.startswith(PLACE)}
    assert routes.keys() == {
        PLACE,
        f"{PLACE}/{{recording}}",
        f"{PLACE}/{{recording}}:layout",
        f"{PLACE}/{{recording}}:stop",
    }
    assert all(way["security"] == [{scheme: []}] for ways in routes.values() for way in ways.values())
    assert not [value for value in site.environment.values() if len(value) > 7 and value in answer.text]


def test_tokens_may_be_any_text_and_two() -> None:
    """Two, while one replaces the other."""
    tokens = Tokens({"AFTERTAKE_API_TOKEN": "öld\udcff new"})
    for said in ("öld".encode() + b"\xff", b"new"):
        tokens.require(HTTPAuthorizationCredentials(scheme="Bearer", credentials=said.decode("latin-1")))
