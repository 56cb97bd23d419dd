"""Where a Chromium is that plays H.264 and AAC."""

import shutil
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> Path | None:
    """The first Chromium or Chrome on the PATH."""
    return next((Path(path) for name in _NAMES if (path := shutil.which(name))), None)
