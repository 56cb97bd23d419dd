"""Memory: the C heap keeps what was freed for the next segment, and Python looks for cycles where there may be any.

Each segment needs a few buffers of its own size. glibc gives such memory back to the kernel at once and has it zeroed
page by page again for the next segment; that cost more than the demuxing itself (measured: half of its CPU time). One
arena serves all threads, so that what one thread has freed is used again by another.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 256 << 20


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep up to 256 MiB of freed memory; whether it does. Other C libraries are left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = ((_M_MMAP_THRESHOLD, _KEPT_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_ARENA_MAX, 1))
    return mallopt is not None and all(mallopt(parameter, value) for parameter, value in settings)


@contextmanager
def without_cycle_search() -> Iterator[None]:
    """Look for no reference cycles meanwhile: for work of seconds that makes very many values, and no cycles.

    Whenever they have grown by a quarter, Python searches all values that live; that was a third of the CPU time of a
    plan of 196,000 segments. Other threads keep their cycles until it is over. Where several do this at once, the
    search may begin again before the last of them is done, and never stays off.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
