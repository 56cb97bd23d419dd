"""Three clouds on one loopback port: the socket, the threads, and what a test does to the state."""

import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from deployments.sandbox.clouds import damages, wire
from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import Bucket, BucketRules, CloudName, StoredObject, Upload
from deployments.sandbox.clouds.faults import FaultPlan
from deployments.sandbox.clouds.journal import Journal, Seen, kept_headers, kept_query
from deployments.sandbox.clouds.listening import Connection, Listener
from deployments.sandbox.clouds.messages import Answer, Refusal
from deployments.sandbox.clouds.service import Exchange, Service

MAX_BODY_BYTES = 512 << 20


class Clouds:
    """Amazon S3, Alibaba OSS and Tencent COS in memory, as an HTTP server.

    `clock` gives the stores' time, aware. `port` 0 takes a free one. Start and stop it, or use it in a `with`.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        host: str = "127.0.0.1",
        port: int = 0,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._service = Service(clock)
        self._address = (host, port)
        self._max_body_bytes = max_body_bytes
        self._listener: _Listener | None = None

    def start(self) -> Self:
        """Bind the port and answer from now on; harmless again."""
        if self._listener is not None:
            return self
        self._listener = _Listener(self._address, self._service, self._max_body_bytes)
        self._address = (self._address[0], self._listener.port)
        self._listener.start("clouds")
        return self

    def stop(self) -> None:
        """Close the port and every connection; harmless again."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    @property
    def endpoint(self) -> str:
        """The URL without a path, for every client of this machine."""
        return f"http://{self._address[0]}:{self.port}"

    @property
    def journal(self) -> Journal:
        """What was asked so far."""
        return self._service.journal

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong from now on; assign another plan at any time."""
        return self._service.faults

    @faults.setter
    def faults(self, plan: FaultPlan) -> None:
        self._service.faults = plan

    def add_account(self, account: Account) -> None:
        """Let this key ask; one of this id is replaced."""
        self._service.accounts.add(account)

    def remove_account(self, key_id: str) -> None:
        """Know the key no longer."""
        self._service.accounts.remove(key_id)

    def refusal_of_put(self, cloud: CloudName, bucket: str, key: str, *, key_id: str, secret: str, region: str) -> str:
        """The store's code for who puts an object so; "" where it would be taken. A region of "" is not compared."""
        try:
            account = self._service.accounts.find(key_id)
        except Refusal as refusal:
            return refusal.code
        found = self._service.bucket(cloud, bucket)
        if not hmac.compare_digest(account.secret.encode(), secret.encode()):
            return "SignatureDoesNotMatch"
        if found is None:
            return "NoSuchBucket"
        if region and region != found.region:
            return "AuthorizationHeaderMalformed"
        dialect = self._service.dialects[cloud]
        resource = dialect.resource(found, key)
        may = account.may or (lambda *_: True)
        return "" if all(may(action, resource, "") for action in dialect.actions["PutObject"]) else "AccessDenied"

    def has_bucket(self, cloud: CloudName, name: str) -> bool:
        """Whether there is one of this name."""
        return self._service.bucket(cloud, name) is not None

    def create_bucket(self, cloud: CloudName, name: str, rules: BucketRules | None = None) -> None:
        """Make an empty bucket in one cloud; one of this name is replaced."""
        self._service.create_bucket(cloud, name, rules or BucketRules())

    def bind_domain(self, cloud: CloudName, host: str, bucket: str) -> None:
        """Bind a custom domain (`host:port`) to a bucket: in that cloud's dialect it needs no bucket in the path."""
        self._service.bind_domain(cloud, host, bucket)

    def put(
        self,
        cloud: CloudName,
        bucket: str,
        key: str,
        data: bytes,
        *,
        storage_class: str = "STANDARD",
        last_modified: datetime | None = None,
        content_type: str = "application/octet-stream",
    ) -> None:
        """Lay an object into a bucket, past all requests."""
        now = last_modified or self._service.clock()
        item = StoredObject(
            key=key,
            body=data,
            etag="",
            last_modified=now,
            headers={"content-type": content_type},
            storage_class=self._service.dialects[cloud].storage_class(storage_class),
        )
        self._service.store(self._bucket(cloud, bucket), item, now)

    def get(self, cloud: CloudName, bucket: str, key: str) -> bytes:
        """The bytes under a key; KeyError where there are none."""
        item = self._bucket(cloud, bucket).find(key)
        if item is None:
            raise KeyError(key)
        return item.body

    def keys(self, cloud: CloudName, bucket: str) -> list[str]:
        """All keys, sorted."""
        return self._bucket(cloud, bucket).keys()

    def uploads(self, cloud: CloudName, bucket: str) -> list[Upload]:
        """The multipart uploads that are still open."""
        return self._bucket(cloud, bucket).uploads()

    def delete(self, cloud: CloudName, bucket: str, key: str) -> None:
        """Take an object away, past all requests."""
        self._bucket(cloud, bucket).delete(key)

    def archive(self, cloud: CloudName, bucket: str, key: str) -> None:
        """Make the object one that must be restored before it can be read."""
        storage_class = self._service.dialects[cloud].archive_class
        self._bucket(cloud, bucket).swap(key, archived=True, storage_class=storage_class)

    def _bucket(self, cloud: CloudName, name: str) -> Bucket:
        bucket = self._service.bucket(cloud, name)
        if bucket is None:
            raise KeyError(f"{cloud}: {name}")
        return bucket


