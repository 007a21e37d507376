"""The body of one asset. It raises an error if the body ends early, late or never."""

from collections.abc import Callable, Mapping
from io import DEFAULT_BUFFER_SIZE

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from workers.connections.attempt import Attempt
from workers.errors import PermanentError, TransientError
from workers.source import representation
from workers.source.decoding import decoded
from workers.source.raw_reads import more_follows, read_directly
from workers.source.speed import LowSpeed, SpeedCheck, slow_if_over

#: Resumptions in one attempt.
MAX_RESUMPTIONS = 100
#: Bytes that one read may return: many packets, and a small fraction of a part.
READ_BYTES = 256 * 1024

#: Sends the request again, with these headers; raises AssetError.
Reopen = Callable[[Mapping[str, str]], requests.Response]


class Source:
    """One file, read once from start to end. After a broken connection it is resumed at the byte where it broke.

    ``read_into`` raises ``TransientError`` (``truncated``, ``stalled``, ``slow``, ``overlong``,
    ``undecodable``) or ``PermanentError`` (``too_large``); after it has returned 0, the file was whole.
    """

    def __init__(  # noqa: PLR0913 - a response, and every limit to it
        self,
        response: requests.Response,
        reopen: Reopen,
        *,
        max_bytes: int,
        attempt: Attempt,
        low_speed: LowSpeed,
        clock: Callable[[], float],
    ) -> None:
        self._response = response
        self._reopen = reopen
        self._max_bytes = max_bytes
        self._attempt = attempt
        self._speed = SpeedCheck(low_speed)
        self._clock = clock
        self.received = 0
        self._resumed_at, self._resumptions = 0, 0
        self._past_head = False
        representation.check_decodable(response)
        self.announced = representation.announced_length(response)
        self.has_announced_end = representation.has_announced_end(response)
        self._validator = representation.validator(response)
        self._decoded = decoded(self._read_encoded, representation.encoding(response))
        if self.announced is not None and self.announced > max_bytes:
            raise PermanentError("too_large", f"{self.announced} bytes announced, {max_bytes} allowed")

    def read_into(self, buffer: memoryview) -> int:
        """Read some bytes to the front of ``buffer`` and return their number, 0 at the end of the file."""
        began = self._clock()
        while True:
            try:
                with slow_if_over(self._attempt), self._attempt.waiting():
                    count = self._read(buffer[:READ_BYTES])
                break
            except TransientError as broken:
                self._resume(broken)
        self.received += count
        self._speed.add(count, self._clock() - began)
        if self.received > self._max_bytes:
            raise PermanentError("too_large", f"more than the {self._max_bytes} bytes allowed")
        return count

    def close(self) -> None:
        """Close the response."""
        self._response.close()

    @property
    def _remaining(self) -> int:
        """The announced bytes that are left, 0 where no length was announced."""
        return 0 if self.announced is None else self.announced - self.received

    def _read(self, buffer: memoryview) -> int:
        remaining = self._remaining
        try:
            # Checked before the last announced byte is read. HTTP ends a body at its announced length, but a source
            # that sends more has announced a wrong length, and the bytes so far are not the whole file.
            if remaining == 1 and more_follows(self._response.raw):
                raise TransientError("overlong", f"more than the {self.announced} bytes announced came")
            count = self._read_some(buffer[: max(1, remaining - 1)] if remaining else buffer)
        except (ReadTimeoutError, TimeoutError):
            raise TransientError("stalled", f"silent for too long after {self.received} bytes") from None
        except (HTTPError, OSError, ValueError):
            raise TransientError("truncated", f"the connection broke after {self.received} bytes") from None
        if not count and self._attempt.is_over:
            # A connection that was shut down ends like a file without a length.
            raise TransientError("slow", f"cut off after {self.received} bytes")
        if not count and self.announced not in {None, self.received}:
            raise TransientError("truncated", f"{self.received} bytes of {self.announced} came")
        return count

    def _read_some(self, buffer: memoryview) -> int:
        large = len(buffer) > DEFAULT_BUFFER_SIZE
        if large and self._past_head:
            count = read_directly(self._response.raw, buffer, self._remaining)
            if count is not None:
                return count
        data = self._decoded(len(buffer))
        buffer[: len(data)] = data
        # The first large read empties http.client's buffer, which has the bytes that came with the headers.
        self._past_head |= large
        return len(data)

    def _read_encoded(self, size: int) -> bytes:
        data: bytes = self._response.raw.read1(size, decode_content=False)
        return data

    def _resume(self, broken: TransientError) -> None:
        """Go on behind the last byte, if the source proves that it still has the same file; else raise ``broken``.

        The proof is RFC 9110's: ``If-Range`` with a strong validator, answered by 206 from that very
        byte, with the same validator again. Each attempt to resume must start further than the last one. Held by
        ``tests/unit/test_archive_sources.py`` (transfers that break).
        """
        if (
            self._attempt.is_over
            or broken.reason not in {"truncated", "stalled"}
            or not self._validator
            or self.received <= self._resumed_at
        ):
            raise broken
        if self._resumptions == MAX_RESUMPTIONS:
            raise broken
        self._resumptions += 1
        self._resumed_at = self.received
        self._response.close()
        self._attempt.forget_source()
        try:
            response = self._reopen({"Range": f"bytes={self.received}-", "If-Range": self._validator})
        except (TransientError, PermanentError):
            raise broken from None
        if not representation.continues(response, self.received, self.announced, self._validator):
            response.close()
            raise broken
        self._response, self._past_head = response, False
