"""From a request to its answer: which store, who asks, what is done, what goes wrong. No sockets."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from deployments.sandbox.clouds import damages, places
from deployments.sandbox.clouds.accounts import Account, Accounts
from deployments.sandbox.clouds.buckets import Bucket, BucketRules, CloudName, StoredObject
from deployments.sandbox.clouds.dialects import cors, objects, operations, routing
from deployments.sandbox.clouds.dialects.base import ANONYMOUS, Call, Dialect
from deployments.sandbox.clouds.dialects.cos import COS
from deployments.sandbox.clouds.dialects.oss import OSS
from deployments.sandbox.clouds.dialects.s3 import S3
from deployments.sandbox.clouds.faults import FaultPlan, Hit, Subject
from deployments.sandbox.clouds.journal import Journal
from deployments.sandbox.clouds.messages import Answer, Refusal, Request
from deployments.sandbox.clouds.signatures import Asked

DETAILS = ("partNumber", "marker", "continuation-token", "key-marker", "part-number-marker", "versionId")


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request on its way, as far as it is understood."""

    request: Request
    now: datetime
    request_id: str
    dialect: Dialect
    operation: str = ""
    bucket: str = ""
    key: str = ""
    account: str = ""
    code: str = ""
    hits: tuple[Hit, ...] = ()

    @property
    def own_name(self) -> str:
        """The operation as its store calls it."""
        return self.dialect.name_of(self.operation)


class Service:
    """Three stores with their buckets, and the accounts of all of them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.accounts = Accounts()
        self.journal = Journal()
        self.faults = FaultPlan()
        self.dialects: dict[CloudName, Dialect] = {"s3": S3(), "oss": OSS(), "cos": COS()}
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._domains: dict[str, dict[str, str]] = {"s3": {}, "oss": {}, "cos": {}}
        self._ids = itertools.count(0x5A4D_0000_0000_0001)

    def create_bucket(self, cloud: CloudName, name: str, rules: BucketRules) -> None:
        """Make a bucket; one of this name is replaced."""
        with self._lock:
            self._buckets[cloud, name] = Bucket(cloud, name, rules)

    def bind_domain(self, cloud: CloudName, host: str, bucket: str) -> None:
        """Let requests in this store's dialect to `host` (with its port) be for the bucket."""
        with self._lock:
            self._domains[cloud][host.lower()] = bucket

    def bucket(self, cloud: str, name: str) -> Bucket | None:
        """The bucket; None where there is none."""
        with self._lock:
            return self._buckets.get((cloud, name))

    def begin(self, request: Request) -> Exchange:
        """What can be said of a request before anything is checked."""
        request_id = f"{next(self._ids):016X}"
        return Exchange(request=request, now=self.clock(), request_id=request_id, dialect=self._dialect(request))

    def _dialect(self, request: Request) -> Dialect:
        """By the signature; of anonymous requests by the host, or by whose bucket it is; or else S3."""
        for dialect in self.dialects.values():
            if dialect.signed(request):
                return dialect
        cloud = places.cloud_of_host(request.hostname)
        for name, dialect in self.dialects.items():
            if cloud == name or (cloud is None and request.header("host").lower() in self._domains[name]):
                return dialect
        first = request.path.removeprefix("/").partition("/")[0]
        return next((d for name, d in self.dialects.items() if self.bucket(name, first)), self.dialects["s3"])

    def answer(self, exchange: Exchange) -> Answer:
        """Carry it out, or say why not. Never raises."""
        dialect, request = exchange.dialect, exchange.request
        try:
            answer = self._carry_out(exchange)
        except Refusal as refusal:
            exchange.code = refusal.code
            answer = dialect.refused(refusal, request, exchange.request_id)
        bucket = self.bucket(dialect.cloud, exchange.bucket)
        if bucket is not None:
            answer.headers |= cors.headers(bucket.rules.cors, request)
        answer.headers |= dialect.request_headers(exchange.request_id)
        answer.headers["Date"] = objects.http_date(exchange.now)
        return answer

    def _carry_out(self, exchange: Exchange) -> Answer:
        dialect, request = exchange.dialect, exchange.request
        exchange.bucket, exchange.key = places.place_of(request, self._domains[dialect.cloud])
        if request.method == "OPTIONS":
            return cors.preflight(self._bucket_of(exchange).rules.cors, request)
        exchange.operation = routing.operation_of(request, exchange.key, dialect.prefix)
        exchange.hits = self.faults.strike(_subject(exchange))
        exchange.now += damages.skew(exchange.hits)
        account = self._account(exchange)
        damages.refuse(exchange.hits)
        dialect.check_key(exchange.key)
        bucket = self._bucket_of(exchange)
        call = Call(
            dialect=dialect,
            operation=exchange.operation,
            request=damages.heard(exchange.hits, request),
            bucket=bucket,
            key=exchange.key,
            now=exchange.now,
            account=account,
            find_bucket=lambda name: self._named(dialect, name),
            hidden=damages.hidden(exchange.hits, bucket),
            repeats=damages.repeats(exchange.hits),
            foreign=damages.foreign(exchange.hits),
        )
        answer = operations.carry_out(call)
        if exchange.operation == "GetObject":
            damages.shift(exchange.hits, answer, memoryview(call.stored().body))
        return answer

    def _account(self, exchange: Exchange) -> Account:
        request, dialect = exchange.request, exchange.dialect
        if not dialect.signed(request):
            if request.header("authorization"):
                raise Refusal(400, "InvalidArgument", "Unsupported Authorization Type")
            return ANONYMOUS
        bucket = self.bucket(dialect.cloud, exchange.bucket)
        asked = Asked(
            request=request,
            bucket=exchange.bucket,
            key=exchange.key,
            now=exchange.now,
            region=bucket.region if bucket else None,
        )
        account = dialect.verify(asked, self.accounts.find)
        exchange.account = account.key_id
        return account

    def _bucket_of(self, exchange: Exchange) -> Bucket:
        return self._named(exchange.dialect, exchange.bucket)

    def _named(self, dialect: Dialect, name: str) -> Bucket:
        bucket = self.bucket(dialect.cloud, name)
        if bucket is None:
            raise dialect.missing_bucket(name)
        return bucket

    def replace_after(self, exchange: Exchange) -> None:
        """Let the object be another one, where a fault wants it."""
        bucket = self.bucket(exchange.dialect.cloud, exchange.bucket)
        item = bucket.find(exchange.key) if bucket else None
        if bucket is None or item is None:
            return
        body = damages.replaced(exchange.hits, item.body)
        if body is not None:
            now = self.clock()
            self.store(bucket, replace(item, body=body, last_modified=now), now=now)

    def store(self, bucket: Bucket, item: StoredObject, now: datetime) -> None:
        """Keep an object as if it had been put without any headers of its own."""
        dialect = self.dialects[bucket.cloud]
        request = Request(
            method="PUT", path="/", query_text="", headers={"content-length": str(len(item.body))}, body=item.body
        )
        call = Call(
            dialect=dialect,
            operation="PutObject",
            request=request,
            bucket=bucket,
            key=item.key,
            now=now,
            account=ANONYMOUS,
            find_bucket=lambda name: self._named(dialect, name),
        )
        objects.place(call, item)


def _subject(exchange: Exchange) -> Subject:
    query = exchange.request.query
    return Subject(
        cloud=exchange.dialect.cloud,
        operation=exchange.own_name,
        action=exchange.operation,
        bucket=exchange.bucket,
        key=exchange.key or query.get("prefix", ""),
        detail="|".join(query.get(name, "") for name in DETAILS),
    )
