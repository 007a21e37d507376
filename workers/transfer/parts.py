"""Cuts an asset's stream into parts, hashes it, and sends each part in pieces."""

import hashlib
import io
import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import partial
from typing import NamedTuple

from workers.transfer.memory import Reservation

#: Bytes that are read behind a full buffer, to find out whether more follow.
_BEHIND_BYTES = 64 * 1024
#: Bytes that are hashed at a time: few enough to be in the processor's cache still; fewer cost more thread switches.
_HASHED_BYTES = 1024 * 1024
#: Bytes of a part that are sent at a time, each piece within ``workers.s3.client.READ_TIMEOUT``. The larger size is
#: used if the last piece was sent within ``_QUICK_SECONDS``, as each piece costs a thread switch.
PIECE_BYTES, _LARGE_PIECE_BYTES = 256 * 1024, 1024 * 1024
_QUICK_SECONDS = 1.0


class Digest:
    """SHA-256 and size of the bytes so far."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Add the next bytes."""
        self._sha256.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Return the digest of the bytes so far, in hex."""
        return self._sha256.hexdigest()


class Part(NamedTuple):
    """A part of an asset, as S3 takes it; ``data`` is valid until the next part is requested."""

    data: memoryview
    is_last: bool


def read_parts(read_into: Callable[[memoryview], int], reservation: Reservation, digest: Digest) -> Generator[Part]:
    """Cut a stream into parts of a buffer's size, the last one shorter, and update the digest.

    With a second buffer, a thread reads the next part while the caller uses this one. At most two parts of an asset are
    in memory (``test_no_more_than_two_parts_are_ever_held``). Close the generator if it is not read to its end: that
    waits for the thread (``test_no_thread_writes_to_a_buffer_after_its_reader_was_closed``).
    """
    reader = _Reader(read_into, digest)
    buffer = reservation.first()
    part = reader.fill(buffer)
    other = None if part.is_last else reservation.second()
    while other and not part.is_last:
        following = _in_a_thread(partial(copy_context().run, reader.fill, other))
        try:
            yield part
        except BaseException:
            reader.is_wanted = False
            wait([following])
            raise
        part = following.result()
        buffer, other = other, buffer
    while True:
        yield part
        if part.is_last:
            return
        part = reader.fill(buffer)


def _in_a_thread(work: Callable[[], Part]) -> "Future[Part]":
    """Run work in a thread; where the system gives none, run it now."""
    future: Future[Part] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by Future.result
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="reading-ahead", daemon=True).start()
    except RuntimeError:
        run()
    return future


class _Reader:
    """Fills buffers from a stream, and updates the digest."""

    def __init__(self, read_into: Callable[[memoryview], int], digest: Digest) -> None:
        self._read_into = read_into
        self._digest = digest
        self._carried = b""
        self.is_wanted = True

    def fill(self, buffer: memoryview) -> Part:
        filled, hashed, count = len(self._carried), 0, 1
        buffer[:filled] = self._carried
        while count and filled < len(buffer):
            count = self._read(buffer[filled:])
            filled += count
            if filled - hashed >= _HASHED_BYTES:
                self._digest.update(buffer[hashed:filled])
                hashed = filled
        self._digest.update(buffer[hashed:filled])
        if not count:
            return Part(buffer[:filled], is_last=True)
        # Only a further read tells whether this was the last part.
        behind = memoryview(bytearray(_BEHIND_BYTES))
        self._carried = bytes(behind[: self._read(behind)])
        return Part(buffer, is_last=not self._carried)

    def _read(self, buffer: memoryview) -> int:
        if not self.is_wanted:
            raise NotWantedError
        return self._read_into(buffer)


class NotWantedError(Exception):
    """The generator of ``read_parts`` was closed: the rest of the stream is not read."""


def go_on() -> None:
    """Let every send go on."""


class Body(io.RawIOBase):
    """A part as a file object, which HTTP libraries send without a copy, piece by piece.

    A socket's timeout covers a whole ``sendall``, so a slow upload would fail if it sent a part at once.
    """

    def __init__(
        self,
        part: memoryview,
        alive: Callable[[], None] = go_on,
        *,
        most: int = _LARGE_PIECE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._part = part
        self._alive = alive
        self._most = most
        self._clock = clock
        self._at = 0
        self._began = -math.inf

    def __len__(self) -> int:
        return len(self._part)

    def read(self, _size: int = -1) -> memoryview:  # botocore and http.client send any bytes-like object
        """Return the next piece; the size that is asked for is ignored. An error from ``alive`` ends the send."""
        self._alive()
        began, self._began = self._began, self._clock()
        size = self._most if self._began - began < _QUICK_SECONDS else PIECE_BYTES
        piece = self._part[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position, as before another attempt. Return it."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._part)}[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at
