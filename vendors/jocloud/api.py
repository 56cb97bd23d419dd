"""Jocloud's RESTful API (Jocloud, Cloud Recording RESTful API). The only I/O of this package.

Made from partial documents; no real project was tried. Answers of hosts for the mainland and for elsewhere do not
stand in for each other as far as is known, so the default is one host.
"""

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import quote

from storage.connection import Connection
from vendors.calling import Call, Caller, Pace, Request, Rhythm, checked_access, hosts_from
from vendors.hosts import KNOWN_HOSTS
from vendors.jocloud.answers import Answer, read_answer
from vendors.jocloud.codes import judge
from vendors.jocloud.names import VENDOR
from vendors.jocloud.signing import Way, basic, ways
from vendors.recorder import Access, RefusedCallError

_PER_SECOND = 10
_READ_S = 15.0
_JSON = {"Content-Type": "application/json;charset=UTF-8"}

Method = Literal["GET", "POST"]


class JocloudApi:
    """The calls of one project, each as Jocloud answered it; all raise CallError.

    Scheme `token`: `access.key_id` and `access.secret` are those of the API certificate. Scheme `signature`:
    `access.secret` is the AppSecret.
    """

    def __init__(self, access: Access, *, connection: Connection, rhythm: Rhythm) -> None:
        """Nothing is sent. Raises RefusedCallError for settings that cannot be used."""
        self._access = checked_access(VENDOR, access)
        self._ways = ways(access)
        self._rhythm = rhythm
        self._caller = Caller(VENDOR, connection=connection, rhythm=rhythm, secrets=(access.secret, basic(access)))
        self._pace = Pace(_PER_SECOND, rhythm)

    @property
    def app(self) -> str:
        """The project."""
        return self._access.app

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def apply_record(self) -> Answer:
        """A resource, good for one recording that begins within five minutes."""
        return self._call("applyrecord", "GET")

    def start_record(self, body: Mapping[str, Any], *, host: str, hidden: Iterable[str] = ()) -> Answer:
        """Begin to record, asking first the host that gave the resource."""
        return self._call("startrecord", "POST", body, host=host, hidden=hidden, is_repeatable=False)

    def update_mix_record(self, body: Mapping[str, Any], *, host: str | None = None) -> Answer:
        """Arrange the pictures of a mixed recording."""
        return self._call("updatemixrecord", "POST", body, host=host)

    def stop_record(self, body: Mapping[str, Any], *, host: str | None = None) -> Answer:
        """End it."""
        return self._call("stoprecord", "POST", body, host=host)

    def _call(
        self,
        name: str,
        method: Method,
        body: Mapping[str, Any] | None = None,
        *,
        host: str | None = None,
        hidden: Iterable[str] = (),
        is_repeatable: bool = True,
    ) -> Answer:
        """Signed in each way until one is not refused: what was refused was not done. That way comes first then.

        Where all are, the first one's error is raised.
        """
        (likeliest, *others), kept = self._ways, tuple(hidden)
        try:
            return self._signed(likeliest, name, method, body, host=host, hidden=kept, is_repeatable=is_repeatable)
        except RefusedCallError:
            for way in others:
                with suppress(RefusedCallError):
                    return self._signed(way, name, method, body, host=host, hidden=kept, is_repeatable=is_repeatable)
            raise

    def _signed(
        self,
        way: Way,
        name: str,
        method: Method,
        body: Mapping[str, Any] | None,
        *,
        host: str | None,
        hidden: tuple[str, ...],
        is_repeatable: bool,
    ) -> Answer:
        call = Call(
            name=name,
            make=lambda: self._request(way, name, method, body),
            judge=judge(name, is_repeatable=is_repeatable, quoted=lambda said: self._caller.quoted(said, hidden)),
            hosts=hosts_from(host, self._access.hosts, known=KNOWN_HOSTS[VENDOR]),
            is_repeatable=is_repeatable,
            read_s=_READ_S,
            secrets=hidden,
        )
        reply = self._caller.call(call, self._pace)
        self._ways = (way, *(other for other in self._ways if other is not way))
        return read_answer(reply.document, reply.host)

    def _request(self, way: Way, name: str, method: Method, body: Mapping[str, Any] | None) -> Request:
        timestamp_ms = int(self._rhythm.now() * 1000)
        return Request(
            method=method,
            path=f"/app/{quote(self._access.app, safe='')}/v1/recordoss/{name}",
            query={"traceId": f"{timestamp_ms}{secrets.randbelow(10**13):013d}"},
            headers={**_JSON, **way(secrets.token_hex(8), timestamp_ms)},
            body=body,
        )
