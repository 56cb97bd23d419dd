"""Secrets nowhere: not in logs, not in errors, not in what objects say of themselves, however much is logged."""

import logging
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deployments.sandbox.clouds import Account, Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import ObjectStore
from storage.connection import Connection, silence_sdks
from storage.credentials import provider
from storage.errors import StorageError, Unsupported
from storage.keys import output_key
from storage.opening import open_store
from storage.reading import VerifiedReader
from storage.retry import Retry
from storage.writing import StreamingUpload
from tests.clouds import CLOUDS, SECRET, new_bucket, running_clouds
from tests.storage.leaks import whole_story

TOKEN = "canary-token-51c0de"  # noqa: S105  made up
PASSWORD = "canary-password-9e4f"  # noqa: S105
SIGNATURES = ("q-signature=", "X-Amz-Signature=", "x-oss-signature=", "AWS4-HMAC-SHA256", "OSS4-HMAC-SHA256")
KEY = output_key("room/one.ts")
SDKS = ("boto3", "botocore", "oss2", "qcloud_cos", "urllib3", "requests")
ENVIRONMENT = {
    f"AFTERTAKE_{cloud}_{name}": value
    for cloud in ("S3", "OSS", "COS")
    for name, value in (("KEY_ID", "AKTEMPORARY"), ("SECRET", SECRET), ("TOKEN", TOKEN))
}


