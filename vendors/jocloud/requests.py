"""The bodies of Jocloud's calls (Jocloud, Cloud Recording RESTful API, of which the beginning is readable). Pure.

Known of `startrecord` are resid, appid, roomid, recordtype, streamtype and callbackurl. The bodies of `stoprecord` and
`updatemixrecord` are guesses after them, with the resid and without.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from vendors.fields import number
from vendors.jocloud.names import VENDOR
from vendors.ordering import check_order, merged
from vendors.recorder import BadCallError, Handle, Order, OrderMode

_RECORD_TYPES = MappingProxyType({"both": 0, "video": 1, "audio": 2})
_STREAM_TYPES: Mapping[OrderMode, int] = MappingProxyType({"mixed": 1, "individual": 2})
_ADVICE: Final = "Its field is not documented: leave it out, or write it into `more` as Jocloud's support names it."


def start_body(app: str, resource_id: str, order: Order) -> dict[str, Any]:
    """For startrecord; `order.more` is put over it.

    `order.place` and `order.upload_key` are not sent: their fields are not documented, and may be set in the console
    alone. Who knows them writes them into `more`. Raises BadCallError for what Jocloud has no words for.
    """
    if order.mode not in _STREAM_TYPES:
        raise BadCallError(VENDOR, "startrecord", f"it has no mode {order.mode}", "Choose mode individual or mixed.")
    check_order(VENDOR, order, takes={"callback_url"}, advice=_ADVICE)
    body = {
        "resid": resource_id,
        "appid": _app(app),
        "roomid": order.room,
        "recordtype": _RECORD_TYPES[order.tracks],
        "streamtype": _STREAM_TYPES[order.mode],
    }
    return merged({**body, "callbackurl": order.callback_url} if order.callback_url else body, order.more)


def bodies_about(
    app: str, handle: Handle, call: str, layout: Mapping[str, Any] = MappingProxyType({})
) -> tuple[dict[str, Any], ...]:
    """Guesses: for stoprecord, and with a layout in Jocloud's own words for updatemixrecord. The fullest comes first.

    Raises BadCallError where the room is not known.
    """
    if handle.room is None:
        raise BadCallError(VENDOR, call, "the room of the recording is not known", "Give it.")
    body = {**layout, "appid": _app(app), "roomid": handle.room, "recordid": handle.recording.task_id}
    resource_id = handle.details.get("resource_id")
    return ({**body, "resid": resource_id}, body) if resource_id else (body,)


def _app(app: str) -> int | str:
    """A number, as documented, wherever it is one."""
    found = number(app)
    return app if found is None else found
