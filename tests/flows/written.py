"""Settings as they are written into a file, and what is said of those that are refused."""

import traceback
from pathlib import Path

import pytest

from flows.settings import Settings, SettingsError

PASSWORD = "canary-9b1d"  # noqa: S105 - it is looked for where it must not be


def write(text: str, path: str = "aftertake.toml") -> Path:
    """A file below the working folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


def refused(environment: dict[str, str] | None = None) -> str:
    """What is said of settings that are refused; never the password in them."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(environment or {})
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)
