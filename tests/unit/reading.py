"""Content cut into parts for tests, as a transfer cuts it."""

from collections.abc import Callable, Generator

from workers.transfer.memory import Reservation, TransferMemory
from workers.transfer.parts import Digest, Part, read_parts

#: Bytes of a part: a song fits in one, a film does not. S3 requires 5 MiB; no code under test depends on that.
PART = 2 * 1024**2


def reader(content: bytes, most: int = 1_000_003) -> Callable[[memoryview], int]:
    """Make a ``read_into`` that gives the content in pieces whose size divides no part."""
    position = 0

    def read_into(buffer: memoryview) -> int:
        nonlocal position
        piece = content[position : position + min(len(buffer), most)]
        buffer[: len(piece)] = piece
        position += len(piece)
        return len(piece)

    return read_into


def reservation(budget: int = 1024**3, part: int = PART, announced: int | None = None) -> Reservation:
    """Reserve memory for one transfer, in a budget of its own."""
    reserved = TransferMemory(budget, part, least=part).reserve()
    assert reserved
    reserved.fit(announced)
    return reserved


def parts_of(content: bytes, digest: Digest | None = None) -> Generator[Part]:
    """Cut content into parts, with the next one read ahead."""
    return read_parts(reader(content), reservation(), digest or Digest())
