"""Messages in the shape of the vendors', with made-up ids."""

import json
from typing import Any

from tests.builders import AGORA_SID, JOCLOUD_RECORD, ZEGO_TASK
from tests.vendors.forging import V1, V2, sha1, sha256, zego_signature
from vendors.hooks import Message, parse

SENT_MS = 1_704_164_645_006
"""2024-01-02 03:04:05.006 UTC."""


def message(document: dict[str, Any], headers: dict[str, str] | None = None, url_secret: str | None = None) -> Message:
    body = json.dumps(document).encode()
    return Message(body=body, document=parse(body), headers=headers or {}, url_secret=url_secret)


def agora_document(event_type: object, details: object = None, **payload: object) -> dict[str, Any]:
    said = {
        "cname": "room1",
        "uid": "527841",
        "sid": AGORA_SID,
        "sequence": 3,
        "sendts": SENT_MS,
        "serviceType": 0,
        "serviceScene": "mix_record",
        "details": {} if details is None else details,
    }
    return {
        "noticeId": "4b1c2d3e4f5061728394a5b6c7d8e9f0",
        "productId": 3,
        "eventType": event_type,
        "notifyMs": SENT_MS + 37,
        "sid": AGORA_SID,
        "payload": {**said, **payload},
    }


def agora_signed(document: dict[str, Any], secret: str) -> Message:
    body = json.dumps(document).encode()
    headers = {V1: sha1(secret, body), V2: sha256(secret, body)}
    return Message(body=body, document=parse(body), headers=headers)


def zego_document(event_type: object, detail: object = None, **fields: object) -> dict[str, Any]:
    """Signed with `secret`, where nonce and time are texts."""
    document = {
        "app_id": 1234567890,
        "task_id": ZEGO_TASK,
        "room_id": "room1",
        "event_type": event_type,
        "message": "",
        "nonce": "100480",
        "timestamp": "1704164645",
        "sequence": 3,
        "detail": {} if detail is None else detail,
        **fields,
    }
    return {**document, "signature": zego_signature("secret", str(document["timestamp"]), str(document["nonce"]))}


def zego_file(**fields: object) -> dict[str, Any]:
    name = f"{ZEGO_TASK}_room1_u1_s1_VA_20240102030405006.m3u8"
    info = {
        "file_id": name,
        "output_file_format": "hls",
        "user_id": "u1",
        "user_name": "Ann",
        "stream_id": "s1",
        "video_id": "",
        "file_url": f"https://bucket.example/rec/{name}",
        "file_size": 25_349_026,
        "duration": 170_039,
        "resolution_width": 1280,
        "resolution_height": 720,
        "media_track_type": 3,
        "begin_timestamp": SENT_MS,
        "status": 3,
    }
    return {**info, **fields}


def jocloud_document(**context: object) -> dict[str, Any]:
    said = {
        "msgname": "recordtask_m3u8_info",
        "appid": 123123,
        "roomid": "room1",
        "uid": ["0"],
        "recordid": JOCLOUD_RECORD,
        "filetype": "m3u8",
        "duration": 9000,
        "fileaddress": f"http://bucket.example/rec/rid_{JOCLOUD_RECORD}_room1.m3u8?Expires=1&Signature=x",
        "starttime": SENT_MS,
    }
    return {
        "msgid": f"RECORD-{JOCLOUD_RECORD}-18cc82d8f0e",
        "product": 1,
        "msgtype": 2,
        "notifytime": SENT_MS + 22_000,
        "context": {**said, **context},
    }
