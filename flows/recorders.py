"""The recorders of the configured sources, and what they are asked with: keys from variables and files only.

    AFTERTAKE_{SOURCE}_API_KEY_ID, …_API_SECRET         what the vendor is asked with
    AFTERTAKE_{SOURCE}_UPLOAD_KEY_ID, …_UPLOAD_SECRET   what the vendor writes with into the source's bucket

With the vendor's name in place of the source's they are for all its sources. ZEGOCLOUD has no key id beside the
project's number. A source's `api_key` and `upload_key` name files instead, with the key id and the secret apart by
white space, or the secret alone; they are read whenever a recorder is asked for.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from flows.fields import key_variables
from flows.saying import Once
from flows.settings import Settings, SettingsError, Source
from storage.connection import Connection
from vendors.recorder import Access, NoSuchCallError, Past, Recorder, UploadKey
from vendors.recorders import open_recorder
from vendors.registry import RECORDED

_log = logging.getLogger(__name__)

_LISTED: Final = timedelta(days=3)
"""As far back as any vendor lists, where nobody says how far."""


class Recorders:
    """Opened when somebody asks, and then kept: a recorder counts what its vendor allows in a second."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str] = os.environ,
        *,
        open_recorder: Callable[..., Recorder] = open_recorder,
    ) -> None:
        """Nothing is read yet."""
        self._open = open_recorder
        self._settings = settings
        self._environment = environment
        self._opened: dict[tuple[str, Access], Recorder] = {}
        self._opening = Lock()
        self._said = Once(_log)

    def able(self, vendor: str) -> Iterator[Source]:
        """The sources of this vendor that have a project and its key; a file that cannot be read is logged once."""
        for source in self._settings.sources_for(vendor):
            if source.vendor == vendor and source.app is not None and self._has_key(source, vendor):
                yield source

    def of(self, source: Source) -> Recorder:
        """The recorder of a source. Raises `SettingsError` that says what is missing."""
        if source.vendor not in RECORDED:
            message = f"source {source.name}: write vendor = one of {', '.join(RECORDED)}, whose API is asked"
            raise SettingsError(message)
        if source.app is None:
            message = f"source {source.name}: write app, the project that records into it"
            raise SettingsError(message)
        key_id, secret = self._key(source, source.vendor, "API", source.api_key) or _missing(source, "API")
        access = Access(app=source.app, key_id=key_id, secret=secret, hosts=source.api, scheme=source.api_scheme)
        with self._opening:
            found = self._opened.get((source.vendor, access))
            if found is None:
                connection = Connection.from_environment(self._environment)
                found = self._opened[source.vendor, access] = self._open(source.vendor, access, connection=connection)
            return found

    def close(self) -> None:
        """Let the connections go."""
        with self._opening:
            for recorder in self._opened.values():
                recorder.close()
            self._opened.clear()

    def history(self, source: Source, since: datetime | None, until: datetime | None) -> Iterable[Past]:
        """What the vendor of a source has in its own list of this time; nothing where it has none, or cannot be asked.

        Raises `CallError`.
        """
        if source.vendor is None or source not in list(self.able(source.vendor)):
            return ()
        end = until or datetime.now(UTC)
        try:
            return list(self.of(source).history(since or end - _LISTED, end))
        except NoSuchCallError:
            return ()

    def upload_key(self, source: Source) -> UploadKey:
        """What the vendor writes with. Raises `SettingsError`."""
        found = self._key(source, source.vendor or "", "UPLOAD", source.upload_key) or _missing(source, "UPLOAD")
        return UploadKey(key_id=found[0], secret=found[1])

    def _has_key(self, source: Source, vendor: str) -> bool:
        """Whoever only looks who can be asked is not stopped by one source's bad file."""
        try:
            key = self._key(source, vendor, "API", source.api_key)
        except SettingsError as error:
            self._said.error(source.name, str(error))
            return False
        self._said.is_well(source.name)
        return key is not None

    def _key(self, source: Source, vendor: str, kind: str, file: Path | None) -> tuple[str, str] | None:
        if file is not None:
            return _written(source, file)
        for name in (source.name, vendor):
            key_id, secret = (self._environment.get(variable, "") for variable in key_variables(name, kind))
            if secret:
                return key_id, secret
        return None


def _written(source: Source, file: Path) -> tuple[str, str]:
    try:
        words = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"source {source.name}: the key in {file} cannot be read: {error}") from error
    if len(words) not in {1, 2}:
        raise SettingsError(f"source {source.name}: {file} is to hold a key id and a secret, or the secret alone")
    return (words[0], words[1]) if len(words) == 2 else ("", words[0])


def _missing(source: Source, kind: str) -> tuple[str, str]:
    key_id, secret = key_variables(source.name, kind)
    what = {"API": "what its vendor is asked with", "UPLOAD": "what its vendor writes with into the bucket"}[kind]
    message = f"source {source.name}: there is no key, {what}. Set {key_id} and {secret}, or write {kind.lower()}_key."
    raise SettingsError(message)
