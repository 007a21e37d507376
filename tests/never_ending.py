"""Sources that never end a response, each in its own way."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: Yields the pieces that a connection is sent.
Serve = Callable[[socket.socket], Iterator[bytes]]
_OK = b"HTTP/1.1 200 OK\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _first(head: bytes, *, then: bytes) -> Iterator[bytes]:
    """Yield the head, then ``then`` without end."""
    yield head
    while True:
        yield then


def dripped_headers(_: socket.socket) -> Iterator[bytes]:
    return _first(_OK, then=b"X")


def endless_headers_of_a_redirect(_: socket.socket) -> Iterator[bytes]:
    return _first(b"HTTP/1.1 302 Found\r\nLocation: /next\r\n", then=b"X")


def endless_continue(_: socket.socket) -> Iterator[bytes]:
    return _first(_CONTINUE, then=_CONTINUE)


def dripped_chunk_extension(_: socket.socket) -> Iterator[bytes]:
    return _first(_OK + b"Transfer-Encoding: chunked\r\n\r\n5;", then=b"x")


def endless_gzip_header(_: socket.socket) -> Iterator[bytes]:
    # A file name in a gzip header ends only at its zero byte.
    head = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
    return _first(_OK + b"Content-Encoding: gzip\r\n\r\n" + head, then=b"n")


def empty_gzip_members(_: socket.socket) -> Iterator[bytes]:
    member = bytes.fromhex("1f8b080000000000000303000000000000000000")
    return _first(_OK + b"Content-Encoding: gzip\r\n\r\n", then=member)


def dripped_body(_: socket.socket) -> Iterator[bytes]:
    return _first(_OK + b"Content-Length: 1000000\r\n\r\nID3", then=b"x")


def a_body_without_length(_: socket.socket) -> Iterator[bytes]:
    return _first(_OK + b"\r\nID3", then=b"x")


def a_chain_of_slow_redirects(_: socket.socket) -> Iterator[bytes]:
    for letter in b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n":
        yield bytes([letter])


NEVER_ENDING: list[Serve] = [
    dripped_headers,
    endless_headers_of_a_redirect,
    endless_continue,
    dripped_chunk_extension,
    endless_gzip_header,
    empty_gzip_members,
    dripped_body,
    a_body_without_length,
    a_chain_of_slow_redirects,
]


class NeverEnding:
    """A source that sends pieces to each connection, with a pause behind each, until ``mend`` is called."""

    def __init__(self, pieces: Serve, pause: float) -> None:
        self.url = ""
        self.over = threading.Event()
        self._pieces, self._pause = pieces, pause
        self._content: Callable[[str], bytes] | None = None

    def mend(self, content: Callable[[str], bytes]) -> None:
        """From now on, answer requests with the whole content of their path."""
        self._content = content

    def serve(self, connection: socket.socket) -> None:
        """Answer the one request of a connection."""
        with connection, suppress(OSError):
            request = connection.recv(65536)
            if self._content:
                body = self._content(request.split()[1].decode())
                connection.sendall(_OK + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
                return
            for piece in self._pieces(connection):
                connection.sendall(piece)
                if self.over.wait(self._pause):
                    return


@contextmanager
def never_ending(pieces: Serve, pause: float) -> Iterator[NeverEnding]:
    """Run such a source on a loopback port of its own."""
    source = NeverEnding(pieces, pause)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=source.serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        threading.Thread(target=accept, daemon=True).start()
        source.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield source
        source.over.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts


@contextmanager
def serving(pieces: Serve, pause: float) -> Iterator[str]:
    """Run such a source, and yield the URL of a file there."""
    with never_ending(pieces, pause) as source:
        yield f"{source.url}/song.mp3"
