"""What a folder says of itself: room, and whether a rename can reach everywhere in it."""

import os
import shutil

from storage.examining import BucketFacts, Contact


class LocalExaminer:
    """An Examiner of the folder `root`, which need not exist yet."""

    origin = ""

    def __init__(self, root: str) -> None:
        """An absolute path."""
        self._root = root

    def contact(self) -> Contact:
        """A folder answers nothing."""
        return Contact()

    def facts(self) -> BucketFacts:
        """Free bytes where the folder is, or will be; its subfolders on other file systems."""
        return BucketFacts(free_bytes=shutil.disk_usage(_existing(self._root)).free, mounted=_mounted(self._root))


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _mounted(root: str) -> tuple[str, ...]:
    """The first level only: that is where keys of one kind part."""
    if not os.path.isdir(root):
        return ()
    device = os.stat(root).st_dev
    with os.scandir(root) as entries:
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    return tuple(sorted(entry.name for entry in folders if os.stat(entry.path).st_dev != device))
