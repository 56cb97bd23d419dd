"""A recording of Agora's: the names and playlists of its files, and what its webhooks say of it."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

from deployments.sandbox.packets import TrackType
from deployments.sandbox.playlists import TimeForm, agora_text
from deployments.sandbox.vendors.feeds import Leg
from deployments.sandbox.vendors.files import Kinds, RecordedFile, Source
from deployments.sandbox.vendors.recorder import Order, Recording, Studio
from deployments.sandbox.vendors.uploading import Manner
from deployments.sandbox.webhook_requests import Posted, agora, unix_ms

Mode = Literal["individual", "mix", "web"]
ALL_STREAMS: Final = "#allstream#"
_WEB_SIGNS: Final = str.maketrans(dict.fromkeys("!@#$%^&*()+_.=[]{}~|,;:?<>", "-"))
_SCENES: Final[Mapping[Mode, str | None]] = {"individual": "rtc_record", "mix": "mix_record", "web": "web_record"}
_STOPPED, _NOBODY_LEFT = 24, 4
_STORAGE_CONFIG, _UPLOAD_FAILED = 32, 47


@dataclass(frozen=True, slots=True, kw_only=True)
class AgoraOrder:
    """What of a start request is Agora's own. `hears` and `sees` are the users that are subscribed to; None: all."""

    mode: Mode
    cname: str
    uid: str
    resource_id: str
    kinds: Kinds
    hears: frozenset[str] | None = None
    sees: frozenset[str] | None = None
    is_on_hold: bool = False
    has_mp4: bool = False


