"""What a format's walk asks for, and how it says that a file is cut off."""

from collections.abc import Generator
from typing import Any, NoReturn, TypeVar

from workers.errors import TransientError

Answer = TypeVar("Answer")

#: An offset in the file, and a number of bytes, or ``NEXT_FF``, or ``LENGTH``.
Request = tuple[int, int]
NEXT_FF, LENGTH = 0, -1
#: A step within a walk, which gives an ``Answer``.
Step = Generator[Request, Any, Answer]
#: A whole walk. It gives a doubt in words or an empty string; a proof is a ``TransientError`` (``truncated``).
Walk = Step[str]

#: Walks go forward. Of what they have passed, they may ask for so many bytes again.
BYTES_BACK = 64


def take(at: int, count: int) -> Step[bytes]:
    """Give ``count`` bytes from offset ``at`` on, fewer where the file ends before."""
    if not count:
        return b""
    data: bytes = yield at, count
    return data


def reaches(end: int) -> Step[bool]:
    """Tell whether the file has ``end`` bytes or more."""
    last = yield from take(end - 1, 1)
    return bool(last)


def next_ff(at: int) -> Step[int | None]:
    """Give the offset of the first byte 0xFF from ``at`` on; None where there is none."""
    found: int | None = yield at, NEXT_FF
    return found


def length() -> Step[int]:
    """Give the file's length in bytes, when all of it has passed."""
    total: int = yield 0, LENGTH
    return total


def cut_off(what: str) -> NoReturn:
    """Raise the error for a file that is proven to lack its end."""
    raise TransientError("incomplete", f"no length was announced, and {what}")
