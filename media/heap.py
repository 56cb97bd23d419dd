"""The C heap: freed memory is kept for the next segment.

Each segment needs a few buffers of its own size. glibc gives such memory back to the kernel at once and has it zeroed
page by page again for the next segment; that cost more than the demuxing itself (measured: half of its CPU time). One
arena serves all threads, so that what one thread has freed is used again by another.
"""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 256 << 20


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep up to 256 MiB of freed memory; whether it does. Other C libraries are left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = ((_M_MMAP_THRESHOLD, _KEPT_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_ARENA_MAX, 1))
    return mallopt is not None and all(mallopt(parameter, value) for parameter, value in settings)
