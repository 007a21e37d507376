"""An asset on its way through memory: cut into parts, hashed, one request to S3 under way."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from itertools import cycle
from typing import Any, Self

#: How often whoever waits for a part's upload asks whether it may go on.
_WATCH_SECONDS = 1.0
#: As much of a part is sent at a time. It must be sent within the store's time limit for connecting.
_PIECE_BYTES = 256 * 1024


class Buffers:
    """Memory for parts, two buffers an asset, kept for the next one: getting it costs more than filling it."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._idle: list[Sequence[bytearray]] = []

    @contextmanager
    def borrowed(self) -> Iterator[Sequence[bytearray]]:
        """Give two buffers of a part's size until the block ends; threads may ask at the same time."""
        try:
            pair = self._idle.pop()
        except IndexError:
            pair = (bytearray(self._part_bytes), bytearray(self._part_bytes))
        try:
            yield pair
        finally:
            self._idle.append(pair)


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


def read_parts(
    read_into: Callable[[memoryview], int], buffers: Sequence[bytearray], digest: Digest
) -> Iterator[memoryview]:
    """Cut a stream into parts of a buffer's size, the last one shorter, and have the digest follow.

    The buffers take turns: of two, a part is valid until the next but one is asked for. So no more than
    two parts of an asset are ever in memory, however large it is. What has just come is hashed
    while it lies in the processor's cache, and while more of it arrives.
    """
    for buffer in cycle(memoryview(each) for each in buffers):
        filled = 0
        while filled < len(buffer) and (count := read_into(buffer[filled:])):
            digest.update(buffer[filled : filled + count])
            filled += count
        if filled:
            yield buffer[:filled]
        if filled < len(buffer):
            return


class Body(io.RawIOBase):
    """A part as HTTP libraries send it without a copy: a file that gives large pieces of itself.

    Python's time limit for ``sendall`` is for all that it is given, so a slow upload of a whole part would fail.
    """

    def __init__(self, part: memoryview) -> None:
        super().__init__()
        self._part = part
        self._at = 0

    def __len__(self) -> int:
        return len(self._part)

    def read(self, _size: int = -1) -> memoryview:  # botocore and http.client send what sockets do
        """Give the next piece, whatever size was asked for."""
        piece = self._part[self._at : self._at + _PIECE_BYTES]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere, as before another attempt."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._part)}[whence]
        return self._at

    def tell(self) -> int:
        """Tell where it is."""
        return self._at


class Uploader:
    """One request to S3 under way at a time, in one of ``threads``; whoever waits for it asks whether it may go on."""

    def __init__(self, threads: Executor, alive: Callable[[], None]) -> None:
        self._threads = threads
        self._alive = alive
        self._request: Future[Any] | None = None

    def start(self, request: Callable[..., Any], *arguments: object) -> None:
        """Begin a request; the one before must be finished."""
        self._request = self._threads.submit(request, *arguments)

    def finish(self) -> Any:  # noqa: ANN401 - whatever the request gives
        """Wait for the request and give its result, or raise what it raised."""
        while self._request:
            done, _ = wait([self._request], timeout=_WATCH_SECONDS)
            if done:
                return self._request.result()
            self._alive()
        return None

    def drain(self) -> None:
        """Let what is under way end, so that an abort behind it leaves no part."""
        if self._request:
            wait([self._request])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drain()
