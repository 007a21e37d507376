"""The keys of objects in the bucket, made from the customer's key template, which is checked for collisions.

A template is literal text and the fields ``{task_id} {track} {stem} {ext}``; ``{track}`` stands for ``<track_id>/`` or
nothing. A template is accepted only if every key can be parsed back into its fields, from left to right and without
ambiguity. Then two different assets cannot share a key (``test_two_different_assets_never_get_one_key``).
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

#: S3's own list of characters that are safe in keys, without "/".
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
SAFE_CHARACTERS = frozenset(string.ascii_letters + string.digits + "!-_.*'()")
MAX_NAME_LENGTH = 128
#: Stemvault's own folders, beside the tasks' folders. A task id must not be one of these names.
RESERVED_NAMES = frozenset({"_inbox", "_unrecognized", "_partial"})

DEFAULT_TEMPLATE = "{task_id}/{track}{task_id}_{stem}.{ext}"
MANIFEST_STEM, MANIFEST_EXT = "manifest", "json"

_FIELDS = frozenset({"task_id", "track", "stem", "ext"})
#: S3 allows keys of 1,024 bytes. Every character that is allowed in our keys is one byte.
_MAX_KEY_BYTES = 1024
_MAX_EXT = 5
_PREFIX = re.compile(r"[A-Za-z0-9!\-_.*'()/=]*")


def is_safe_name(text: object) -> bool:
    """Tell whether ``text`` is allowed in a key as a task id, track id or stem.

    It must be 1 to 128 of S3's safe characters. ``.`` and ``..`` are refused, because some HTTP clients and file
    systems resolve them as steps of a path. The names of Stemvault's own folders are refused too.
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

    The constructor raises ``ValueError``, with the change to make, if two assets could get one key, or if a key could
    leave the prefix or be longer than S3 allows.
    """

    template: str = DEFAULT_TEMPLATE
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix) or ".." in self.prefix.split("/"):
            raise ValueError("the prefix may contain only letters, digits and ! - _ . * ' ( ) = /, and no step '..'")
        _check_decodable(self.template)
        longest = self.asset_key("t" * MAX_NAME_LENGTH, "r" * MAX_NAME_LENGTH, "s" * MAX_NAME_LENGTH, "e" * _MAX_EXT)
        if len(longest) > _MAX_KEY_BYTES:
            raise ValueError(
                f"ids of {MAX_NAME_LENGTH} characters would make keys of {len(longest)} bytes, and S3 allows 1024: "
                "shorten the template or the prefix"
            )

    def asset_key(self, task_id: str, track_id: str | None, stem: str, ext: str) -> str:
        """Give an asset's key with the prefix. The same asset always has the same key."""
        track = f"{track_id}/" if track_id else ""
        return self.prefix + self.template.format(task_id=task_id, track=track, stem=stem, ext=ext)

    def manifest_key(self, task_id: str) -> str:
        """Give the key of a task's manifest. No asset has this key (``test_no_asset_gets_a_manifests_key``)."""
        return self.asset_key(task_id, None, MANIFEST_STEM, MANIFEST_EXT)

    def unrecognized_key(self, name: str) -> str:
        """Give the key of a callback that could not be recorded, so that an operator has to look at it."""
        return f"{self.prefix}_unrecognized/{name}"

    def partial_key(self, key: str) -> str:
        """Give the key of the first bytes of an asset, kept while the rest may still come; ``key`` is the asset's."""
        return f"{self.prefix}_partial/{key.removeprefix(self.prefix)}"

    def probe_key(self, name: str) -> str:
        """Give a key for test writes to the store. It has no extension, so it differs from every ``partial_key``."""
        return f"{self.prefix}_partial/probe-{name}"

    def inbox_key(self, name: str) -> str:
        """Give the key of a callback that is kept in the bucket while the broker is down or full."""
        return f"{self.prefix}_inbox/{name}"


def _tokens(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield (literal text, following field or None at the end)."""
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"the braces do not match: {error}") from None
    for literal, field, spec, conversion in parsed:
        if field is not None and (field not in _FIELDS or spec or conversion):
            raise ValueError(f"{{{field}}} is not a field; the fields are {{task_id}}, {{track}}, {{stem}} and {{ext}}")
        yield literal, field


def _check_decodable(template: str) -> None:
    tokens = list(_tokens(template))
    fields = [field for _, field in tokens if field]
    literals = "".join(literal for literal, _ in tokens)
    missing = [name for name in ("task_id", "track", "stem", "ext") if name not in fields]
    if missing:
        names = " and ".join(f"{{{name}}}" for name in missing)
        raise ValueError(f"add {names}, or two assets could get the same key")
    if fields.count("track") > 1 or fields.count("ext") > 1:
        raise ValueError("write {track} and {ext} only once")
    if not template.endswith(".{ext}"):
        raise ValueError("it must end in .{ext}")
    if not literals.isascii() or not literals.isprintable() or "\\" in literals:
        raise ValueError("use only printable ASCII characters, and no backslash")
    segments = template.split("/")
    if "" in segments or "." in segments or ".." in segments or segments[0] in RESERVED_NAMES:
        reserved = ", ".join(sorted(RESERVED_NAMES))
        raise ValueError(
            f"must have no empty step, no step '.' or '..', and not begin with a reserved folder ({reserved})"
        )
    _check_delimiters(tokens)


def _check_delimiters(tokens: list[tuple[str, str | None]]) -> None:
    """Read the template as a decoder of keys would: a field must end at a character that it cannot contain.

    A field that was read before is known and needs no end. ``{track}`` is empty or ends in "/"; the number of slashes
    in the key shows which, because nothing else changes it. ``.{ext}`` at the end is found from the right.
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
                f"put a '/' behind the first {{{field}}}. An id can contain letters, digits and ! - _ . * ' ( ), "
                "so with one of those behind it two assets could get the same key"
            )
