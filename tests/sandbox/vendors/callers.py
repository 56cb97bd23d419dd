"""Customers of the three vendors, who sign their requests as the documents say."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from deployments.sandbox.clouds import Account, BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.vendors import Limits, Vendors
from tests.flows.receiver import Receiver

SECRETS = {"agora": "hook-a", "zego": "hook-z", "jocloud": "hook-j"}
PACE = 20.0
PLENTY = Limits(agora=1000, zego=1000, zego_start_stop=1000, jocloud_apply=1000)
BUCKETS: Mapping[str, tuple[CloudName, str, str]] = {
    "agora": ("s3", "calls", "eu-west-1"),
    "zego": ("cos", "calls-1250000000", "ap-guangzhou"),
    "jocloud": ("oss", "calls", "cn-hangzhou"),
}
AGORA_STORE = {
    "vendor": 1,
    "region": 4,
    "bucket": "calls",
    "accessKey": "AK",
    "secretKey": "SK",
    "fileNamePrefix": ["classes", "one"],
}
ZEGO_STORE = {
    "Vendor": 3,
    "Region": "ap-guangzhou",
    "Bucket": "calls-1250000000",
    "AccessKeyId": "AK",
    "AccessKeySecret": "SK",
}


def ask(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """The status and the document that come back; bytes are sent as they are."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data=data, headers=dict(headers or {}), method=method), timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def wait_for(is_true: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@dataclass(slots=True)
class AgoraCall:
    """One recording of Agora's, as its customer holds it."""

    base: str
    headers: Mapping[str, str]
    mode: str
    cname: str
    uid: str
    rid: str
    sid: str = ""

    def start(self, client: Any) -> tuple[int, dict[str, Any]]:
        url = f"{self.base}/resourceid/{self.rid}/mode/{self.mode}/start"
        status, answer = ask("POST", url, self.body(client), self.headers)
        self.sid = answer.get("sid", "")
        return status, answer

    def body(self, client: Any) -> dict[str, Any]:
        return {"cname": self.cname, "uid": self.uid, "clientRequest": client}

    def post(self, call: str, client: Any = None) -> tuple[int, dict[str, Any]]:
        return ask("POST", f"{self.url}/{call}", self.body(client or {}), self.headers)

    def query(self) -> tuple[int, dict[str, Any]]:
        return ask("GET", f"{self.url}/query", headers=self.headers)

    def stop(self, *, later: bool = False) -> tuple[int, dict[str, Any]]:
        return self.post("stop", {"async_stop": later})

    @property
    def url(self) -> str:
        return f"{self.base}/resourceid/{self.rid}/sid/{self.sid}/mode/{self.mode}"

    @property
    def ids(self) -> dict[str, str]:
        return {"cname": self.cname, "uid": self.uid, "resourceId": self.rid, "sid": self.sid}


