"""What the words of a command line mean: a place or a recording, a time, a text to look for."""

import argparse
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from catalog.errors import LayoutError
from catalog.model import RecordingId
from flows.fields import LongSpan
from flows.moments import read_moment
from vendors.registry import VENDORS

LONGEST: Final = 1024
"""Characters of a text to look for: as many as a key of a store may have."""

_LONG_SPAN: Final[TypeAdapter[timedelta]] = TypeAdapter(LongSpan)
NO_REASON: Final = "no reason given"
"""What the audit keeps of those who give none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder or a store."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A recording as people name it: `VENDOR:TASK_ID`, or a task id alone."""

    text: str

    @property
    def vendor(self) -> str | None:
        """None for a task id alone."""
        vendor, colon, _ = self.text.partition(":")
        return vendor if colon and vendor in VENDORS else None

    @property
    def task_id(self) -> str:
        """Without the vendor."""
        return self.text.removeprefix(f"{self.vendor}:")

    @property
    def recording(self) -> RecordingId:
        """The one recording that is meant. Raises `LayoutError` where the vendor is not said, or the id is empty."""
        if self.vendor is None or not self.task_id:
            message = f"{self.text!r} names no recording. Write VENDOR:TASK_ID; the vendors are {', '.join(VENDORS)}."
            raise LayoutError(message)
        return RecordingId(vendor=self.vendor, task_id=self.task_id)


def place_or_task(text: str) -> Place | Task:
    """A place is what has `://`, begins as a path does, or is there; anything else names a recording."""
    if "://" in text or text.startswith(("/", "./", "../")) or _is_there(text):
        return Place(url=text)
    return task(text)


def task(text: str) -> Task:
    """The name of a recording."""
    return Task(text=plain_text(text))


def plain_text(text: str) -> str:
    """A text that a catalog can hold."""
    with suppress(UnicodeEncodeError):
        text.encode()
        if text and "\0" not in text and len(text) <= LONGEST:
            return text
    raise argparse.ArgumentTypeError(f"write 1 to {LONGEST} characters in UTF-8")


def moment(text: str) -> datetime:
    """See `read_moment`."""
    try:
        return read_moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def long_span(text: str) -> timedelta:
    """`90m`, `24h`, `7d`: a minute at least."""
    try:
        return _LONG_SPAN.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(str(error.errors()[0]["ctx"]["error"])) from None


def _is_there(text: str) -> bool:
    with suppress(OSError, ValueError):
        return bool(text) and Path(text).exists()
    return False
