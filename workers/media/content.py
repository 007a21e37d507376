"""Tells media from an error page by the first bytes. The source's Content-Type is not trusted."""

import codecs
import re

import filetype

from workers.errors import TransientError
from workers.media.file_types import MEDIA, OTHER, TEXT, UNKNOWN_EXT

#: The bytes that the sniffer (filetype) reads.
HEAD_BYTES = 8192
#: A file that matches no signature and is no text. Some real files start like that, for example a stream that was cut
#: inside a frame, so it is stored under this type. Held by
#: ``test_bytes_that_are_no_text_and_fit_no_signature_are_kept_under_a_plain_label``.
UNKNOWN = "application/octet-stream"

_MEDIA_TYPES = ("audio/", "video/", "image/")
#: Never stored: no result is a program. Held by ``test_a_program_is_never_stored``.
_PROGRAMS = frozenset(
    f"application/{name}"
    for name in (
        "x-msdownload", "x-executable", "wasm", "x-shockwave-flash", "x-deb", "x-rpm", "vnd.ms-cab-compressed",
        "x-google-chrome-extension", "x-unix-archive", "x-nintendo-nes-rom",
    )
)  # fmt: skip
_TEXT = re.compile(rb"[\t\n\x0c\r\x1b\x20-\x7e\x80-\xff]*")
_MARKUP = (b"<", b"{", b"[", b"\xef\xbb\xbf")
#: The first bytes of a page or an error document, by the extension of a text that never begins with them.
_NOT_IN_TEXT = {"json": (b"<",), "svg": (b"{", b"[")}
_NOT_IN_OTHER_TEXT = (b"<", b"{")


def content_type(head: bytes, ext: str) -> str:
    """Return the MIME type of a file that starts with ``head`` and whose key ends in ``ext``.

    Audio, video and images are accepted under any extension. Documents and archives are accepted only under their own
    extension or under ``bin``, text only under an extension for text. Raises ``TransientError`` (``not_media``) for
    anything else: a page of HTML, XML or JSON, a program. Raises ``TransientError`` (``empty``) for no bytes. Both are
    transient: a source that sends a page with status 200 may send the file a minute later.
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
    """Describe a content that does not fit the key's extension; empty if it fits or its type is unknown."""
    expected = MEDIA.get(ext) or OTHER.get(ext)
    if mime == UNKNOWN or expected is None or mime in expected:
        return ""
    return f"the key ends in .{ext}, the content is {mime}"


def _may_be(ext: str, text: bytes) -> bool:
    return not text.startswith(_NOT_IN_TEXT.get(ext, _NOT_IN_OTHER_TEXT)) and (ext != "svg" or b"<svg" in text)


def _is_text(head: bytes) -> bool:
    """Tell whether this is text: no control characters, and UTF-8 or a beginning like markup."""
    if not _TEXT.fullmatch(head):
        return False
    if head.lstrip().startswith(_MARKUP):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
