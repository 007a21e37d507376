"""Which extensions stored files may have, and which content fits each of them.

An extension comes from a callback's URL or field, the content from the file's first bytes. The two can
differ; both are told then (``workers.media.content``).
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
    "wma": ("video/x-ms-wmv",),  # one container, and the sniffer knows it by this name
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
#: Text, which the sniffer does not know, and the MIME type that it is stored with.
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
#: The extension of a file of which neither URL nor field says what it is.
UNKNOWN_EXT = "bin"

MEDIA = AUDIO | VIDEO | IMAGE
#: Every extension that is taken from a URL.
KNOWN = frozenset(MEDIA) | frozenset(OTHER) | frozenset(TEXT)
