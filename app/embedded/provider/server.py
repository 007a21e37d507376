"""The HTTP server of a fake provider."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from app.embedded.loopback import serving
from app.embedded.provider.options import Options
from app.embedded.provider.provider import Asked, Provider

_MAX_BODY = 1024**2
_PIECE = b" " * 65536


@contextmanager
def fake_provider(options: Options | None = None) -> Iterator[Provider]:
    """Serve a provider on loopback, and send its callbacks, until the end of the block.

    Slow and endless answers are broken off then.
    """
    provider = Provider(options or Options())
    over = threading.Event()
    handler = type("Handler", (_Handler,), {"provider": provider, "over": over})
    with serving(handler, provider.options.port) as port, provider.deliveries.sending():
        provider.url = f"http://127.0.0.1:{port}"
        provider.files.base = provider.files.base or f"{provider.url}/files"
        try:
            yield provider
        finally:
            over.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60.0  # seconds for each read of a request
    disable_nagle_algorithm = True  # an answer is two writes; with it, the second would wait 40 ms for the first
    provider: Provider
    over: threading.Event

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY:
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED if not length else HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        authorization = self.headers.get("Authorization", "")
        answer = self.provider.answer(Asked(self.command, self.path, authorization, body))
        if self.over.wait(answer.mood.wait):
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.mood.endless:
            self._send_endless(answer.mood.drip)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.mood.drip:
            self._drip(answer.body, answer.mood.drip)
        else:
            self.wfile.write(answer.body)

    def _send_endless(self, pause: float) -> None:
        self.close_connection = True
        self.end_headers()
        while not self.over.wait(pause):
            self.wfile.write(b" " if pause else _PIECE)

    def _drip(self, body: bytes, pause: float) -> None:
        for position in range(len(body)):
            if self.over.wait(pause):
                self.close_connection = True
                return
            self.wfile.write(body[position : position + 1])
