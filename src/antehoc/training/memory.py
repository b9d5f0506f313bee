"""Faster allocation of tensors on the CPU."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers of these options


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory for the next allocation; True where it understands (glibc on Linux).

    By default, glibc returns the memory of a tensor of a few megabytes to the system as soon as it is freed. Every
    training step then gets all of its activations page by page from the system again, which takes a quarter of the
    time of a small network. The peak use of memory stays the same; it is returned when the process ends.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 2**25) and mallopt(_TRIM_THRESHOLD, 2**30))
