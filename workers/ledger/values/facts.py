"""Further fields of an asset's record, which the end of an attempt sets. Their names are those of ``AssetRecord``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The facts of an archived asset's object. Empty ones are not recorded."""

    size: int
    """In bytes."""
    content_type: str
    sha256: str = ""
    found: str = ""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    """The measured length of the audio."""
    length: str = ""


@dataclass(frozen=True, slots=True)
class PartialFile:
    """Short audio that is kept in the bucket under the key ``partial``, with its length in seconds."""

    partial: str
    seconds: float
