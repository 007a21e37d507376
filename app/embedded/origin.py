"""A small file server for the demo: real media files, and how often each was fetched."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import shake_128
from http.server import BaseHTTPRequestHandler
from importlib.resources import files

from app.embedded.loopback import serving

_CONTENT_TYPES = {"mp3": "audio/mpeg", "mp4": "video/mp4", "jpeg": "image/jpeg"}
_SONG_REPEATS = 180
#: Length of the tone in a song, in seconds.
TONE_SECONDS = 2.0375
#: Length of a song of the usual size, in seconds.
SONG_SECONDS = _SONG_REPEATS * TONE_SECONDS
_VIDEO_PADDING = 20 * 1024**2


def song(title: str, repeats: int = _SONG_REPEATS) -> bytes:
    """Make an MP3 that differs for each title: an ID3v2.3 tag with the title, then the frames of a tone, repeated."""
    text = b"\x00" + title.encode("latin-1", "replace")
    frame = b"TIT2" + len(text).to_bytes(4) + b"\x00\x00" + text
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frame + _media("tone.mp3") * repeats


def film(padding: int = _VIDEO_PADDING) -> bytes:
    """Make an MP4 of several upload parts: a short clip, and a box of ``padding`` bytes that players skip."""
    noise = shake_128(b"film").digest(padding)
    return _media("clip.mp4") + (len(noise) + 8).to_bytes(4) + b"free" + noise


def picture(title: str) -> bytes:
    """Make a JPEG that differs for each title: the title stands behind the end of the image."""
    return _media("cover.jpeg") + title.encode()


def _media(name: str) -> bytes:
    return (files("app.embedded") / "media" / name).read_bytes()


class Origin:
    """The files by path, and how often each was fetched."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fetched: Counter[str] = Counter()
        self.url = ""

    def serve(self, path: str, content: bytes) -> str:
        """Serve the content and give its URL."""
        self.files[path] = content
        return self.url + path


@contextmanager
def running_origin() -> Iterator[Origin]:
    """Serve on a free loopback port."""
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = origin.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            origin.fetched[self.path] += 1
            self.send_response(200)
            self.send_header("Content-Type", _CONTENT_TYPES.get(self.path.rpartition(".")[2], "audio/mpeg"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        origin.url = f"http://127.0.0.1:{port}"
        yield origin
