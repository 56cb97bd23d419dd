"""Bytes that are dear to make and always come out the same, kept on disk and shared by all test processes."""

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import av

FOLDER = Path(__file__).parents[2] / ".cache" / "lab"
# Raised whenever the pictures or sounds change, so that an older clip is never taken for a new one.
EDITION = 3


def cached(recipe: str, make: Callable[[], bytes]) -> bytes:
    """What `make` returns for this recipe, made by one process and read by all others."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{EDITION} {av.__version__} {recipe}".encode()).hexdigest()[:24]
    path = FOLDER / key
    with (FOLDER / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _write(path, make())
    return path.read_bytes()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a killed test run leaves no half clip behind."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)
