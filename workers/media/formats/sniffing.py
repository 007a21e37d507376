"""Chooses the walk by a file's first bytes. A format without a walk gives no doubt and no proof."""

from workers.media.formats.walking import Walk, cut_off, reaches, take
from workers.media.formats.walks.boxes import FIRST_BOXES, boxes
from workers.media.formats.walks.flac import flac
from workers.media.formats.walks.images import gif, jpeg, png
from workers.media.formats.walks.matroska import matroska
from workers.media.formats.walks.mp3 import id3v2_bytes, mp3
from workers.media.formats.walks.ogg import ogg
from workers.media.formats.walks.riff import FORMS, forms
from workers.media.mpeg_frames import frame

_WALKS = (
    (b"\x89PNG\r\n\x1a\n", png),
    (b"\xff\xd8\xff", jpeg),
    (b"GIF87a", gif),
    (b"GIF89a", gif),
    (b"\x1aE\xdf\xa3", matroska),
    (b"OggS", ogg),
    (b"fLaC", flac),
    *((form, forms) for form in FORMS),
)
_HEAD_BYTES = 12
#: Fewer bytes could be text.
_TELLING_BYTES = 5


def walk() -> Walk:
    """Walk through a file of any format."""
    at, has_tag = 0, False
    while True:
        head = yield from take(at, _HEAD_BYTES)
        size = id3v2_bytes(head)
        if not size:
            break
        if not (yield from reaches(at + size)):
            cut_off("the ID3 tag goes beyond the end")
        at, has_tag = at + size, True
    if has_tag and not head:
        cut_off("nothing follows the ID3 tag")
    for magic, of_format in _WALKS:
        if head.startswith(magic):
            return (yield from of_format(at))
    if head[4:8] in FIRST_BOXES:
        return (yield from boxes(at))
    if _begins_like_media(head):
        cut_off("fewer bytes came than the header has")
    if frame(head[:4]) != (0, 0):
        return (yield from mp3(at))
    return ""


def _begins_like_media(head: bytes) -> bool:
    """Tell whether these bytes begin a format that has a walk, but are too few to choose it."""
    if not _TELLING_BYTES <= len(head) < _HEAD_BYTES:
        return False
    is_box = not head[0] and any(kind.startswith(head[4:]) for kind in FIRST_BOXES)
    return is_box or head.startswith(b"ID3") or any(magic.startswith(head) for magic, _ in _WALKS)
