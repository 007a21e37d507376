"""Chunk sizes as RFC 9112 has them: a size line that the end of a connection cut off is none."""

import http.client
import re

#: Section 7.1. A bare line feed and blanks behind the size are not in the standard, but some servers send them.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_MAX_LINE = 65536


class StrictResponse(http.client.HTTPResponse):
    """A response whose chunked body ends with its last chunk.

    http.client reads ``0000``, which was to become ``0000000a`` when the connection ended, as the last chunk.
    """

    def _read_next_chunk_size(self) -> int:
        """Read the next chunk's size in bytes. http.client makes ``IncompleteRead`` of the ``ValueError``."""
        line = self.fp.readline(_MAX_LINE + 1)
        size = _SIZE_LINE.fullmatch(line)
        if size is None:
            self._close_conn()  # type: ignore[attr-defined]  # what http.client itself does with a bad size
            raise ValueError("not a chunk's size")
        return int(size[1], 16)
