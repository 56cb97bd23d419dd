"""ZEGOCLOUD's server API, version 2 (ZEGOCLOUD, Cloud Recording: server API). The only I/O of this package.

Every request is signed anew. Whether a task can be asked for at another host than the one that began it is not
documented: that one is asked first, and the others before it is believed that there is no such task.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from storage.connection import Connection
from vendors.calling import Call, Caller, Pace, Request, Rhythm, checked_access, hosts_from
from vendors.hosts import KNOWN_HOSTS
from vendors.recorder import Access
from vendors.replies import Reply
from vendors.zego.answers import Answer, read_answer
from vendors.zego.codes import OF_RESUME, OF_STOP, judge
from vendors.zego.names import VENDOR
from vendors.zego.signing import mark_of, signed_query

_SLOW_PER_SECOND, _QUICK_PER_SECOND = 10, 50
_QUICK = frozenset({"StartRecord", "StopRecord"})
_READ_S = 15.0
_JSON = {"Content-Type": "application/json"}


class ZegoApi:
    """The calls of one project. `access.app` is its AppId, `access.secret` its ServerSecret; `key_id` is not used.

    `access.scheme` may be `IsTest=true` or `IsTest=false`, as older projects say it. Each call gives what ZEGOCLOUD
    answered, as long as that is no error, and raises CallError. `host` is the one to ask first; the answers of
    StartRecord say which one it was.
    """

    def __init__(self, access: Access, *, connection: Connection, rhythm: Rhythm) -> None:
        """Nothing is sent. Raises RefusedCallError for settings that cannot be used."""
        self._access = checked_access(VENDOR, access)
        self._mark = mark_of(access.scheme)
        self._rhythm = rhythm
        self._caller = Caller(VENDOR, connection=connection, rhythm=rhythm, secrets=(access.secret,))
        self._slow, self._quick = (Pace(rate, rhythm) for rate in (_SLOW_PER_SECOND, _QUICK_PER_SECOND))

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def start_record(
        self, body: Mapping[str, Any], *, is_repeatable: bool, hidden: Iterable[str] = ()
    ) -> tuple[Answer, str]:
        """Begin a task; with a ClientTaskId it may be sent twice. Gives the host that began it, too."""
        reply = self._call("StartRecord", body, is_repeatable=is_repeatable, hidden=hidden)
        return read_answer(reply.document), reply.host

    def stop_record(self, task_id: str, *, host: str | None = None) -> Answer:
        """Leave the room and begin to upload; one that has ended is stopped as well."""
        return self._about(task_id, "StopRecord", host=host, passing=OF_STOP)

    def pause_record(self, task_id: str, *, host: str | None = None) -> Answer:
        """Record nothing for a while; mixed tasks only."""
        return self._about(task_id, "PauseRecord", host=host)

    def resume_record(self, task_id: str, *, host: str | None = None) -> Answer:
        """Go on; one that is not paused does."""
        return self._about(task_id, "ResumeRecord", host=host, passing=OF_RESUME)

    def update_layout(self, task_id: str, layout: Mapping[str, Any], *, host: str | None = None) -> Answer:
        """Arrange the pictures of a mixed task: `MixMode`, `MixInputList` and so on."""
        return self._about(task_id, "UpdateLayout", layout, host=host)

    def update_whiteboard(self, task_id: str, whiteboard_id: str, *, host: str | None = None) -> Answer:
        """Record another whiteboard."""
        return self._about(task_id, "UpdateWhiteboard", {"WhiteboardId": whiteboard_id}, host=host)

    def describe_record_status(self, task_id: str, *, host: str | None = None) -> Answer:
        """A task and its files, until three days after it began."""
        return self._about(task_id, "DescribeRecordStatus", host=host)

    def describe_tasks(self, body: Mapping[str, Any]) -> Answer:
        """A page of the tasks that began within three days."""
        return read_answer(self._call("DescribeTasks", body).document)

    def _about(
        self,
        task_id: str,
        action: str,
        more: Mapping[str, Any] | None = None,
        *,
        host: str | None,
        passing: Collection[int] = (),
    ) -> Answer:
        body = {**(more or {}), "TaskId": task_id}
        return read_answer(self._call(action, body, host=host, passing=passing).document)

    def _call(
        self,
        action: str,
        body: Mapping[str, Any],
        *,
        host: str | None = None,
        hidden: Iterable[str] = (),
        is_repeatable: bool = True,
        passing: Collection[int] = (),
    ) -> Reply:
        kept = tuple(hidden)
        read = judge(
            action,
            is_repeatable=is_repeatable,
            quoted=lambda said: self._caller.quoted(said, kept),
            passing=passing,
        )
        call = Call(
            name=action,
            make=lambda: self._request(action, body),
            judge=read,
            hosts=hosts_from(host, self._access.hosts, known=KNOWN_HOSTS[VENDOR]),
            is_repeatable=is_repeatable,
            read_s=_READ_S,
            secrets=kept,
        )
        return self._caller.call(call, self._quick if action in _QUICK else self._slow)

    def _request(self, action: str, body: Mapping[str, Any]) -> Request:
        nonce, timestamp = secrets.token_hex(8), int(self._rhythm.now())
        query = signed_query(self._access.app, self._access.secret, action, nonce=nonce, timestamp=timestamp)
        return Request(method="POST", path="/", query={**query, **self._mark}, headers=_JSON, body=body)