@dataclass(slots=True)
class Site:
    """The clouds, the vendors and who hears their webhooks."""

    clouds: Clouds
    vendors: Vendors
    receiver: Receiver

    def events(self) -> list[dict[str, Any]]:
        """All bodies so far."""
        return [json.loads(one.body) for one in self.receiver.received]

    def types(self) -> list[int]:
        names = ("eventType", "event_type", "msgtype")
        return [int(event[name]) for event in self.events() for name in names if name in event]

    def keys(self, vendor: str, task_id: str) -> list[str]:
        cloud, bucket, _ = BUCKETS[vendor]
        return [key for key in self.clouds.keys(cloud, bucket) if task_id in key]

    def slices(self, vendor: str, task_id: str) -> list[str]:
        """In their order: the tenth comes after the second."""
        found = [key for key in self.keys(vendor, task_id) if key.endswith(".ts")]
        return sorted(found, key=lambda key: (len(key), key))

    def playlists(self, vendor: str, task_id: str) -> list[str]:
        return [key for key in self.keys(vendor, task_id) if key.endswith(".m3u8")]

    def read(self, vendor: str, key: str) -> bytes:
        cloud, bucket, _ = BUCKETS[vendor]
        return self.clouds.get(cloud, bucket, key)

    def text(self, vendor: str, key: str) -> str:
        return self.read(vendor, key).decode()

    def settle(self) -> None:
        self.vendors.wait_idle(30)

    def wait_slices(self, vendor: str, task_id: str, count: int) -> None:
        wait_for(lambda: len(self.slices(vendor, task_id)) >= count)

    # Agora

    @property
    def agora_base(self) -> str:
        return f"{self.vendors.api['agora']}/v1/apps/{self.vendors.accounts['agora'].app}/cloud_recording"

    @property
    def agora_headers(self) -> dict[str, str]:
        account = self.vendors.accounts["agora"]
        return {"Authorization": f"Basic {_base64(f'{account.key_id}:{account.secret}')}"}

    def acquire(self, mode: str = "mix", cname: str = "room1", uid: str = "527841") -> AgoraCall:
        body = {"cname": cname, "uid": uid, "clientRequest": {}}
        status, answer = ask("POST", f"{self.agora_base}/acquire", body, self.agora_headers)
        assert (status, list(answer)) == (200, ["resourceId"])
        return AgoraCall(self.agora_base, self.agora_headers, mode, cname, uid, answer["resourceId"])

    def agora(self, mode: str = "mix", cname: str = "room1", uid: str = "527841", **client: Any) -> AgoraCall:
        """A recording that has begun."""
        call = self.acquire(mode, cname, uid)
        status, answer = call.start(agora_client(mode, **client))
        assert (status, answer) == (200, call.ids)
        return call

    # ZEGO

    def zego(
        self, action: str, body: Any, *, at: int | None = None, secret: str = "", method: str = "POST", **query: str
    ) -> dict[str, Any]:
        account = self.vendors.accounts["zego"]
        nonce, stamp = secrets.token_hex(8), int(time.time()) if at is None else at
        signed = f"{account.app}{nonce}{secret or account.secret}{stamp}"
        params = {
            "Action": action,
            "AppId": account.app,
            "SignatureNonce": nonce,
            "Timestamp": stamp,
            "SignatureVersion": "2.0",
            "Signature": hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest(),
            **query,
        }
        status, answer = ask(method, f"{self.vendors.api['zego']}/?{urlencode(params)}", body)
        assert status == 200
        return answer

    def zego_start(self, room: str = "r1", **changes: Mapping[str, Any]) -> str:
        """The TaskId of a recording that has begun."""
        answer = self.zego("StartRecord", zego_body(room, **changes))
        assert answer["Code"] == 0, answer
        return str(answer["Data"]["TaskId"])

    def zego_status(self, task_id: str) -> dict[str, Any]:
        answer = self.zego("DescribeRecordStatus", {"TaskId": task_id})
        assert answer["Code"] == 0, answer
        return dict(answer["Data"])

    # Jocloud

    def jocloud(
        self, method: str, body: Any = None, *, headers: Mapping[str, str] | None = None, trace: str = "t-1"
    ) -> dict[str, Any]:
        app = self.vendors.accounts["jocloud"].app
        url = f"{self.vendors.api['jocloud']}/app/{app}/v1/recordoss/{method}?traceId={trace}"
        verb = "GET" if method == "applyrecord" else "POST"
        status, answer = ask(verb, url, body, self.jocloud_headers if headers is None else headers)
        assert (status, answer["traceId"]) == (200, trace)
        return answer

    @property
    def jocloud_headers(self) -> dict[str, str]:
        account = self.vendors.accounts["jocloud"]
        return {"AppID": account.app, "token": f"Basic {_base64(f'{account.key_id}:{account.secret}')}"}

    def jocloud_start(self, room: str = "abc", **changes: Any) -> str:
        """The recordid of a recording that has begun."""
        resid = self.jocloud("applyrecord")["resid"]
        app = int(self.vendors.accounts["jocloud"].app)
        body = {"resid": resid, "appid": app, "roomid": room, "recordtype": 0, "streamtype": 1, **changes}
        answer = self.jocloud("startrecord", body)
        assert answer["code"] == 0, answer
        return str(answer["recordid"])

    def jocloud_stop(self, record_id: str, room: str = "abc") -> dict[str, Any]:
        app = int(self.vendors.accounts["jocloud"].app)
        return self.jocloud("stoprecord", {"appid": app, "roomid": room, "recordid": record_id})

    # Any

    def start(self, vendor: str, room: str) -> tuple[str, Any]:
        """A recording of this vendor that has begun: its task id, and what stops it."""
        if vendor == "agora":
            call = self.agora("mix", room)
            return call.sid, call.stop
        if vendor == "zego":
            task_id = self.zego_start(room)
            return task_id, lambda: self.zego("StopRecord", {"TaskId": task_id})
        record_id = self.jocloud_start(room)
        return record_id, lambda: self.jocloud_stop(record_id, room)

    def record(self, vendor: str, room: str = "room1", seconds: float = 6.6) -> str:
        """A whole recording, until all of it has come."""
        task_id, stop = self.start(vendor, room)
        time.sleep(seconds / PACE)
        stop()
        self.settle()
        return task_id


def agora_client(mode: str, **changes: Any) -> dict[str, Any]:
    recording = {"recordingConfig": {"subscribeUidGroup": 0}}
    page = {"serviceName": "web_recorder_service", "serviceParam": {"url": "https://page.example/"}}
    web = {"extensionServiceConfig": {"extensionServices": [page]}}
    return {**(web if mode == "web" else recording), "storageConfig": AGORA_STORE, **changes}


def zego_body(room: str = "r1", **changes: Mapping[str, Any]) -> dict[str, Any]:
    mixed = {"RecordMode": 2, "MixConfig": {"MixOutputStreamId": "mix_out"}}
    output = {"OutputFileFormat": "hls", "OutputFolder": "record/", "RealtimeUploadFragment": True}
    return {
        "RoomId": room,
        "RecordInputParams": {**mixed, **changes.get("inputs", {})},
        "RecordOutputParams": {**output, **changes.get("outputs", {})},
        "StorageParams": {**ZEGO_STORE, **changes.get("storage", {})},
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def opened(**options: Any) -> Iterator[Site]:
    """All of it for the length of a `with`."""
    with Receiver() as receiver, Clouds() as clouds:
        clouds.add_account(Account(key_id="AK", secret="SK"))
        for cloud, bucket, region in BUCKETS.values():
            clouds.create_bucket(cloud, bucket, BucketRules(region=region))
        settings = {"pace": PACE, "limits": PLENTY, "retry_pace": 100.0, **options}
        hooks = f"http://127.0.0.1:{receiver.port}"
        with Vendors(clouds, hooks=hooks, secrets=SECRETS, **settings) as vendors:
            vendors.jocloud_store("calls", "live")
            yield Site(clouds, vendors, receiver)
