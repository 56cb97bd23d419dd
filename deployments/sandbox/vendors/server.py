"""The three vendors together: their ports, their recorders, and what a test or the demo does to them."""

import secrets as tokens
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self

from deployments.sandbox.clouds import Account, BucketRules, Clouds
from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.agora import AgoraApi
from deployments.sandbox.vendors.answering import ApiListener
from deployments.sandbox.vendors.hooks import Hooks
from deployments.sandbox.vendors.jocloud import JocloudApi
from deployments.sandbox.vendors.recorder import Recording, Studio
from deployments.sandbox.vendors.rooms import DEFAULT_USERS, Rooms
from deployments.sandbox.vendors.scheduling import Scheduler
from deployments.sandbox.vendors.scripts import Script
from deployments.sandbox.vendors.stores import Store
from deployments.sandbox.vendors.zego import ZegoApi
from deployments.sandbox.webhook_requests import TIMEOUT_S

BACKUP_BUCKET: Final = "vendor-backup"
"""Public, in the sandbox's S3: ZEGO's backup store. Agora's cannot be read by anybody."""
_JOCLOUD_KEY: Final = "AKJOCLOUDRECORDER"
_JOIN_S: Final = 5.0


class Vendors:
    """Agora, ZEGOCLOUD and Jocloud on loopback, recording into these clouds. Start and stop it, or use a `with`.

    `hooks` is where webhooks go that have no address of their own, and `secrets` what they are signed with, by vendor.
    `pace`: seconds of media in a real second; `slice_s`: of media. `retry_pace` divides the waits before a webhook is
    posted again, and `answer_timeout_s` is how long its receiver has. `resource_s` is how long a resource of Agora and
    Jocloud can start a recording, `linger_s` how long one of Agora's still answers a stop; both in real seconds.
    """

    def __init__(
        self,
        clouds: Clouds,
        hooks: str,
        secrets: Mapping[str, str],
        *,
        pace: float = 1.0,
        slice_s: float = 2.0,
        size: tuple[int, int] = (160, 90),
        retry_pace: float = 1.0,
        answer_timeout_s: float = TIMEOUT_S,
        limits: Limits | None = None,
        resource_s: float = 300.0,
        linger_s: float = 5.0,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.accounts: Mapping[str, VendorAccount] = MappingProxyType(_accounts())
        self._clouds = clouds
        self._rooms = Rooms()
        self._hooks = Hooks(hooks, pace=retry_pace, timeout_s=answer_timeout_s)
        self._later = Scheduler("late-uploads")
        studio = Studio(
            clouds=clouds,
            rooms=self._rooms,
            hooks=self._hooks,
            later=self._later,
            pace=pace,
            slice_s=slice_s,
            size=size,
        )
        limits = limits or Limits()
        accounts = self.accounts
        self._agora = AgoraApi(
            studio, accounts["agora"], secrets["agora"], limits, resource_s=resource_s, linger_s=linger_s
        )
        self._zego = ZegoApi(
            studio,
            accounts["zego"],
            secrets["zego"],
            limits,
            backup_bucket=BACKUP_BUCKET,
            backup_url=self.backup_url,
        )
        self._jocloud = JocloudApi(studio, accounts["jocloud"], secrets["jocloud"], limits, resource_s=resource_s)
        self._apis = {"agora": self._agora, "zego": self._zego, "jocloud": self._jocloud}
        self._host = host
        self._ports = ports
        self._listeners: dict[str, ApiListener] = {}

    def start(self) -> Self:
        """Bind the ports and answer from now on."""
        self._clouds.create_bucket("s3", BACKUP_BUCKET, BucketRules(public=True))
        for vendor, api in self._apis.items():
            self._listeners[vendor] = ApiListener((self._host, self._ports.get(vendor, 0)), api)
            self._listeners[vendor].start(vendor)
        self._hooks.start()
        self._later.start()
        return self

    def stop(self) -> None:
        """End every recording where it is, every upload and every webhook, and close the ports; harmless again."""
        for listener in self._listeners.values():
            listener.stop()
        self._listeners.clear()
        recordings = self._recordings()
        for recording in recordings:
            recording.abandon()
        self._hooks.stop()
        self._later.stop()
        deadline = time.monotonic() + _JOIN_S
        joins = [recording.join for recording in recordings] + [self._hooks.join, self._later.join]
        for join in joins:
            join(max(deadline - time.monotonic(), 0.0))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api(self) -> Mapping[str, str]:
        """The base URL of each vendor's API."""
        return {vendor: f"http://{self._host}:{listener.port}" for vendor, listener in self._listeners.items()}

    @property
    def backup_url(self) -> str:
        """Where the files of ZEGO's backup store can be read without a key."""
        return f"{self._clouds.endpoint}/{BACKUP_BUCKET}"

    def publish(self, vendor: str, room: str, users: Iterable[str] | None = None) -> None:
        """From now on these users publish in the room, nobody with `()`; by default one. ValueError for odd names."""
        self._rooms.publish(vendor, room, DEFAULT_USERS[vendor] if users is None else users)

    def follow(self, vendor: str, room: str, script: Script) -> None:
        """Let the next recording of this room follow the script. ValueError for odd names in its cast."""
        self._rooms.follow(vendor, room, script)

    def answer_next(self, vendor: str, call: str, code: int) -> None:
        """Answer the next request of this call, "stop" or "StartRecord", with an error code of the vendor's."""
        self._apis[vendor].answer_next(call, code)

    def jocloud_store(self, bucket: str, folder: str = "") -> None:
        """What Jocloud's console is told: the OSS bucket and the folder, of all recordings from now on."""
        secret = tokens.token_urlsafe(24)
        self._clouds.add_account(Account(key_id=_JOCLOUD_KEY, secret=secret))
        prefix = folder if not folder or folder.endswith("/") else f"{folder}/"
        self._jocloud.store = Store(
            cloud="oss", bucket=bucket, region="", key_id=_JOCLOUD_KEY, secret=secret, prefix=prefix
        )

    def wait_idle(self, timeout_s: float) -> None:
        """Until all that is still to come has come: what is uploaded, and what is posted. Raises TimeoutError.

        A recording that runs is not waited for.
        """
        deadline = time.monotonic() + timeout_s
        while not self._is_idle():
            if time.monotonic() > deadline:
                raise TimeoutError(f"something is still to come after {timeout_s} s")
            time.sleep(0.01)

    def _is_idle(self) -> bool:
        # In this order: a recording makes uploads, and those before them make webhooks.
        settled = not any(recording.is_finishing for recording in self._recordings())
        return settled and self._later.idle and self._hooks.idle

    def _recordings(self) -> list[Recording]:
        known = (self._agora.recordings, self._zego.recordings, self._jocloud.recordings)
        return [recording for recordings in known for recording in recordings.all()]


def _accounts() -> dict[str, VendorAccount]:
    return {
        "agora": VendorAccount(app=tokens.token_hex(16), key_id=tokens.token_hex(16), secret=tokens.token_hex(16)),
        "zego": VendorAccount(app="1234567890", key_id="", secret=tokens.token_hex(16)),
        "jocloud": VendorAccount(
            app="123123", key_id=tokens.token_hex(8), secret=tokens.token_hex(16), app_secret=tokens.token_hex(16)
        ),
    }
