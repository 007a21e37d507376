"""Facts of a stored file: the metadata of its object, and the fields that the ledger and the manifest record."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from workers.bucket.store import Stored
from workers.ledger.values.facts import ObjectFacts
from workers.ledger.values.lease import Lease

#: S3 allows 2 KB for all metadata of an object together, and Swift 256 characters for each.
_MAX_URL_IN_METADATA = 255
#: RFC 3986's reserved characters, and the percent sign of text that is encoded already.
_PLAIN_IN_URLS = ":/?#[]@!$&'()*+,;=%"

#: Notes for people about an object that stood under the key before, if it is not the source's file.
_NOTES_ON_FOUND_OBJECT = {
    "different": "found: another object stood under this key before; the source's bytes are not stored",
    "unread": "found: an object stood under this key when the asset was given up; it was not compared with the source",
    "damaged": "found: the object under this key does not have the SHA-256 in its metadata; compare it with a copy",
}


@dataclass
class Findings:
    """The results of the checks, filled in while the file's parts pass."""

    content_type: str
    notes: list[str] = field(default_factory=list)
    """Notes for people who expected the file that the key names."""
    seconds: float | None = None
    """The measured length of audio."""
    length: str = ""
    """``unannounced`` for a body whose end was the end of its connection, which may have come too early."""


def facts_of(stored: Stored, findings: Findings) -> ObjectFacts:
    """Give the facts that are recorded for an archived asset."""
    if stored.found in _NOTES_ON_FOUND_OBJECT:
        # The source's file is not stored, so its findings do not describe the object.
        findings = Findings(stored.content_type, [_NOTES_ON_FOUND_OBJECT[stored.found]])
    return ObjectFacts(
        stored.size,
        findings.content_type,
        sha256=stored.sha256,
        found=stored.found,
        notes=tuple(findings.notes),
        seconds=findings.seconds,
        length=findings.length,
    )


def facts_of_found(stored: Stored) -> ObjectFacts:
    """Give the facts for an asset whose object was found without an attempt (``Store.look_up``)."""
    return facts_of(stored, Findings(stored.content_type))


def metadata_of(lease: Lease) -> dict[str, str]:
    """Give the object's metadata: task id, track id, stem, and the source URL without its query."""
    track_id, _, stem = lease.id.name.rpartition("/")
    url = urlsplit(lease.url)
    # A header carries printable ASCII only; other characters of the URL are percent-encoded
    # (test_a_url_with_odd_signs_is_fetched_and_its_metadata_carries_no_header).
    source = quote(f"{url.scheme}://{url.netloc}{url.path}", safe=_PLAIN_IN_URLS, errors="replace")
    named = {
        "task-id": lease.id.task_id,
        "track-id": track_id,
        "stem": stem,
        "source-url": source[:_MAX_URL_IN_METADATA],
    }
    return {name: value for name, value in named.items() if value}
