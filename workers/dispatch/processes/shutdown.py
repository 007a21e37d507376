"""A worker that must end tells its pool processes, and they hand back the assets that they cannot finish in time."""

import mmap
import struct
import time

#: Memory that the forked processes share: the start of the shutdown in the system's monotonic seconds; 0 before.
_began = mmap.mmap(-1, 8)


def begin() -> None:
    """Note in the worker's main process that its shutdown begins. A second call changes nothing."""
    if not is_due():
        struct.pack_into("d", _began, 0, time.monotonic())


def is_due(grace: float = 0.0) -> bool:
    """Tell whether a shutdown began ``grace`` seconds ago or earlier."""
    began: float = struct.unpack_from("d", _began)[0]
    return began > 0 and time.monotonic() - began >= grace
