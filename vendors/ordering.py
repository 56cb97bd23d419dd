"""An order in a vendor's own fields: what is shared by the three of them. Pure."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from vendors.recorder import BadCallError, Order

_CHOICES: Final = ("users", "recorder", "room_token", "page", "most_idle", "callback_url")
"""Fields of an order that not every vendor can be told; `client_id` is one that may go unsaid."""
_CALL: Final = "start"


def check_order(vendor: str, order: Order, *, takes: Collection[str], advice: str) -> None:
    """Raises BadCallError for a wish that the vendor cannot be told; `advice` says where it belongs instead."""
    left = [name for name in _CHOICES if name not in takes and getattr(order, name)]
    if left:
        raise BadCallError(vendor, _CALL, f"it cannot be told {' and '.join(left)} in mode {order.mode}", advice)


def idle_seconds(vendor: str, most_idle: timedelta, *, least: int, most: int) -> int:
    """Whole seconds. Raises BadCallError for what the vendor does not allow."""
    seconds = round(most_idle.total_seconds())
    if least <= seconds <= most:
        return seconds
    said = f"the room may not be empty for {seconds} s"
    raise BadCallError(vendor, _CALL, said, f"Choose {least} to {most} seconds.")


def merged(ours: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` put over `ours`, objects into objects; lists and values are replaced."""
    both = {
        name: merged(ours[name], value)
        for name, value in more.items()
        if isinstance(value, Mapping) and isinstance(ours.get(name), Mapping)
    }
    return {**ours, **more, **both}
