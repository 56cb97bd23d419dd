"""Progress on stderr: a line that redraws itself on a terminal, a plain one every ten seconds otherwise."""

import sys
import threading
import time

_PLAIN_EVERY_S = 10.0
_TERMINAL_EVERY_S = 0.1
_BAR = 24
"""Columns of a bar."""


class Line:
    """A line that is said anew, though not too often."""

    def __init__(self, command: str) -> None:
        """Every line begins with the command."""
        self._command = command
        self._is_terminal = sys.stderr.isatty()
        self._said_at = time.monotonic()
        self._said = False

    def say(self, text: str) -> None:
        """Say how far it is, unless that was said just now."""
        every = _TERMINAL_EVERY_S if self._is_terminal else _PLAIN_EVERY_S
        if time.monotonic() - self._said_at < every:
            return
        self._said, self._said_at = True, time.monotonic()
        line = f"{self._command}: {text}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._is_terminal else f"{line}\n")
        sys.stderr.flush()

    def say_share(self, share: float, text: str) -> None:
        """The same, after a bar where a terminal can show one."""
        full = round(max(0.0, min(share, 1.0)) * _BAR)
        self.say(f"[{'#' * full}{'.' * (_BAR - full)}] {text}" if self._is_terminal else text)

    def finish(self) -> None:
        """Leave a clean line."""
        if self._said and self._is_terminal:
            sys.stderr.write("\r\x1b[K")


class Progress:
    """Counts source bytes; may be told from several threads."""

    def __init__(self, command: str, total_bytes: int) -> None:
        """`total_bytes` is what the listing says; playlists and side files count in, so the end may come early."""
        self._line = Line(command)
        self._total = max(total_bytes, 1)
        self._done = 0
        self._lock = threading.Lock()

    def add(self, size_bytes: int) -> None:
        """More bytes have been taken."""
        with self._lock:
            self._done += size_bytes
            self._line.say(f"{self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB")

    def finish(self) -> None:
        """Leave a clean line."""
        self._line.finish()