class Heard(logging.Handler):
    """Everything that is logged, as text: the message, its arguments and the traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text: list[str] = []
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])
        self.text += [self.format(record), repr(record.args), repr(record.msg)]
        if record.exc_info and record.exc_info[1]:
            self.text.append(whole_story(record.exc_info[1]))


def log_everything(handler: logging.Handler) -> None:
    """As a service does that wants to see it all: each logger is at DEBUG and has the handler of its own."""
    for name in (*SDKS, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in SDKS:
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.disabled = False
            if handler not in logger.handlers:
                logger.addHandler(handler)


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    log_everything(handler)
    yield handler
    root.setLevel(level)
    for logger in (root, *map(logging.getLogger, logging.root.manager.loggerDict)):
        logger.removeHandler(handler)
    silence_sdks()


@pytest.fixture(scope="module")
def running() -> Iterator[Clouds]:
    with running_clouds() as clouds:
        clouds.add_account(Account(key_id="AKTEMPORARY", secret=SECRET, token=TOKEN))
        yield clouds


@pytest.fixture
def clouds(running: Clouds) -> Iterator[Clouds]:
    yield running
    running.faults = FaultPlan()


def told_by(*things: object) -> str:
    """What objects say of themselves."""
    return "\n".join(f"{thing!r} {thing} {vars(thing) if hasattr(thing, '__dict__') else ''}" for thing in things)


def assert_clean(text: str) -> None:
    found = [word for word in (SECRET, TOKEN, PASSWORD, *SIGNATURES, "Authorization") if word in text]
    assert found == []


def use(store: ObjectStore) -> None:
    """Every call, and a presigned URL that must not be logged either."""
    retry = Retry(sleep=lambda _: None, attempts=2)
    with StreamingUpload(store, KEY, piece_bytes=store.capabilities.min_part_bytes, retry=retry) as upload:
        upload.write(b"x" * (store.capabilities.min_part_bytes + 10))
        upload.complete(b"head")
    meta = store.head(KEY)
    VerifiedReader(store, retry=retry).read(meta)
    store.put(output_key("small"), b"abc", create_only=True)
    store.copy("small", output_key("copy"))
    store.start_multipart(output_key("pending")).put_part(1, b"abc")
    for pending in list(store.list_uploads()):
        store.abort_upload(pending.key, pending.upload_id)
    assert len(list(store.list())) == 3
    with store.open(KEY, start=5, end=9) as body:
        body.read(4)
    assert SECRET not in store.presign_get(KEY, 60, "one.ts")
    for key in ("small", "copy"):
        store.delete(key)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_goes_well(clouds: Clouds, heard: Heard, cloud: CloudName) -> None:
    url = new_bucket(clouds, cloud)
    store = open_store(url, environment=ENVIRONMENT)
    log_everything(heard)
    use(store)
    keys = provider(cloud, None, environment=ENVIRONMENT)
    assert keys is not None
    told = told_by(store.url, keys(), Connection(proxy=f"http://user:{PASSWORD}@127.0.0.1:1"))
    assert_clean("\n".join(heard.text) + told + repr(store) + f"{store}")
    assert heard.names <= {"storage", "asyncio"}


def refused_twice(clouds: Clouds) -> None:
    clouds.faults = FaultPlan([Fault("status", status=403, code="SignatureDoesNotMatch", times=0)])


FAILURES: dict[str, Callable[[Clouds], None]] = {
    "forged": refused_twice,
    "down": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("status", times=0)])),
    "lost": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("lost_answer", times=0)])),
    "cut": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("cut", after_bytes=1, times=0)])),
    "short": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("short", times=0)])),
    "damaged": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("flip", at_byte=0, times=0)])),
    "clock": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("skew", seconds=9e4, times=0)])),
    "error in 200": lambda clouds: setattr(clouds, "faults", FaultPlan([Fault("status", status=200, times=0)])),
    "expired": lambda clouds: clouds.add_account(
        Account(key_id="AKTEMPORARY", secret=SECRET, token=TOKEN, expires_at=datetime.now(UTC) - timedelta(hours=1))
    ),
    "unknown": lambda clouds: clouds.remove_account("AKTEMPORARY"),
}


def calls_of(store: ObjectStore) -> list[Callable[[], object]]:
    upload = store.start_multipart(output_key("begun"))
    upload.put_part(1, b"abc")
    return [
        lambda: list(store.list()),
        lambda: store.head(KEY),
        lambda: store.open(KEY, start=1, etag="e"),
        lambda: VerifiedReader(store, retry=Retry(sleep=lambda _: None)).read(next(iter(store.list()))),
        lambda: store.open(KEY).read(10_000_000),
        lambda: store.put(KEY, b"abc", create_only=True),
        lambda: store.start_multipart(KEY),
        lambda: upload.put_part(2, b"abc"),
        lambda: upload.complete(create_only=True),
        lambda: list(store.list_uploads()),
        lambda: store.abort_upload(KEY, "none"),
        lambda: store.copy(KEY, output_key("copy")),
        lambda: store.delete(KEY),
    ]


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails(clouds: Clouds, heard: Heard, cloud: CloudName, failure: str) -> None:
    clouds.add_account(Account(key_id="AKTEMPORARY", secret=SECRET, token=TOKEN))
    store = open_store(new_bucket(clouds, cloud), environment=ENVIRONMENT)
    log_everything(heard)
    store.put(KEY, b"some bytes")
    calls = calls_of(store)
    FAILURES[failure](clouds)
    failed = 0
    for call in calls:
        try:
            call()
        except StorageError as error:
            failed += 1
            assert_clean(whole_story(error))
            assert_clean(whole_story(pickle.loads(pickle.dumps(error))))  # noqa: S301  our own
    clouds.add_account(Account(key_id="AKTEMPORARY", secret=SECRET, token=TOKEN))
    assert failed >= 2
    assert_clean("\n".join(heard.text))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_proxy_that_does_not_answer(clouds: Clouds, heard: Heard, cloud: CloudName) -> None:
    proxy = {"AFTERTAKE_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9"}
    store = open_store(new_bucket(clouds, cloud), environment=ENVIRONMENT | proxy)
    log_everything(heard)
    with pytest.raises(StorageError) as caught:
        store.head(KEY)
    assert_clean(whole_story(caught.value) + "\n".join(heard.text) + told_by(store.url))


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("proxy", ["socks9://user:{}@host:1", "http://{}@", "{}", "http://host:{}", "http://h/{}"])
def test_a_proxy_that_is_none(clouds: Clouds, cloud: CloudName, proxy: str) -> None:
    environment = ENVIRONMENT | {"AFTERTAKE_PROXY": proxy.format(PASSWORD)}
    with pytest.raises(Unsupported, match="AFTERTAKE_PROXY") as caught:
        open_store(new_bucket(clouds, cloud), environment=environment)
    assert_clean(whole_story(caught.value))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_keys_that_were_written_into_the_url(cloud: str) -> None:
    for url in (
        f"{cloud}://AK:{SECRET}@bucket/",
        f"{cloud}://bucket/?credentials={SECRET}",
        f"{cloud}://bucket/?region=r&secret={SECRET}&credentials=none",
        f"{cloud}://[{SECRET}/",
        f"{cloud}://AK:{SECRET}/",
    ):
        with pytest.raises(StorageError) as caught:
            open_store(url, environment={})
        assert_clean(whole_story(caught.value))


def test_every_logger_of_the_sdks_is_held(clouds: Clouds) -> None:
    for cloud in CLOUDS:
        open_store(new_bucket(clouds, cloud), environment=ENVIRONMENT).put(KEY, b"abc")
    open_ones = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in {"boto3", "botocore", "oss2", "qcloud_cos", "urllib3"}
        if not logging.getLogger(name).filters
    ]
    assert open_ones == []
