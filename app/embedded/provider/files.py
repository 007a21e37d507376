"""The results' files: their URLs, which can die, and their content, which depends on nothing but the path."""

import threading
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qs, unquote, urlsplit

from app.embedded.origin import TONE_SECONDS, film, picture, song
from app.embedded.provider.options import Options

#: Seconds for which a link of ``common/download-url`` works.
FRESH_SECONDS = 20 * 60
_MAX_LINKS = 100_000
_PADDING = 64 * 1024


@dataclass
class _Link:
    path: str
    dies_at: float
    status: int = 0
    """If set, the link is dead and answers this."""


class Files:
    """Hands out links and answers requests for files. Safe for threads."""

    def __init__(self, options: Options) -> None:
        self.base = options.origin.rstrip("/")
        """The base URL; the server sets it to its own if there is no origin."""
        self.fetched: Counter[str] = Counter()
        """How often each path was served."""
        self._options = options
        self._current: dict[str, str] = {}
        """The token in the newest link of each path."""
        self._links: dict[str, _Link] = {}
        """By token. The oldest links are forgotten beyond ``_MAX_LINKS``."""
        self._serial = 0
        self._lock = threading.RLock()

    def url(self, path: str) -> str:
        """Give the file's link, a new one if the last one has died."""
        with self._lock:
            token = self._current.get(path, "")
            if self._fault(path, token):
                token = self._current[path] = self._grant(path, self._options.file_seconds)
            return f"{self.base}/{path}?token={token}"

    def fresh(self, url: str) -> str | None:
        """Give a link for ``FRESH_SECONDS`` to the file of this URL; ``None`` if the URL is not the provider's."""
        address, _, _ = url.partition("?")
        path = unquote(address.removeprefix(f"{self.base}/"))
        with self._lock:
            if not address.startswith(f"{self.base}/") or path not in self._current:
                return None
            return f"{self.base}/{path}?token={self._grant(path, FRESH_SECONDS)}"

    def kill(self, prefix: str = "", status: int = HTTPStatus.FORBIDDEN) -> None:
        """End all links to paths that begin with ``prefix``, such as a task's id; from now on they answer ``status``.

        The next poll names a new link.
        """
        with self._lock:
            for link in self._links.values():
                if link.path.startswith(prefix):
                    link.status = status

    def get(self, target: str) -> bytes | int:
        """Give the content of ``<path>?token=…``, or the HTTP status that refuses it."""
        parts = urlsplit(target)
        path, token = unquote(parts.path), parse_qs(parts.query).get("token", [""])[0]
        with self._lock:
            if fault := self._fault(path, token):
                return fault
            self.fetched[path] += 1
        return self.content(path)

    def content(self, path: str) -> bytes:
        """Make the content of the file at the path."""
        match path.rpartition(".")[2]:
            case "mp4":
                return film(_PADDING)
            case "png":
                return (files("app.embedded") / "media" / "cover.png").read_bytes()
            case "wav":
                return (files("app.embedded") / "media" / "tone.wav").read_bytes()
            case "jpg" | "jpeg":
                return picture(path)
        return song(path, self._options.song_repeats)

    @property
    def seconds(self) -> float:
        """Length of each audio file but WAV."""
        return self._options.song_repeats * TONE_SECONDS

    def _fault(self, path: str, token: str) -> int:
        link = self._links.get(token)
        if link is None or link.path != path:
            return HTTPStatus.FORBIDDEN
        return link.status or (self._options.file_status if self._options.clock() >= link.dies_at else 0)

    def _grant(self, path: str, seconds: float) -> str:
        self._serial += 1
        token = f"t{self._serial}"
        self._links[token] = _Link(path, self._options.clock() + seconds)
        if len(self._links) > _MAX_LINKS:
            del self._links[next(iter(self._links))]
        return token
