"""Stores behind a certificate that is not trusted, and behind the same one when it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import ObjectStore
from storage.connection import Connection
from storage.errors import Denied, Refusal
from storage.examining import examiner_of
from storage.keys import output_key
from storage.opening import open_store
from storage.reaching import Reach, Step, reach
from storage.retry import Retry
from tests.certificates import TlsRelay, self_signed
from tests.clouds import CLOUDS, ENVIRONMENT, new_bucket, running_clouds

KEY = output_key("media/a.mp4")
CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "list": lambda store: list(store.list()),
    "head": lambda store: store.head(KEY),
    "open": lambda store: store.open(KEY),
    "put": lambda store: store.put(KEY, b"film"),
    "start_multipart": lambda store: store.start_multipart(KEY),
    "contact": lambda store: examiner_of(store).contact(),  # type: ignore[union-attr]
    "facts": lambda store: examiner_of(store).facts(),  # type: ignore[union-attr]
}


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def relay(clouds: Clouds, pem: Path) -> Iterator[TlsRelay]:
    with TlsRelay(urlsplit(clouds.endpoint).port or 0, pem) as running:
        yield running


def behind(relay: TlsRelay, clouds: Clouds, cloud: CloudName, **more: str) -> ObjectStore:
    url = new_bucket(clouds, cloud).replace(clouds.endpoint, relay.url)
    return open_store(url, environment=ENVIRONMENT | more)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("call", CALLS)
def test_an_untrusted_certificate_is_denied_at_the_first_try(
    relay: TlsRelay, clouds: Clouds, cloud: CloudName, call: str
) -> None:
    store = behind(relay, clouds, cloud)
    with pytest.raises(Denied, match="AFTERTAKE_CA_BUNDLE") as caught:
        Retry(attempts=5, first_wait_s=0.001).call(lambda: CALLS[call](store))
    assert caught.value.reason is Refusal.CERTIFICATE
    assert relay.connections == 1
    assert clouds.journal.seen() == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_bundle_with_that_certificate_is_trusted(
    relay: TlsRelay, clouds: Clouds, cloud: CloudName, pem: Path
) -> None:
    store = behind(relay, clouds, cloud, AFTERTAKE_CA_BUNDLE=str(pem))
    store.put(KEY, b"film")
    with store.open(KEY) as film:
        assert film.read(10) == b"film"
    assert [meta.key for meta in store.list()] == [KEY]


def test_reaching_names_the_certificate(relay: TlsRelay, pem: Path) -> None:
    found = reach(relay.url, Connection(connect_s=2.0))
    assert (found.failed, found.detail) == (Step.CERTIFICATE, "self-signed certificate")
    assert reach(relay.url, Connection(connect_s=2.0, ca_bundle=str(pem))) == Reach(host="127.0.0.1")
