"""Which extensions stored files may have, and which content fits each of them.

The extension comes from a callback's URL or field, the MIME type from the file's first bytes. Where they differ, the
manifest notes both (``workers.media.content.contradiction``).
"""

_MP4 = ("video/mp4", "audio/mp4", "video/x-m4v", "video/quicktime", "video/3gpp")

AUDIO: dict[str, tuple[str, ...]] = {
    "mp3": ("audio/mpeg",),
    "m4a": _MP4,
    "aac": ("audio/aac",),
    "wav": ("audio/x-wav",),
    "flac": ("audio/x-flac",),
    "ogg": ("audio/ogg",),
    "oga": ("audio/ogg",),
    "opus": ("audio/ogg",),
    "aif": ("audio/x-aiff",),
    "aiff": ("audio/x-aiff",),
    "amr": ("audio/amr",),
    "wma": ("video/x-ms-wmv",),  # the same container, for which the sniffer has one name
}
VIDEO: dict[str, tuple[str, ...]] = {
    "mp4": _MP4,
    "m4v": _MP4,
    "mov": _MP4,
    "3gp": _MP4,
    "webm": ("video/webm", "video/x-matroska"),
    "mkv": ("video/x-matroska", "video/webm"),
    "avi": ("video/x-msvideo",),
    "mpg": ("video/mpeg",),
    "mpeg": ("video/mpeg",),
}
IMAGE: dict[str, tuple[str, ...]] = {
    "jpeg": ("image/jpeg",),
    "jpg": ("image/jpeg",),
    "png": ("image/png", "image/apng"),
    "webp": ("image/webp",),
    "gif": ("image/gif",),
    "avif": ("image/avif",),
    "heic": ("image/heic",),
    "bmp": ("image/bmp",),
    "tif": ("image/tiff",),
    "tiff": ("image/tiff",),
}
#: Extensions of text, which the sniffer does not know, and the MIME type under which it is stored.
TEXT: dict[str, str] = {
    "txt": "text/plain",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "lrc": "text/plain",
    "json": "application/json",
    "svg": "image/svg+xml",
}
OTHER: dict[str, tuple[str, ...]] = {
    "mid": ("audio/midi",),
    "midi": ("audio/midi",),
    "zip": ("application/zip",),
    "pdf": ("application/pdf",),
}
#: The extension of a file whose type neither URL nor field tells.
UNKNOWN_EXT = "bin"

MEDIA = AUDIO | VIDEO | IMAGE
#: Every extension that is accepted from a URL.
KNOWN = frozenset(MEDIA) | frozenset(OTHER) | frozenset(TEXT)
