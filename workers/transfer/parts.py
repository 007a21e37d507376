"""An asset on its way through memory: cut into parts, hashed, and sent in pieces."""

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

from workers.transfer.memory import Share

#: So much is read behind a full buffer, to see whether there is more.
_BEHIND_BYTES = 64 * 1024
#: So much is hashed at a time: it lies in the processor's cache still, and each time costs threads a switch.
_HASHED_BYTES = 1024 * 1024
#: So much of a part is sent at a time, within ``workers.s3.client.READ_TIMEOUT``; more if the last piece was taken
#: within ``_QUICK_SECONDS``, as each time costs threads a switch.
PIECE_BYTES, _LARGE_PIECE_BYTES = 256 * 1024, 1024 * 1024
_QUICK_SECONDS = 1.0


class Digest:
    """SHA-256 and size of what passes through."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Add what comes next."""
        self._sha256.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Give the digest of what has passed, in hex."""
        return self._sha256.hexdigest()


class Part(NamedTuple):
    """A piece of an asset as S3 takes it; ``data`` is valid until the next part is asked for."""

    data: memoryview
    is_last: bool


def read_parts(read_into: Callable[[memoryview], int], share: Share, digest: Digest) -> Generator[Part]:
    """Cut a stream into parts of a buffer's size, the last one shorter, and have the digest follow.

    With room for a second buffer, the next part is read in a thread of its own while whoever asked has the last one.
    So no more than two parts of an asset are ever in memory, however large it is. Close the generator when it is not
    read to its end: it waits for that thread. Held by ``tests/unit/transfer/test_parts.py``.
    """
    reader = _Reader(read_into, digest)
    buffer = share.first()
    part = reader.fill(buffer)
    other = None if part.is_last else share.second()
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
    """Begin work in a thread; where the system gives none, do it now."""
    future: Future[Part] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="reading-ahead", daemon=True).start()
    except RuntimeError:
        run()
    return future


class _Reader:
    """Fills buffers from a stream, and has the digest follow."""

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
        # Whether that was all shows only when more is asked for.
        behind = memoryview(bytearray(_BEHIND_BYTES))
        self._carried = bytes(behind[: self._read(behind)])
        return Part(buffer, is_last=not self._carried)

    def _read(self, buffer: memoryview) -> int:
        if not self.is_wanted:
            raise NotWantedError
        return self._read_into(buffer)


class NotWantedError(Exception):
    """Nobody wants the rest of the stream any more."""


def go_on() -> None:
    """Do not mind whether the send may go on."""


class Body(io.RawIOBase):
    """A part as HTTP libraries send it without a copy: a file that gives large pieces of itself.

    Python's time limit for ``sendall`` is for all that it is given, so a slow upload of a whole part would fail.
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

    def read(self, _size: int = -1) -> memoryview:  # botocore and http.client send what sockets do
        """Give the next piece, whatever size was asked for. Raises what ``alive`` raises: the send ends then."""
        self._alive()
        began, self._began = self._began, self._clock()
        size = self._most if self._began - began < _QUICK_SECONDS else PIECE_BYTES
        piece = self._part[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere, as before another attempt."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._part)}[whence]
        return self._at

    def tell(self) -> int:
        """Tell where it is."""
        return self._at
