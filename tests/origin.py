"""An HTTP server on loopback that stands in for a misbehaving provider: each test defines its answers."""

import gzip
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler

from app.embedded.loopback import serving
from app.embedded.origin import film, picture, song

__all__ = ["Answer", "Origin", "film", "picture", "running_origin", "song"]

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """One answer. By default it is a plain and correct one."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    """A Content-Length that may be wrong; ``None`` sends the right one."""
    chunked: bool = False
    gzipped: bool = False
    until_closed: bool = False
    """No length at all: the body ends when the connection does."""
    cut_at: int | None = None
    """After so many bytes the connection is reset."""
    stall_at: int | None = None
    """After so many bytes nothing more is sent, until the test is over."""
    pause: float = 0.0
    """Seconds to wait between pieces."""
    piece: int = _PIECE
    etag: str = ""
    """If set, and ``ranges`` is on, a Range is answered with 206, as RFC 9110 defines it."""
    ranges: bool = True
    believes_any: bool = False
    """Answers 206 whatever If-Range says, as some sources wrongly do."""


class Origin:
    """Answers by path. A list of answers is used in turn; the last one is repeated."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        self.connections = 0
        self.otherwise: Callable[[str], Answer] = lambda _: Answer(b"no such file", status=404)
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()

    def serve(self, path: str, *answers: Answer | bytes) -> str:
        """Serve these answers at the path. Return its URL."""
        self._answers[path] = [Answer(answer) if isinstance(answer, bytes) else answer for answer in answers]
        return self.url + path

    def count(self, path: str) -> int:
        """Return the number of requests for the path."""
        return sum(1 for asked, _ in self.requests if asked == path)

    def next_answer(self, path: str, headers: dict[str, str]) -> Answer:
        """Take the path's next answer."""
        with self._lock:
            self.requests.append((path, headers))
            answers = self._answers.get(path.partition("?")[0])
            if not answers:
                return self.otherwise(path)
            return answers.pop(0) if len(answers) > 1 else answers[0]


@lru_cache(maxsize=8)
def _gzipped(body: bytes) -> bytes:
    """Compress in the fastest way. The same film is sent by many tests."""
    return gzip.compress(body, compresslevel=1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is several writes; with it, the second waits 40 ms for the first
    origin: Origin

    def setup(self) -> None:
        super().setup()
        self.origin.connections += 1

    def do_GET(self) -> None:
        answer = self.origin.next_answer(self.path, dict(self.headers))
        body = _gzipped(answer.body) if answer.gzipped else answer.body
        start = self._start(answer)
        self.send_response(206 if start else answer.status)
        if answer.etag:
            self.send_header("ETag", answer.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.gzipped:
            self.send_header("Content-Encoding", "gzip")
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.until_closed:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body) if answer.announced is None else answer.announced))
        self.end_headers()
        with suppress(OSError):
            self._send(answer, body)

    def _start(self, answer: Answer) -> int:
        wanted = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        same = answer.believes_any or self.headers.get("If-Range") in {None, answer.etag}
        return int(wanted[1]) if wanted and answer.etag and answer.ranges and same else 0

    def _send(self, answer: Answer, body: bytes) -> None:
        sent = 0
        while sent < len(body):
            piece = body[sent : sent + answer.piece]
            for limit in (answer.cut_at, answer.stall_at):
                if limit is not None:
                    piece = piece[: max(0, limit - sent)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece)
            sent += len(piece)
            if sent == answer.cut_at:
                self._reset()
                return
            if sent == answer.stall_at:
                self.origin.over.wait(60)
                return
            if answer.pause:
                self.origin.over.wait(answer.pause)
        if answer.chunked:
            self.wfile.write(b"0\r\n\r\n")
        if answer.announced is not None and answer.announced != len(body):
            self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_origin() -> Iterator[Origin]:
    """Serve on a free loopback port."""
    origin = Origin()
    with serving(type("Handler", (_Handler,), {"origin": origin})) as port:
        origin.url = f"http://127.0.0.1:{port}"
        try:
            yield origin
        finally:
            origin.over.set()


@contextmanager
def counting_listener() -> Iterator[tuple[int, Callable[[], int]]]:
    """Listen on a loopback port of IPv4 and IPv6, and count every connection that is made to it."""
    count = 0

    def accept(listener: socket.socket) -> None:
        nonlocal count
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                count += 1
                connection.close()

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listeners = [listener]
    if socket.has_ipv6:
        with suppress(OSError):
            listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6))
    threads = [threading.Thread(target=accept, args=(each,), daemon=True) for each in listeners]
    for thread in threads:
        thread.start()
    try:
        yield port, lambda: count
    finally:
        for each in listeners:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in threads:
            thread.join()
