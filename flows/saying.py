"""Saying: a trouble that is met again and again is logged when it begins and when it changes, and not each second."""

import logging


class Once:
    """What was said last of each subject, such as a file."""

    def __init__(self, log: logging.Logger) -> None:
        """Nothing is wrong yet."""
        self._log = log
        self._said: dict[str, str] = {}

    def error(self, subject: str, trouble: str) -> None:
        """Log it, unless that was the last that was said of the subject."""
        if self._said.get(subject) != trouble:
            self._log.error("%s", trouble)
            self._said[subject] = trouble

    def is_well(self, subject: str) -> None:
        """The next trouble with it is a new one."""
        self._said.pop(subject, None)
