"""A bucket of one of the sandbox's clouds, with what the tests of faults ask of it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.sandbox.clouds import BucketRules, Clouds, Seen
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import ObjectStore
from storage.opening import open_store
from storage.reading import VerifiedReader
from storage.retry import Retry
from tests.clouds import ENVIRONMENT, new_bucket

NO_WAIT = Retry(attempts=6, sleep=lambda _: None)


@dataclass(slots=True, kw_only=True)
class Place:
    """A new bucket; `store` is opened with the keys that are right."""

    clouds: Clouds
    cloud: CloudName
    url: str
    store: ObjectStore
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)

    @classmethod
    def new(cls, clouds: Clouds, cloud: CloudName, rules: BucketRules | None = None, *, options: str = "") -> "Place":
        url = new_bucket(clouds, cloud, rules, options=options)
        return cls(clouds=clouds, cloud=cloud, url=url, store=open_store(url, environment=ENVIRONMENT))

    @property
    def bucket(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def reader(self) -> VerifiedReader:
        return VerifiedReader(self.store, retry=NO_WAIT)

    def opened_with(self, environment: Mapping[str, str], *, options: str = "") -> ObjectStore:
        return open_store(self.url + options, environment=environment)

    def lay(self, key: str, data: bytes) -> None:
        self.clouds.put(self.cloud, self.bucket, key, data)

    def held(self, key: str) -> bytes:
        return self.clouds.get(self.cloud, self.bucket, key)

    def asked(self, action: str = "") -> list[Seen]:
        """The requests to this bucket so far, of one operation by the name that S3 has for it."""
        return [
            seen for seen in self.clouds.journal.seen() if seen.bucket == self.bucket and action in {"", seen.action}
        ]


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(f"{seed}|{size}").randbytes(size)
