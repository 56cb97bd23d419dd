"""Slices laid out in a bucket as each vendor names and lists them; all ids are made up.

Agora: `docs/cloud-recording/develop/manage-files`. ZEGOCLOUD: `OutputFileRule` of the start request; the names of its
segments are not documented, so bare names beside the playlist are used. Jocloud: the same holds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from deployments.sandbox.cutting import Slice
from deployments.sandbox.playlists import Entry, agora_text, numbered_text, utc17

STARTED_AT = datetime(2026, 3, 4, 9, 30, 15, 250_000, tzinfo=UTC)
AGORA_SID = "7c1d90e2a4b35f6687d0c1e2f3a4b5c6"
AGORA_CNAME = "physics_101"
ZEGO_TASK = "Zk3-QeE4Iq2AAAAB"
ZEGO_ROOM = "room_7"
JOCLOUD_RECORD = "c41d90e2a4b35f6687d0c1e2f3a4b5c6d7e"
JOCLOUD_ROOM = "abcabc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Objects by key, and which keys the playlists promise (there or not), in order."""

    objects: dict[str, bytes]
    playlists: tuple[str, ...]
    segments: tuple[str, ...]

    def write_to(self, folder: Path) -> Path:
        """All objects as files below this folder, which is returned."""
        for key, data in self.objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def __or__(self, other: "Laid") -> "Laid":
        return Laid(
            objects=self.objects | other.objects,
            playlists=self.playlists + other.playlists,
            segments=self.segments + other.segments,
        )


Stored = list[Slice | None]
"""What lies in the bucket for each slice; None where nothing does."""


class MixedLayout(Protocol):
    """A way to lay one list of slices."""

    def __call__(self, slices: Sequence[Slice], *, stored: Stored | None = None) -> Laid:
        """The slices laid out; `stored` is what lies there in their place."""
        ...


def _lay(playlist: str, entries: Sequence[Entry], text: bytes, slices: Sequence[Slice], stored: Stored | None) -> Laid:
    folder = playlist.rpartition("/")[0]
    keys = tuple(f"{folder}/{entry.uri}" if folder else entry.uri for entry in entries)
    pieces = slices if stored is None else stored
    objects = {key: piece.data for key, piece in zip(keys, pieces, strict=True) if piece is not None}
    objects[playlist] = text
    return Laid(objects=objects, playlists=(playlist,), segments=keys)


def _agora(
    stem: str, kinds: Sequence[str], slices: Sequence[Slice], started_at: datetime, stored: Stored | None
) -> Laid:
    """One Agora playlist: names that carry the slices' own start, EXTINF without a comma, a mark per (re)start."""
    name = stem.rpartition("/")[2]
    begins = [started_at + timedelta(seconds=piece.start_s) for piece in slices]
    entries = [
        Entry(uri=f"{name}_{utc17(begin)}.ts", duration_s=piece.duration_s, begins_at=begin)
        for piece, begin in zip(slices, begins, strict=True)
    ]
    return _lay(f"{stem}.m3u8", entries, agora_text(entries, kinds), slices, stored)


def agora_mixed(
    slices: Sequence[Slice],
    *,
    stored: Stored | None = None,
    folder: str = "classes/",
    sid: str = AGORA_SID,
    cname: str = AGORA_CNAME,
    started_at: datetime = STARTED_AT,
    leg: int | None = None,
) -> Laid:
    """A composite recording: one playlist `<sid>_<cname>.m3u8`; `bak<leg>_` before all names after a failover."""
    return _agora(f"{folder}{_bak(leg)}{sid}_{cname}", ("AUDIO", "VIDEO"), slices, started_at, stored)


def _bak(leg: int | None) -> str:
    return "" if leg is None else f"bak{leg}_"


def agora_individual(
    *,
    audio: Sequence[Slice] = (),
    video: Sequence[Slice] = (),
    uid: str = "2400311709",
    stored_audio: Stored | None = None,
    stored_video: Stored | None = None,
    folder: str = "classes/",
    sid: str = AGORA_SID,
    cname: str = AGORA_CNAME,
    started_at: datetime = STARTED_AT,
    leg: int | None = None,
) -> Laid:
    """One user of an individual recording: a playlist for each track that there is. Join users and legs with `|`."""
    stem = f"{folder}{_bak(leg)}{sid}_{cname}__uid_s_{uid}__uid_e"
    laid = Laid(objects={}, playlists=(), segments=())
    if audio:
        laid |= _agora(f"{stem}_audio", ("AUDIO",), audio, started_at, stored_audio)
    if video:
        laid |= _agora(f"{stem}_video", ("VIDEO",), video, started_at, stored_video)
    return laid


