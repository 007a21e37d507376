"""Where an object stands in the bucket: the customer's key template, proven free of collisions.

A template is literal text and the fields ``{task_id} {track} {stem} {ext}``; ``{track}`` stands for
``<track_id>/`` or nothing. It is accepted only if a reader who knows the template can take any key
apart again, from left to right, without guessing. Then two different assets cannot share a key.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

#: S3's own list of characters that are safe in keys, without "/".
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
SAFE_CHARACTERS = frozenset(string.ascii_letters + string.digits + "!-_.*'()")
MAX_NAME_LENGTH = 128
#: Folders of ours beside the tasks' folders, so no task may bear their names.
RESERVED_NAMES = frozenset({"_inbox", "_unrecognized", "_partial"})

DEFAULT_TEMPLATE = "{task_id}/{track}{task_id}_{stem}.{ext}"
MANIFEST_STEM, MANIFEST_EXT = "manifest", "json"

_FIELDS = frozenset({"task_id", "track", "stem", "ext"})
#: S3 allows 1,024 bytes to a key; every character that a key of ours may hold is one byte.
_MAX_KEY_BYTES = 1024
_MAX_EXT = 5
_PREFIX = re.compile(r"[A-Za-z0-9!\-_.*'()/=]*")


def is_safe_name(text: object) -> bool:
    """Tell whether ``text`` may stand in a key as a task id, track id or stem.

    1 to 128 of S3's safe characters; not ``.`` or ``..``, which some HTTP clients and file
    systems take for a step in a path; not the name of one of our own folders.
    """
    return (
        isinstance(text, str)
        and 1 <= len(text) <= MAX_NAME_LENGTH
        and SAFE_CHARACTERS.issuperset(text)
        and text not in {".", ".."}
        and text not in RESERVED_NAMES
    )


@dataclass(frozen=True)
class KeyLayout:
    """A checked key template below a prefix.

    Raises ``ValueError`` at construction, saying what to change, when two assets could collide or
    a key could leave the prefix or grow longer than S3 allows.
    """

    template: str = DEFAULT_TEMPLATE
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix) or ".." in self.prefix.split("/"):
            raise ValueError("the prefix may hold letters, digits and ! - _ . * ' ( ) = / only, and no step '..'")
        _check_decodable(self.template)
        longest = self.asset_key("t" * MAX_NAME_LENGTH, "r" * MAX_NAME_LENGTH, "s" * MAX_NAME_LENGTH, "e" * _MAX_EXT)
        if len(longest) > _MAX_KEY_BYTES:
            raise ValueError(
                f"with ids of {MAX_NAME_LENGTH} characters it makes keys of {len(longest)} bytes; S3 allows 1024"
            )

    def asset_key(self, task_id: str, track_id: str | None, stem: str, ext: str) -> str:
        """Give an asset's key, prefix included. Pure: the same asset always has the same key."""
        track = f"{track_id}/" if track_id else ""
        return self.prefix + self.template.format(task_id=task_id, track=track, stem=stem, ext=ext)

    def manifest_key(self, task_id: str) -> str:
        """Give the key of a task's manifest; ``workers.callbacks`` gives no file its stem and extension."""
        return self.asset_key(task_id, None, MANIFEST_STEM, MANIFEST_EXT)

    def unrecognized_key(self, name: str) -> str:
        """Give the key under which a callback is kept that people have to look at."""
        return f"{self.prefix}_unrecognized/{name}"

    def partial_key(self, key: str) -> str:
        """Give the key under which a part of an asset is kept while more of it may come; ``key`` is the asset's."""
        return f"{self.prefix}_partial/{key.removeprefix(self.prefix)}"

    def probe_key(self, name: str) -> str:
        """Give a key for trying what the store checks. Keys of parts have an extension, so they are others."""
        return f"{self.prefix}_partial/probe-{name}"

    def inbox_key(self, name: str) -> str:
        """Give the key under which a callback is kept while the broker is down."""
        return f"{self.prefix}_inbox/{name}"


def _tokens(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield (literal text, following field or None at the end)."""
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"braces do not match: {error}") from None
    for literal, field, spec, conversion in parsed:
        if field is not None and (field not in _FIELDS or spec or conversion):
            raise ValueError(f"{{{field}}} is not a field; there are {{task_id}}, {{track}}, {{stem}} and {{ext}}")
        yield literal, field


def _check_decodable(template: str) -> None:
    tokens = list(_tokens(template))
    fields = [field for _, field in tokens if field]
    literals = "".join(literal for literal, _ in tokens)
    missing = [name for name in ("task_id", "track", "stem", "ext") if name not in fields]
    if missing:
        names = " and ".join(f"{{{name}}}" for name in missing)
        raise ValueError(f"{names} missing: without it two assets would share a key")
    if fields.count("track") > 1 or fields.count("ext") > 1:
        raise ValueError("{track} and {ext} may stand in it once")
    if not template.endswith(".{ext}"):
        raise ValueError("it must end in .{ext}")
    if not literals.isascii() or not literals.isprintable() or "\\" in literals:
        raise ValueError("use printable ASCII characters, and no backslash")
    segments = template.split("/")
    if "" in segments or "." in segments or ".." in segments or segments[0] in RESERVED_NAMES:
        ours = ", ".join(sorted(RESERVED_NAMES))
        raise ValueError(f"no empty step, '.', '..' or folder of our own ({ours}) may stand in it")
    _check_delimiters(tokens)


def _check_delimiters(tokens: list[tuple[str, str | None]]) -> None:
    """Read as a decoder would: what is not yet known must end at a sign that it cannot contain.

    ``{track}`` ends in "/" when it is there, and whether it is there shows in the number of
    slashes, since nothing else varies it. ``.{ext}`` at the end is found from the right.
    """
    known: set[str] = set()
    following = [*tokens[1:], ("", None)]
    for (_, field), (next_literal, next_field) in zip(tokens, following, strict=True):
        if field is None or field in known:
            continue
        known.add(field)
        if field == "track" or (field == "ext" and not next_literal and next_field is None):
            continue
        ends_before_ext = next_literal == "." and next_field == "ext"
        if not ends_before_ext and (not next_literal or next_literal[0] in SAFE_CHARACTERS):
            raise ValueError(
                f"put a '/' behind the first {{{field}}}: ids may contain letters, digits and ! - _ . * ' ( ), "
                "so with anything else there two assets could share a key"
            )
