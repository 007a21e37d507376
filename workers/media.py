"""Is this really audio, video, an image? Told by its first bytes, never by what the source calls it."""

import codecs
import re

import filetype

from workers.assets import Media
from workers.errors import TransientError

#: As many bytes as the sniffer looks at.
HEAD_BYTES = 8192
#: A file that no signature fits, but that is no text either. Some real ones start like that, a
#: stream cut in mid-frame say; losing one would be worse than labelling it plainly.
UNKNOWN = "application/octet-stream"

_ALLOWED = {
    Media.AUDIO: ("audio/", "video/mp4", "video/webm"),  # containers that may hold sound alone
    Media.VIDEO: ("video/",),
    Media.IMAGE: ("image/",),
}
_TEXT = re.compile(rb"[\t\n\x0c\r\x1b\x20-\x7e\x80-\xff]*")
_MARKUP = (b"<", b"{", b"[", b"\xef\xbb\xbf")


def content_type(head: bytes, media: Media) -> str:
    """Give the MIME type of a file that starts with ``head``.

    Raises ``TransientError`` (``not_media``) for a page of HTML, XML, JSON or other text, for a file
    of another kind than ``media``, and (``empty``) for no bytes at all: a source that sends one of
    these with status 200 may send the file a minute later.
    """
    if not head:
        raise TransientError("empty", "the source sent no bytes")
    kind = filetype.guess(head)
    if kind is not None:
        mime = str(kind.mime)
        if mime.startswith(_ALLOWED[media]):
            return mime
        raise TransientError("not_media", f"expected {media.value}, got {mime}")
    if _is_text(head):
        raise TransientError("not_media", f"expected {media.value}, got a page of text")
    return UNKNOWN


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