def _numbered(playlist: str, name: str, slices: Sequence[Slice], stored: Stored | None) -> Laid:
    """An ordinary VOD playlist over `<name><n>.ts`, with a discontinuity where the stamps leave a hole."""
    entries = [
        Entry(
            uri=f"{name}{number}.ts",
            duration_s=piece.duration_s,
            begins_at=STARTED_AT + timedelta(seconds=piece.start_s),
        )
        for number, piece in enumerate(slices)
    ]
    return _lay(playlist, entries, numbered_text(entries), slices, stored)


def zego_mixed(
    slices: Sequence[Slice],
    *,
    stored: Stored | None = None,
    folder: str = "record/",
    task_id: str = ZEGO_TASK,
    room: str = ZEGO_ROOM,
    stream: str = "mix_out",
    started_at: datetime = STARTED_AT,
) -> Laid:
    """A mixed recording: `TaskId_RoomId_MixOutputStreamId_VA_UTC`. Join the parts of a stream with `|`."""
    name = f"{task_id}_{room}_{stream}_VA_{utc17(started_at)}"
    return _numbered(f"{folder}{name}.m3u8", f"{name}_", slices, stored)


def jocloud_mixed(
    slices: Sequence[Slice],
    *,
    stored: Stored | None = None,
    folder: str = "live/",
    record_id: str = JOCLOUD_RECORD,
    room: str = JOCLOUD_ROOM,
) -> Laid:
    """A mixed recording: `rid_{recordid}_{roomid}.m3u8`; no time anywhere in its names."""
    name = f"rid_{record_id}_{room}"
    return _numbered(f"{folder}{name}.m3u8", f"{name}_", slices, stored)


def plain(
    slices: Sequence[Slice], *, stored: Stored | None = None, folder: str = "vod/", name: str = "lecture"
) -> Laid:
    """HLS of any other tool."""
    return _numbered(f"{folder}{name}.m3u8", f"{name}", slices, stored)


MIXED: Mapping[str, MixedLayout] = {"agora": agora_mixed, "zego": zego_mixed, "jocloud": jocloud_mixed, "plain": plain}
"""The layouts that take one list of slices, by vendor."""


# ---- what may become of a layout; each takes one and gives another, so that they combine ----


def without_playlist(laid: Laid) -> Laid:
    """The slices alone, as a recorder that died leaves them."""
    return replace(laid, objects={k: data for k, data in laid.objects.items() if k not in laid.playlists}, playlists=())


def never_closed(laid: Laid) -> Laid:
    """Without EXT-X-ENDLIST."""
    return _rewritten(laid, lambda lines: [line for line in lines if line != "#EXT-X-ENDLIST"])


def naming_only(laid: Laid, entries: slice) -> Laid:
    """Every playlist names only these of its entries, and ends as it did."""

    def shortened(lines: list[str]) -> list[str]:
        named = [at for at, line in enumerate(lines) if line and not line.startswith("#")]
        begins = [max(at for at, line in enumerate(lines[:uri]) if line.startswith("#EXTINF")) for uri in named]
        kept = [
            line for begin, uri in list(zip(begins, named, strict=True))[entries] for line in lines[begin : uri + 1]
        ]
        return [*lines[: begins[0]], *kept, *lines[named[-1] + 1 :]]

    return _rewritten(laid, shortened)


def transferred(laid: Laid, tick: int, version: int) -> Laid:
    """Playlists as Agora copies them from its backup cloud: `<stem>_<tick>_<version>.m3u8`."""
    names = {key: f"{key.removesuffix('.m3u8')}_{tick}_{version}.m3u8" for key in laid.playlists}
    objects = {names.get(key, key): data for key, data in laid.objects.items()}
    return replace(laid, objects=objects, playlists=tuple(names.values()))


def _rewritten(laid: Laid, change: Callable[[list[str]], list[str]]) -> Laid:
    texts = {key: "\n".join(change(laid.objects[key].decode().split("\n"))).encode() for key in laid.playlists}
    return replace(laid, objects=laid.objects | texts)
