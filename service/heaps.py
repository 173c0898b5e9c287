"""Freed memory goes back to the system instead of waiting for the next peak.

glibc has a heap for every thread or two. By itself it raises what each may keep free at its end, up to 64
MiB, once large blocks were freed, as after every build of a snapshot; a process that stays would hold it all.
"""

import ctypes

KEPT_BYTES = 4 * 2**20
"""Free at a heap's end; blocks as large are the system's, and go back to it one by one. A quarter of it would
make encoding slower: its own blocks come and go."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""As in <malloc.h>."""


def give_back_freed() -> bool:
    """Limit what every heap of this process keeps; return whether there is a glibc to tell it to."""
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and all(tell(what, KEPT_BYTES) for what in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
