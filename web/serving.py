"""The web application as a part of `aftertake serve`."""

import uvicorn

from flows.settings import Settings


def run_web() -> None:
    """Answer on the address of the settings until the process is told to end."""
    listen = Settings.load().listen
    uvicorn.run("web.app:create", factory=True, host=listen.host, port=listen.port, log_level="warning")
