"""Chunk sizes as RFC 9112 defines them: a size line that the end of the connection cut off is not a size.

This module overrides http.client's private ``_read_next_chunk_size`` and calls its ``_close_conn``. Checked with Python
3.11, 3.12 and 3.13. ``test_a_chunked_body_without_its_last_chunk_is_truncated`` fails if they change.
"""

import http.client
import re

#: Section 7.1. The standard has no bare line feed and no blanks behind the size, but some servers send them.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_MAX_LINE = 65536


class StrictResponse(http.client.HTTPResponse):
    """A response whose chunked body ends only with its last chunk.

    http.client takes ``0000`` for the last chunk, also where the connection ended within ``0000000a``.
    """

    def _read_next_chunk_size(self) -> int:
        """Read the next chunk's size in bytes. http.client turns the ``ValueError`` into ``IncompleteRead``."""
        line = self.fp.readline(_MAX_LINE + 1)
        size = _SIZE_LINE.fullmatch(line)
        if size is None:
            self._close_conn()  # type: ignore[attr-defined]  # as http.client does after a bad size
            raise ValueError("not a chunk's size")
        return int(size[1], 16)
