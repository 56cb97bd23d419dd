"""Links to the files of exports: for a quarter of an hour, to somebody who is noted, and only to what is whole."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from catalog.errors import ExportStateError
from catalog.exports import Export, ExportedFile, ExportState
from storage.base import ObjectStore
from storage.checksums import Proof
from storage.errors import Corrupt, NotFound, Unsupported
from storage.retry import Retry

if TYPE_CHECKING:
    from catalog.index import Catalog

LONGEST: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """At `url` anybody may read the file until `expires_at`, and saves it as `name`. The URL is never logged."""

    url: str
    expires_at: datetime
    name: str

    def __repr__(self) -> str:
        """Without the URL: whoever has it has the file."""
        return f"Link(name={self.name!r}, expires_at={self.expires_at!r})"


def link(catalog: "Catalog", output: ObjectStore, export_id: str, *, by: str, reason: str, now: datetime) -> Link:
    """A link to the file of an export, for a quarter of an hour, or as long as that lasts; it is noted who gets one.

    Raises `UnknownExportError`; `ExportStateError` unless there is a file, and it is whole; `Unsupported` for a store
    that gives no links; other errors of stores.
    """
    export = catalog.exports.get(export_id)
    file = _file(export, now)
    if not output.capabilities.presigns:
        raise Unsupported("presign_get", file.key, "this store gives no links; write the file with `-o FILE`")
    try:
        require_whole(output, file)
    except (NotFound, Corrupt) as error:
        message = f"the export {export.id} is done, but its file is not as it was: {error} Stop it, and ask again."
        raise ExportStateError(message) from error
    lasts = min(LONGEST, export.expires_at - now)
    seconds, name = max(int(lasts.total_seconds()), 1), f"{_name(export, by)}.{export.key.extension}"
    catalog.exports.note_link(export.id, by=by, reason=reason, seconds=seconds, name=name)
    url = output.presign_get(file.key, seconds, name)
    return Link(url=url, expires_at=now + timedelta(seconds=seconds), name=name)


def require_whole(output: ObjectStore, file: ExportedFile) -> None:
    """Raise `NotFound` or `Corrupt` unless file and certificate stand, and the file is as it was made.

    That is seen by its size, and by its checksum if the store has that.
    """
    policy = Retry()
    policy.call(lambda: output.head(file.certificate))
    meta = policy.call(lambda: output.head(file.key))
    if meta.size_bytes != file.size_bytes:
        raise Corrupt("head", file.key, f"it has {meta.size_bytes} bytes, not {file.size_bytes}", Proof.LENGTH)
    found = meta.checksums.crc64xz
    if found is not None and found != file.crc64xz:
        raise Corrupt("head", file.key, f"its CRC64 is {found}, not {file.crc64xz}", Proof.CRC64XZ)


def _name(export: Export, by: str) -> str:
    """What that person called it, or else the first who asked for it."""
    return next((each.name for each in export.askings if each.by == by), export.name)


def _file(export: Export, now: datetime) -> ExportedFile:
    if export.state is not ExportState.DONE or export.file is None:
        why = f": {export.cause}" if export.cause else ""
        message = f"the export {export.id} is {export.state}{why}; there is no file to link to"
        raise ExportStateError(message)
    if export.expires_at <= now:
        message = f"the export {export.id} has expired; ask for it again"
        raise ExportStateError(message)
    return export.file