class AgoraRecording(Recording):
    """One `sid`."""

    manner = Manner(slices_live=True, playlists_live=True, keeps_back=True)

    def __init__(self, studio: Studio, order: Order, agora_order: AgoraOrder, secret: str) -> None:
        super().__init__(studio, order)
        self.agora = agora_order
        self.uid = agora_order.uid
        """Of the recorder; another one after a failover."""
        self._leg = 0
        self._secret = secret
        if agora_order.is_on_hold:
            self.pause(on=True)

    @property
    def is_mixed(self) -> bool:
        """Whether all users are in one file."""
        return self.agora.mode != "individual"

    @property
    def stem(self) -> str:
        """How all its names begin."""
        web = self.agora.mode == "web"
        return f"{self.order.task_id}_{self.agora.cname.translate(_WEB_SIGNS) if web else self.agora.cname}"

    def sources(self, users: Sequence[str]) -> Iterable[Source]:
        """Mixed: one, while somebody publishes; of a page always one; otherwise each track of each user."""
        if self.agora.mode == "web":
            return (Source(user="", kinds=self.agora.kinds),)
        if self.agora.mode == "mix":
            return (Source(user="", kinds=self.agora.kinds),) if users else ()
        subscribed: dict[TrackType, frozenset[str] | None] = {"audio": self.agora.hears, "video": self.agora.sees}
        return [
            Source(user=user, kinds=(kind,))
            for user in users
            for kind in self.agora.kinds
            if (wanted := subscribed[kind]) is None or user in wanted
        ]

    def new_file(self, source: Source, leg: Leg, begin_s: float) -> RecordedFile:
        """A playlist; those of another recorder begin with `bak<n>_`."""
        backup = f"bak{leg.index - 1}_" if leg.index else ""
        user = "" if self.is_mixed else f"__uid_s_{source.user}__uid_e_{source.kinds[0]}"
        kinds = [kind.upper() for kind in source.kinds]
        times: TimeForm = self.script.cast.times if self.script.cast else "utc17"
        return RecordedFile(
            index=len(self.files),
            source=source,
            leg=leg.index,
            started_at=self.started_at,
            begin_s=begin_s,
            base=f"{backup}{self.stem}{user}",
            prefix=self.order.store.prefix,
            write=lambda entries, ended: agora_text(entries, kinds, ended=ended, times=times),
            slice_stamp="utc",
            kept=[] if self.agora.has_mp4 else None,
        )

    def listed_files(self) -> list[RecordedFile]:
        """Those of the recorder that answers now: another one does not know what the first has written (a guess)."""
        return [file for file in self.files if file.leg == self._leg and file.entries]

    def on_started(self) -> None:
        """It cannot begin without a token or a store; otherwise it says that it has."""
        if self.script.token_error:
            self._fail(module=0, code=self.script.token_error)
        elif self.uploader.refused:
            self._fail(module=1, code=_STORAGE_CONFIG)
        elif self.agora.mode == "web":
            self._say(70, 6, "web_recorder_started", recorderStartTime=unix_ms(self.started_at))
        else:
            self._say(40, 1, "recorder_started", status=0)

    def _fail(self, *, module: int, code: int) -> None:
        self._say_error(module=module, code=code)
        self.refuse()

    def _say_error(self, *, module: int, code: int) -> None:
        details = {"module": module, "errorLevel": 5, "errorCode": code, "stat": 0, "errorMsg": ""}
        self._say(1, 0, "cloud_recording_error", **details)

    def on_listed(self, file: RecordedFile) -> None:
        """Event 4 comes once for each playlist."""
        self._say(4, 0, "cloud_recording_file_infos", fileList=file.name)

    def on_feed(self, file: RecordedFile, begin_s: float) -> None:
        """Its stream is received, then event 42 with the hole, if there was one."""
        if self.agora.mode == "web":
            return
        self._state_changed(file, begin_s, state=0)
        start_ms = unix_ms(file.at(begin_s))
        before_ms = unix_ms(file.at(file.end_s)) if file.entries else start_ms
        stream = {"streamUid": file.source.user or "0", "trackType": file.source.track_type}
        times = {"startUtcMs": start_ms, "discontinueUtcMs": before_ms}
        self._say(42, 1, "recorder_slice_start", mixedAllUser=self.is_mixed, **times, **stream)

    def on_gone(self, file: RecordedFile, end_s: float) -> None:
        """Its stream is not received any more; a recorder that was replaced says nothing."""
        if file.leg == self._leg:
            self._state_changed(file, end_s, state=1)

    def _state_changed(self, file: RecordedFile, second: float, *, state: int) -> None:
        if not self.is_mixed:
            kind = file.source.kinds[0]
            event = {"audio": 43, "video": 44}[kind]
            details = {"streamUid": file.source.user, "state": state, "UtcMs": unix_ms(file.at(second))}
            self._say(event, 1, f"recorder_{kind}_stream_state_changed", **details)

    def on_failover(self) -> None:
        """The other recorder has another, random uid."""
        uid = 1 + secrets.randbelow(2**31)
        self._say(12, 0, "session_failover", newUid=uid)
        self.uid = str(uid)
        self._leg += 1

    def on_left(self) -> None:
        """It has left; nothing is said of uploads."""
        if self.ended_by == "refused":
            return
        if self.agora.mode == "web":
            files = self.web_list(with_mp4=True)
            self._say(71, 6, "web_recorder_stopped", code=0, message="", details="", fileList=files)
        else:
            self._say(41, 1, "recorder_leave", leaveCode=_NOBODY_LEFT if self.ended_by == "idle" else _STOPPED)

    def on_finished(self) -> None:
        """The session's end comes before the word that all is uploaded, as it has been seen."""
        is_lost = any(file.is_lost for file in self.files)
        if is_lost:
            self._say_error(module=1, code=_UPLOAD_FAILED)
        self._say(11, 0, "session_exit", exitStatus=1 if is_lost or self.ended_by == "refused" else 0)
        if is_lost or not any(file.entries for file in self.files):
            return
        files = {} if self.agora.mode == "web" else {"fileList": self.file_list(with_mp4=True)}
        if self.in_backup:
            self._say(2, 0, "cloud_recording_warning", module=1, warnCode=32)
            self._say(32, 2, "backuped", status=0, **files)
        else:
            self._say(31, 2, "uploaded", status=0, **files)

    @property
    def in_backup(self) -> bool:
        """Whether something of it is in Agora's backup store."""
        return any(file.in_backup for file in self.files)

    def file_list(self, prefix: str = "", *, with_mp4: bool = False) -> list[dict[str, Any]]:
        """Its playlists as answers and events list them, the MP4 of one before it, as it has been seen."""
        return [
            {
                "fileName": prefix + name,
                "trackType": file.source.track_type,
                "uid": file.source.user or "0",
                "mixedAllUser": self.is_mixed,
                "isPlayable": True,
                "sliceStartTime": unix_ms(file.begins_at),
            }
            for file in self.listed_files()
            for name in self._names_of(file, with_mp4=with_mp4)
        ]

    def web_list(self, *, with_mp4: bool) -> list[dict[str, Any]]:
        """The files of a web recording: another spelling of the key, and no prefix."""
        return [
            {"filename": name, "sliceStartTime": unix_ms(file.begins_at)}
            for file in self.listed_files()
            for name in self._names_of(file, with_mp4=with_mp4)
        ]

    def _names_of(self, file: RecordedFile, *, with_mp4: bool) -> list[str]:
        return [*([file.mp4_name] if with_mp4 and self.agora.has_mp4 else []), file.name]

    def _say(self, event_type: int, service: int, msg_name: str, **details: object) -> None:
        make = partial(
            agora,
            event_type,
            sid=self.order.task_id,
            cname=self.agora.cname,
            uid=self.uid,
            secret=self._secret,
            sent_at=datetime.now(UTC),
            details={"msgName": msg_name, **details},
            sequence=self.next_sequence(),
            notice_id=secrets.token_hex(16),
            service=service,
            scene=_SCENES[self.agora.mode],
        )

        def deliver(now: datetime) -> Posted:
            return make(notified_at=now)

        self.tell(deliver)
