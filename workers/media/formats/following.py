"""Follows a file that passes by in parts, and gives a format's walk the bytes it asks for."""

import re

from workers.media.formats.walking import BYTES_BACK, LENGTH, NEXT_FF, Request, Walk

#: A walk of more steps is given up, and nothing is known of the file: a hostile one can have a header every few bytes.
MAX_STEPS = 1_000_000

_FF = 0xFF
_NEXT_FF = re.compile(rb"\xff")


class Follower:
    """One walk through one file. Holds the bytes that were asked for, and ``BYTES_BACK`` before the present part."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._request: Request | None = next(walk)
        self._held = b""
        self._behind = b""
        self._passed = 0
        self._steps = 0
        self._doubt = ""

    def end(self) -> str:
        """Say in words why the end may be missing, empty for no doubt, after the last part has passed.

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
                self._answer(held or self._what_is_behind(at)[:count])
        return self._doubt

    def see(self, part: memoryview) -> None:
        """Look at the next part, while it is there."""
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
        """Tell whether offset ``at`` is too far behind. Only a file that contradicts itself has a walk ask for that."""
        return self._passed - at > len(self._behind)

    def _what_is_behind(self, at: int) -> bytes:
        """Give what is kept from offset ``at`` on of the bytes before the present part."""
        return self._behind[at - self._passed :] if at < self._passed else b""

    def _ff_behind(self, at: int) -> int | None:
        behind = self._what_is_behind(at)
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
        """Add what there is of the bytes from offset ``at`` on, and answer when all have come."""
        missing, start = count - len(self._held), at - self._passed
        self._held += self._what_is_behind(at)[:missing] if start < 0 else part[start : start + missing]
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
