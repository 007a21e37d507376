"""Is this really a file, or a page that stands in its place? Told by its first bytes, never by what the source says."""

import codecs
import re

import filetype

from workers.errors import TransientError
from workers.media.file_types import MEDIA, OTHER, TEXT, UNKNOWN_EXT

#: As many bytes as the sniffer looks at.
HEAD_BYTES = 8192
#: A file that no signature fits, but that is no text either. Some real files start like that, for example a
#: stream that was cut inside a frame. Losing one would be worse than storing it under a plain label.
UNKNOWN = "application/octet-stream"

_MEDIA_TYPES = ("audio/", "video/", "image/")
#: No result is a program.
_PROGRAMS = frozenset(
    f"application/{name}"
    for name in (
        "x-msdownload", "x-executable", "wasm", "x-shockwave-flash", "x-deb", "x-rpm", "vnd.ms-cab-compressed",
        "x-google-chrome-extension", "x-unix-archive", "x-nintendo-nes-rom",
    )
)  # fmt: skip
_TEXT = re.compile(rb"[\t\n\x0c\r\x1b\x20-\x7e\x80-\xff]*")
_MARKUP = (b"<", b"{", b"[", b"\xef\xbb\xbf")
#: What a page or an error document begins with, and such a text does not.
_NOT_IN_TEXT = {"json": (b"<",), "svg": (b"{", b"[")}
_NOT_IN_OTHER_TEXT = (b"<", b"{")


def content_type(head: bytes, ext: str) -> str:
    """Give the MIME type of a file that starts with ``head`` and whose key ends in ``ext``.

    Audio, video and images are what the customer paid for, whatever the key says. Documents and archives are
    taken only under an extension of their own or under ``bin``, text only under one for text. Raises
    ``TransientError`` (``not_media``) for anything else: a page of HTML, XML or JSON, a program. Raises
    ``TransientError`` (``empty``) for no bytes at all. A source that sends one of these with status 200 may
    send the file a minute later.
    """
    if not head:
        raise TransientError("empty", "the source sent no bytes")
    kind = filetype.guess(head)
    mime = str(kind.mime) if kind else UNKNOWN
    if kind is None and _is_text(head):
        if ext in TEXT and _may_be(ext, head.lstrip(b"\xef\xbb\xbf\t\n\r ")):
            return TEXT[ext]
        raise TransientError("not_media", f"expected a file .{ext}, got a page of text")
    plain = mime == UNKNOWN or mime.startswith(_MEDIA_TYPES)
    if plain or mime in OTHER.get(ext, ()) or (ext == UNKNOWN_EXT and mime not in _PROGRAMS):
        return mime
    raise TransientError("not_media", f"expected a file .{ext}, got {mime}")


def contradiction(mime: str, ext: str) -> str:
    """Say in words that the content does not fit the key's extension; empty if it does or nothing is known."""
    expected = MEDIA.get(ext) or OTHER.get(ext)
    if mime == UNKNOWN or expected is None or mime in expected:
        return ""
    return f"the key ends in .{ext}, the content is {mime}"


def _may_be(ext: str, text: bytes) -> bool:
    return not text.startswith(_NOT_IN_TEXT.get(ext, _NOT_IN_OTHER_TEXT)) and (ext != "svg" or b"<svg" in text)


def _is_text(head: bytes) -> bool:
    """Text has no control characters, and is UTF-8 or at least begins like markup."""
    if not _TEXT.fullmatch(head):
        return False
    if head.lstrip().startswith(_MARKUP):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
