"""Gives the bytes of a file, which passes in parts, to the parser of its format."""

import re

from workers.media.formats.walking import BYTES_BACK, LENGTH, NEXT_FF, Request, Walk

#: A longer walk is given up without a result: a hostile file can have a header every few bytes. Held by
#: ``test_a_file_with_more_headers_than_any_needs_is_given_up``.
MAX_STEPS = 1_000_000

_FF = 0xFF
_NEXT_FF = re.compile(rb"\xff")


class Follower:
    """One walk through one file. Keeps the requested bytes, and ``BYTES_BACK`` bytes before the current part."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._request: Request | None = next(walk)
        self._held = b""
        self._behind = b""
        self._passed = 0
        self._steps = 0
        self._doubt = ""

    def end(self) -> str:
        """Return in words why the end may be missing, empty for no doubt. Call it after the last part.

        Raises ``TransientError`` (``incomplete``) where the end is proven to be missing.
        """
        while self._request is not None:
            at, count = self._request
            if count == LENGTH:
                self._answer(self._passed)
            elif self._is_gone(at + len(self._held)):
                self._request = None
            elif count == NEXT_FF:
                self._answer(self._ff_behind(at))
            else:
                held, self._held = self._held, b""
                self._answer(held or self._kept_from(at)[:count])
        return self._doubt

    def see(self, part: memoryview) -> None:
        """Read the next part. No reference to it is kept."""
        end = self._passed + len(part)
        while self._request is not None:
            at, count = self._request
            at += len(self._held)
            if count == LENGTH or at >= end:
                break
            if self._is_gone(at):
                self._request = None
            elif count == NEXT_FF:
                self._look_for_ff(part, at)
            else:
                self._hold(part, at, count)
        self._behind = (self._behind + bytes(part[-BYTES_BACK:]))[-BYTES_BACK:]
        self._passed = end

    def _is_gone(self, at: int) -> bool:
        """Tell whether offset ``at`` is no longer kept. Walks request such bytes only in contradictory files."""
        return self._passed - at > len(self._behind)

    def _kept_from(self, at: int) -> bytes:
        """Return the kept bytes from offset ``at`` up to the current part."""
        return self._behind[at - self._passed :] if at < self._passed else b""

    def _ff_behind(self, at: int) -> int | None:
        behind = self._kept_from(at)
        return at + behind.index(_FF) if _FF in behind else None

    def _look_for_ff(self, part: memoryview, at: int) -> None:
        offset = self._ff_behind(at)
        found = _NEXT_FF.search(part, max(0, at - self._passed)) if offset is None else None
        if found:
            offset = self._passed + found.start()
        if offset is None:
            self._request = self._passed + len(part), NEXT_FF
        else:
            self._answer(offset)

    def _hold(self, part: memoryview, at: int, count: int) -> None:
        """Add the bytes from offset ``at`` on that are there, and answer the request when all have arrived."""
        missing, start = count - len(self._held), at - self._passed
        self._held += self._kept_from(at)[:missing] if start < 0 else part[start : start + missing]
        if len(self._held) == count:
            held, self._held = self._held, b""
            self._answer(held)

    def _answer(self, answer: object) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            self._request = None
            return
        try:
            self._request = self._walk.send(answer)
        except StopIteration as ended:
            self._request, self._doubt = None, ended.value
