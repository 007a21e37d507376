"""An asset on its way through memory: cut into parts, hashed, one request to S3 under way."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import cycle
from typing import Any, Self, TypeVar

#: How often whoever waits for a part's upload says that it is still there.
_WATCH_SECONDS = 1.0

_Chunk = TypeVar("_Chunk", bytes, bytearray)


def read_parts(read_into: Callable[[memoryview], int], part_bytes: int) -> Iterator[bytearray]:
    """Cut a stream into parts of ``part_bytes``, the last one shorter.

    There are two buffers and they take turns: a part is valid until the next but one is asked for.
    So no more than two parts of an asset are ever in memory, however large it is.
    """
    for buffer in cycle([bytearray(part_bytes), bytearray(part_bytes)]):
        filled = 0
        with memoryview(buffer) as view:
            while filled < part_bytes and (count := read_into(view[filled:])):
                filled += count
        if filled < part_bytes:
            del buffer[filled:]
            if buffer:
                yield buffer
            return
        yield buffer


class Digest:
    """SHA-256 and size of what passes through."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def follow(self, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Pass the chunks on, each counted when it is asked for."""
        for chunk in chunks:
            self._sha256.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        """Give the digest of what has passed, in hex."""
        return self._sha256.hexdigest()


class Uploader:
    """One request to S3 under way at a time, in a thread of its own; whoever waits for it shows signs of life."""

    def __init__(self, alive: Callable[[], None]) -> None:
        self._alive = alive
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload")
        self._request: Future[Any] | None = None

    def start(self, request: Callable[..., Any], *arguments: object) -> None:
        """Begin a request; the one before must be finished."""
        self._request = self._thread.submit(request, *arguments)

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
        self._thread.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drain()
