"""The web application as a part of `aftertake serve`."""

from typing import Any, Final

import uvicorn

from flows.settings import Settings
from web.patience import HEAD_BYTES, patient

KEEP_ALIVE_S: Final = 15
"""Agora asks for ten seconds or more, and for a hundred requests or more on one connection, which are not counted."""
GRACE_S: Final = 5
"""What is being received or stored when the process is told to end has so long to be answered."""


def run_web() -> None:
    """Answer on the address of the settings until the process is told to end."""
    listen = Settings.load().listen
    uvicorn.run("web.app:create", factory=True, host=listen.host, port=listen.port, **limits())


def limits() -> dict[str, Any]:
    """What the server is told, whatever it serves."""
    return {
        "http": patient(),
        "ws": "none",
        # The log of accesses would hold the secrets that are in URLs.
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": GRACE_S,
        "h11_max_incomplete_event_size": HEAD_BYTES,
    }
