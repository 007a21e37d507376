"""The requests that a format's walk can make, and the error for a file that is cut off."""

from collections.abc import Generator
from typing import Any, NoReturn, TypeVar

from workers.errors import TransientError

Answer = TypeVar("Answer")

#: An offset in the file, and a number of bytes; or ``NEXT_FF`` or ``LENGTH`` in place of that number.
Request = tuple[int, int]
NEXT_FF, LENGTH = 0, -1
#: A step within a walk, which returns an ``Answer``.
Step = Generator[Request, Any, Answer]
#: A whole walk. It returns a doubt in words or an empty string; a proof is a ``TransientError`` (``incomplete``).
Walk = Step[str]

#: A walk may request again this many of the bytes that have passed.
BYTES_BACK = 64


def take(at: int, count: int) -> Step[bytes]:
    """Return ``count`` bytes from offset ``at`` on, fewer where the file ends before."""
    if not count:
        return b""
    data: bytes = yield at, count
    return data


def reaches(end: int) -> Step[bool]:
    """Tell whether the file has ``end`` bytes or more."""
    last = yield from take(end - 1, 1)
    return bool(last)


def next_ff(at: int) -> Step[int | None]:
    """Return the offset of the first byte 0xFF from ``at`` on; None where there is none."""
    found: int | None = yield at, NEXT_FF
    return found


def length() -> Step[int]:
    """Return the file's length in bytes, after all of it has passed."""
    total: int = yield 0, LENGTH
    return total


def cut_off(detail: str) -> NoReturn:
    """Raise ``TransientError`` (``incomplete``) for a file whose end is proven to be missing."""
    raise TransientError("incomplete", f"no length was announced, and {detail}")
