"""The C heap: freed memory is kept for the next segment.

Each segment needs a few buffers of its own size. glibc gives such memory back to the kernel at once and has it zeroed
page by page again for the next segment; that cost more than the demuxing itself (measured: half of its CPU time).
"""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 << 20


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep up to 256 MiB of freed memory; whether it does. Other C libraries are left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(parameter, _KEPT_BYTES) for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)
    )
