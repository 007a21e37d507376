"""The source of files: serves a media file for every path, by its extension. Each path has a different body.

Below ``/slow/`` a body takes 100 s; below ``/hangs-once/`` the first answer to each path does.
"""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

from app.embedded.origin import film, picture, song

_MEDIA = files("app.embedded") / "media"
#: The song is as long as tests/payloads/music_complete.json announces.
_BODIES = {
    "mp3": song("image test", 98),
    "wav": (_MEDIA / "tone.wav").read_bytes(),
    "mp4": film(),
    "jpeg": picture("image test"),
    "png": (_MEDIA / "cover.png").read_bytes(),
}
_SLOW_SECONDS = 100


_asked: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _BODIES.get(self.path.rpartition(".")[2], _BODIES["mp3"]) + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        again = self.path in _asked
        _asked.add(self.path)
        if self.path.startswith("/slow/") or (self.path.startswith("/hangs-once/") and not again):
            self._send_slowly(body)
        else:
            self.wfile.write(body)

    def _send_slowly(self, body: bytes) -> None:
        piece = len(body) // _SLOW_SECONDS + 1
        for start in range(0, len(body), piece):
            self.wfile.write(body[start : start + piece])
            time.sleep(1)


ThreadingHTTPServer(("", 80), _Handler).serve_forever()