class _Listener(Listener):
    def __init__(self, address: tuple[str, int], service: Service, max_body_bytes: int) -> None:
        self.service = service
        self.max_body_bytes = max_body_bytes
        super().__init__(address, _Connection)


class _Connection(Connection):
    server: _Listener

    def answer_one(self, stream: wire.Stream) -> bool:
        """Whether another request may follow."""
        head = wire.read_head(stream)
        if head is None:
            return False
        if head.expects_continue:
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = head.with_body(wire.read_body(stream, head.headers, self.server.max_body_bytes))
        began = time.perf_counter()
        exchange = self.server.service.begin(request)
        answer = self.server.service.answer(exchange)
        self._pause(exchange)
        if damages.lost(exchange.hits):
            self._write_down(exchange, 0, 0, began)
            wire.end(self.request, reset=False)
            return False
        damage = damages.spoil(exchange.hits, answer)
        # A broken answer does not announce that the connection will end.
        answer.headers["Connection"] = "close" if head.closes else "keep-alive"
        self.server.service.replace_after(exchange)
        self._send(exchange, answer, damage, began)
        return not head.closes and damage.send_bytes is None

    def _pause(self, exchange: Exchange) -> None:
        seconds = damages.delay(exchange.hits)
        if seconds:
            self.server.stopping.wait(seconds)

    def _send(self, exchange: Exchange, answer: Answer, damage: wire.Damage, began: float) -> None:
        """Written down before the last byte is out, so that a client who has read it all finds it in the journal."""
        size = 0 if exchange.request.method == "HEAD" else len(answer.body)
        sent = size if damage.send_bytes is None else min(size, damage.send_bytes)
        self._write_down(exchange, answer.status, sent, began)
        wire.write_answer(self.request, answer, head_only=exchange.request.method == "HEAD", damage=damage)

    def _write_down(self, exchange: Exchange, status: int, sent: int, began: float) -> None:
        request = exchange.request
        self.server.service.journal.add(
            Seen(
                cloud=exchange.dialect.cloud,
                method=request.method,
                operation=exchange.own_name,
                action=exchange.operation,
                bucket=exchange.bucket,
                key=exchange.key,
                status=status,
                code=exchange.code,
                account=exchange.account,
                sent_bytes=sent,
                received_bytes=len(request.body),
                at=exchange.now,
                seconds=time.perf_counter() - began,
                faults=tuple(hit.fault.kind for hit in exchange.hits),
                query=kept_query(request.query),
                headers=kept_headers(request.headers),
            )
        )
