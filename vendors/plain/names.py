"""Names of ordinary HLS: a playlist's stem is the recording; nothing else can be read from a name."""

from vendors.base import ObjectKind, ObjectName

VENDOR = "plain"

_EXTENSIONS = ("m3u8", "m3u")


def parse_name(basename: str, *, room: str | None = None) -> ObjectName | None:  # noqa: ARG001
    """A playlist's name; None for anything else."""
    stem, _, extension = basename.rpartition(".")
    if not stem or extension not in _EXTENSIONS:
        return None
    return ObjectName(vendor=VENDOR, task_id=stem, kind=ObjectKind.PLAYLIST, extension=extension, track="both")


def name_starts(task_id: str) -> tuple[str, ...]:  # noqa: ARG001
    """Slices may have any name, so whatever lies in the folder."""
    return ("",)


def encode_name(name: ObjectName) -> str:
    """The base name that says this. Raises ValueError for anything but a playlist."""
    encoded = f"{name.task_id}.{name.extension}"
    if parse_name(encoded) != name:
        raise ValueError(f"an ordinary playlist has no name for {name}: {encoded!r} reads otherwise")
    return encoded
