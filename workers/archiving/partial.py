"""Part of a file: what a source had of a song that is not finished, kept in the bucket while more of it may come.

The song's URL can die before the rest comes. Then the part is stored in the song's place, and marked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from workers.bucket.store import Store
from workers.connections.attempt import cut_off_after
from workers.context import WorkerContext
from workers.errors import ShortError, TransientError
from workers.ledger.records import Lease

log = structlog.get_logger()


class Readable(Protocol):
    """What an asset is read from: its URL, or the part of it that is in the bucket."""

    @property
    def announced(self) -> int | None:
        """How many bytes there are, where that is known."""

    @property
    def has_announced_end(self) -> bool:
        """Tell whether a body that is cut off is known for one by its length."""

    def read_into(self, buffer: memoryview) -> int:
        """Read some bytes to the front of ``buffer`` and give their number, 0 at the end."""


class _Body(Protocol):
    def read(self, size: int) -> bytes: ...


class PartialFile:
    """A partial file, read once from start to end."""

    announced = None
    has_announced_end = True

    def __init__(self, body: _Body) -> None:
        self._body = body

    def read_into(self, buffer: memoryview) -> int:
        """Read some bytes to the front of ``buffer`` and give their number, 0 at the end."""
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def keep_partial(context: WorkerContext, lease: Lease, part: memoryview, seconds: float) -> ShortError:
    """Keep audio of ``seconds`` that is shorter than announced, unless as much is kept; give the error that says so.

    The ledger knows of the part before it is written, so that a worker that dies in between leaves none unknown. Raises
    ``LeaseLostError``, and ``TransientError`` where the bucket does not take it.
    """
    key = lease.partial or context.settings.layout.partial_key(lease.key)
    if not lease.partial or seconds > lease.seconds:
        context.ledger.heartbeat(lease, partial=key)
        context.store.write_text(key, part, "application/octet-stream")
    detail = f"{seconds:.1f} s of {lease.announced_seconds or 0:.1f} s announced"
    return ShortError(detail, partial=key, seconds=max(seconds, lease.seconds))


@contextmanager
def open_partial(context: WorkerContext, key: str) -> Iterator[PartialFile]:
    """Open a partial file for reading. Raises ``TransientError`` where the bucket does not give it."""
    limits = cut_off_after(context.settings.transfer_timeout, must_stop=context.must_stop)
    with limits, context.store.reading(key) as body:
        yield PartialFile(body)


def forget_partial(store: Store, lease: Lease) -> None:
    """Delete a partial file whose asset is stored. One that cannot be deleted does no harm."""
    if lease.partial:
        try:
            store.delete(lease.partial)
        except TransientError as error:
            log.warning("partial_file_left", key=lease.partial, detail=error.detail)
