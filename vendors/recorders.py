"""A vendor's recorder by its name. What speaks to a vendor is imported when it is asked for."""

from dataclasses import replace
from typing import TYPE_CHECKING

from vendors.hosts import DEFAULT_HOSTS
from vendors.recorder import Access, Recorder, RefusedCallError

if TYPE_CHECKING:
    from storage.connection import Connection
    from vendors.calling import Rhythm

__all__ = ["DEFAULT_HOSTS", "open_recorder"]


def open_recorder(
    vendor: str,
    access: Access,
    *,
    connection: "Connection | None" = None,
    rhythm: "Rhythm | None" = None,
    failover_waits_s: tuple[float, ...] | None = None,
) -> Recorder:
    """The recorder of this project; close it when it is not needed any more. Nothing is sent yet.

    `failover_waits_s` are the waits before Agora's 404 is believed, () to believe it at once; without it 5, 10, 15 s.
    Raises RefusedCallError for a vendor that has none, and for settings that cannot be used.
    """
    if vendor not in DEFAULT_HOSTS:
        raise RefusedCallError(vendor, "settings", "it has no recorders", f"Known: {', '.join(DEFAULT_HOSTS)}.")
    chosen = replace(access, hosts=access.hosts or DEFAULT_HOSTS[vendor])
    return _opened(vendor, chosen, connection, rhythm, failover_waits_s)


def _opened(
    vendor: str,
    access: Access,
    connection: "Connection | None",
    rhythm: "Rhythm | None",
    failover_waits_s: tuple[float, ...] | None,
) -> Recorder:
    # httpx takes a while to import, and most commands speak to no vendor
    from storage.connection import Connection  # noqa: PLC0415
    from vendors.calling import Rhythm  # noqa: PLC0415

    line, beat = connection or Connection(), rhythm or Rhythm()
    if vendor == "agora":
        from vendors.agora.api import AgoraApi  # noqa: PLC0415
        from vendors.agora.codes import FAILOVER_WAITS_S  # noqa: PLC0415
        from vendors.agora.recorder import AgoraRecorder  # noqa: PLC0415

        waits_s = FAILOVER_WAITS_S if failover_waits_s is None else failover_waits_s
        api = AgoraApi(access, connection=line, rhythm=beat)
        return AgoraRecorder(api, rhythm=beat, failover_waits_s=waits_s)
    if vendor == "zego":
        from vendors.zego.api import ZegoApi  # noqa: PLC0415
        from vendors.zego.recorder import ZegoRecorder  # noqa: PLC0415

        return ZegoRecorder(ZegoApi(access, connection=line, rhythm=beat), rhythm=beat)
    from vendors.jocloud.api import JocloudApi  # noqa: PLC0415
    from vendors.jocloud.recorder import JocloudRecorder  # noqa: PLC0415

    return JocloudRecorder(JocloudApi(access, connection=line, rhythm=beat))
