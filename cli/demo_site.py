"""What `aftertake demo` leaves: a folder with settings of its own, in which each command finds what was published."""

from pathlib import Path
from typing import Final

from flows.opening import open_catalog
from flows.settings import FILE, Settings
from flows.steps.reindexing import reindex
from storage.local import LocalStore

PUBLISHED: Final = "published"
_SETTINGS: Final = f"""\
# Made by `aftertake demo`: what it published, and a catalog of that. Give commands in this folder.
output = "{PUBLISHED}"
catalog = "sqlite:///catalog.db"
data = "data"
"""


def leave(root: Path) -> Settings:
    """Write the settings, and make the catalog from the manifests that lie below `root` by now."""
    for left in root.glob("catalog.db*"):
        left.unlink()
    (root / FILE).write_text(_SETTINGS, encoding="utf-8")
    settings = Settings.load({"AFTERTAKE_CONFIG": str(root / FILE)})
    with open_catalog(settings) as catalog:
        reindex(catalog, settings, LocalStore(root / PUBLISHED), lambda _: None)
    return settings
