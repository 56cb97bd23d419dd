"""Agora's RESTful API (Agora, Cloud Recording: RESTful API; integration best practices). The only I/O of this package.

A refusal is tried again on the same host, then on the other one. `start` is not, unless nothing can have been done.
"""

import base64
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from storage.connection import Connection
from vendors.agora.answers import Acquired, Started, read_acquired, read_started
from vendors.agora.codes import OF_QUERY, OF_STOP, judge
from vendors.agora.names import VENDOR
from vendors.calling import Call, Caller, Pace, Request, Rhythm, checked_access, hosts_from
from vendors.hosts import KNOWN_HOSTS
from vendors.recorder import Access
from vendors.replies import Reply

_PER_SECOND = 10
_SLOW_S = 25.0
"""A start from far away takes more than 10 s, a stop that waits for the upload up to 20 s."""
_QUICK_S = 15.0

Method = Literal["GET", "POST"]


class AgoraApi:
    """The calls of one project. `access.key_id` and `access.secret` are the customer id and its secret.

    Each gives what Agora answered, as long as that is no error, and raises CallError. `host` is the one to ask first.
    """

    def __init__(self, access: Access, *, connection: Connection, rhythm: Rhythm) -> None:
        """Nothing is sent. Raises RefusedCallError for settings that cannot be used."""
        self._access = checked_access(VENDOR, access)
        basic = base64.b64encode(f"{access.key_id}:{access.secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json;charset=utf-8"}
        self._caller = Caller(VENDOR, connection=connection, rhythm=rhythm, secrets=(access.secret, basic))
        self._pace = Pace(_PER_SECOND, rhythm)

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def acquire(self, body: Mapping[str, Any], *, hidden: Iterable[str] = ()) -> Acquired:
        """A resource, good for one recording that begins within five minutes."""
        return read_acquired(self._call("acquire", "POST", "/acquire", body, hidden=hidden))

    def start(
        self, resource_id: str, mode: str, body: Mapping[str, Any], *, host: str, hidden: Iterable[str] = ()
    ) -> Started:
        """Begin to record, asking first the host that gave the resource."""
        path = f"/resourceid/{_part(resource_id)}/mode/{_part(mode)}/start"
        answer = self._call("start", "POST", path, body, host=host, hidden=hidden, is_repeatable=False, read_s=_SLOW_S)
        return read_started(answer)

    def query(self, resource_id: str, sid: str, mode: str, *, host: str | None = None) -> Mapping[str, Any]:
        """How a recording is, as long as it lives."""
        path = _of(resource_id, sid, mode, "query")
        return self._call("query", "GET", path, host=host, passing=OF_QUERY).document

    def update(
        self, resource_id: str, sid: str, mode: str, body: Mapping[str, Any], *, host: str | None = None
    ) -> Mapping[str, Any]:
        """Whom it records, whether a page is on hold, or a fresh STS token."""
        return self._call("update", "POST", _of(resource_id, sid, mode, "update"), body, host=host).document

    def update_layout(
        self, resource_id: str, sid: str, mode: str, body: Mapping[str, Any], *, host: str | None = None
    ) -> Mapping[str, Any]:
        """How a mixed recording arranges its pictures."""
        path = _of(resource_id, sid, mode, "updateLayout")
        return self._call("updateLayout", "POST", path, body, host=host).document

    def stop(self, resource_id: str, sid: str, mode: str, body: Mapping[str, Any], *, host: str | None = None) -> Reply:
        """End it; unless `async_stop` is true, this waits for the upload. Refusals that mean its end are answers."""
        path = _of(resource_id, sid, mode, "stop")
        return self._call("stop", "POST", path, body, host=host, read_s=_SLOW_S, passing=OF_STOP)

    def _call(
        self,
        name: str,
        method: Method,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        host: str | None = None,
        hidden: Iterable[str] = (),
        is_repeatable: bool = True,
        read_s: float = _QUICK_S,
        passing: Collection[int] = (),
    ) -> Reply:
        kept = tuple(hidden)
        whole = f"/v1/apps/{_part(self._access.app)}/cloud_recording{path}"
        request = Request(method=method, path=whole, headers=self._headers, body=body)
        read = judge(
            name,
            is_repeatable=is_repeatable,
            quoted=lambda said: self._caller.quoted(said, kept),
            passing=passing,
        )
        call = Call(
            name=name,
            make=lambda: request,
            judge=read,
            hosts=hosts_from(host, self._access.hosts, known=KNOWN_HOSTS[VENDOR]),
            is_repeatable=is_repeatable,
            read_s=read_s,
            secrets=kept,
        )
        return self._caller.call(call, self._pace)


def _of(resource_id: str, sid: str, mode: str, call: str) -> str:
    return f"/resourceid/{_part(resource_id)}/sid/{_part(sid)}/mode/{_part(mode)}/{call}"


def _part(text: str) -> str:
    """An element of a path; a whole element of dots would be another path."""
    return quote(text, safe="").replace(".", "%2E") if set(text) <= {"."} else quote(text, safe="")
