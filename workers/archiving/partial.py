"""Partial files: audio that is shorter than announced, kept in the bucket while the source may get more of it.

The source's URL can expire before the rest comes. Then the partial file is stored as the asset, and marked as short
(``test_a_url_that_dies_while_more_is_hoped_for_leaves_what_came_before``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from workers.bucket.store import Store
from workers.connections.attempt import cut_off_after
from workers.context import WorkerContext
from workers.errors import ShortError, TransientError
from workers.ledger.values.lease import Lease

log = structlog.get_logger()


class Readable(Protocol):
    """The source of an asset's bytes: its URL (``workers.source``) or its partial file in the bucket."""

    @property
    def announced(self) -> int | None:
        """The length in bytes, or None if it is not known."""

    @property
    def has_announced_end(self) -> bool:
        """Whether a body that is cut off is noticed by its announced length."""

    def read_into(self, buffer: memoryview) -> int:
        """Read bytes to the front of ``buffer`` and give their number, 0 at the end."""


class _Body(Protocol):
    def read(self, size: int) -> bytes: ...


class PartialReader:
    """A partial file, read once from start to end."""

    announced = None
    has_announced_end = True

    def __init__(self, body: _Body) -> None:
        self._body = body

    def read_into(self, buffer: memoryview) -> int:
        """Read bytes to the front of ``buffer`` and give their number, 0 at the end."""
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def keep_partial(context: WorkerContext, lease: Lease, audio: memoryview, seconds: float) -> ShortError:
    """Keep short audio of ``seconds``, unless the kept audio is as long; give the error that ends the attempt.

    The ledger records the partial file before it is written. So a worker that dies between the two leaves no file that
    the ledger does not know. Raises ``LeaseLostError``, and ``TransientError`` if the bucket does not take the file.
    """
    key = lease.partial or context.settings.layout.partial_key(lease.key)
    if not lease.partial or seconds > lease.seconds:
        context.ledger.heartbeat(lease, partial=key)
        context.store.write_text(key, audio, "application/octet-stream")
    detail = f"{seconds:.1f} s of {lease.announced_seconds or 0:.1f} s announced"
    return ShortError(detail, partial=key, seconds=max(seconds, lease.seconds))


@contextmanager
def open_partial(context: WorkerContext, key: str) -> Iterator[PartialReader]:
    """Open a partial file for reading.

    Raises ``TransientError`` when the bucket cannot be asked, and ``PermanentError`` (``part_gone``) without the file.
    """
    limits = cut_off_after(context.settings.transfer_timeout, must_stop=context.must_stop)
    with limits, context.store.reading(key) as body:
        yield PartialReader(body)


def forget_partial(store: Store, lease: Lease) -> None:
    """Delete the partial file of a settled asset. If the bucket cannot delete it now, it stays: it does no harm."""
    if lease.partial:
        try:
            store.delete(lease.partial)
        except TransientError as error:
            log.warning("partial_file_left", key=lease.partial, detail=error.detail)
