"""``stemvault doctor`` on the store's guarantees: it compares checksums, and it refuses to overwrite."""

from collections.abc import Iterator
from contextlib import suppress

from app.cli.doctor.finding import Finding
from app.cli.doctor.store.rivals import both_succeed
from workers.bucket.examination import examine_put, examine_upload
from workers.bucket.guarantees import Checksum, Condition
from workers.bucket.store import Store
from workers.errors import AssetError, TransientError
from workers.s3.errors import reporting

_UNCHECKED = (
    "The store accepts a body that contradicts its checksum (CRC-32C and Content-MD5 alike), so it can store bytes "
    "that were damaged in transit. Use TLS, which detects that, and no proxy that rewrites bodies."
)
_WITHOUT_CONDITION = (
    "Workers send a HEAD request before each {write} instead, and compare the object by another one afterwards. Two "
    "workers that write one asset at the same moment could still write it twice."
)


class _NoHold:
    """The ``Hold`` of the doctor's own uploads: no worker has to abort them."""

    def alive(self) -> None: ...

    def upload_began(self, upload: str) -> None: ...

    def upload_left(self) -> None: ...

    def upload_ended(self) -> None: ...


def examine_puts(store: Store, key: str) -> Iterator[Finding]:
    """Write by one request, with wrong checksums, and where an object already is, or appears during the write."""
    try:
        with reporting():
            found = examine_put(store, key, {})
    except TransientError as error:
        yield _unclear("put_guarantees", "bucket shows what it does with wrong checksums and conditions", error)
        return
    yield _checksum("checksum_on_put", "an object", found.checksum)
    yield _condition("condition_on_put", "If-None-Match", "write", found.condition)
    if found.condition is Condition.HONOURED:
        yield _rivals(store, f"{key}-rivals")


def examine_uploads(store: Store, key: str) -> Iterator[Finding]:
    """Do the same with a part, and with the request that completes a multipart upload."""
    try:
        with reporting():
            found = examine_upload(store, key, {}, _NoHold())
    except TransientError as error:
        yield _unclear("multipart_guarantees", "bucket shows what it does with wrong checksums of parts", error)
        return
    yield _checksum("checksum_on_part", "a part", found.checksum)
    yield _condition("condition_on_complete", "If-None-Match on completing", "completion", found.condition)


def _rivals(store: Store, key: str) -> Finding:
    name, what = "rivals", "bucket refuses one of two writers at the same moment"
    try:
        with reporting():
            both = both_succeed(store.client, store.bucket, key)
    except TransientError as error:
        return _unclear(name, what, error)
    finally:
        with suppress(AssetError):
            store.delete(key)
    advice = (
        "It answers both writers by success. Workers send a HEAD request after each write to find out whose bytes are "
        "stored, so nothing has to be done."
    )
    return Finding(name, what, good=not both, warning=True, advice=advice)


def _unclear(name: str, what: str, error: TransientError) -> Finding:
    advice = f"{error.detail}. Until it does, workers take every precaution, and they test the store again each minute."
    return Finding(name, what, good=False, warning=True, advice=advice)


def _checksum(name: str, of: str, found: Checksum) -> Finding:
    by = {Checksum.CRC32C: " (CRC-32C)", Checksum.MD5: " (Content-MD5; it ignores CRC-32C)"}.get(found, "")
    what = f"bucket compares the checksum of {of}{by}"
    return Finding(name, what, good=found is not Checksum.NONE, warning=True, advice=_UNCHECKED, value=found)


def _condition(name: str, condition: str, write: str, found: Condition) -> Finding:
    saying = {Condition.IGNORED: "It ignores the condition.", Condition.REFUSED: "It refuses the condition."}
    advice = f"{saying.get(found, '')} {_WITHOUT_CONDITION.format(write=write)}"
    what = f"bucket refuses to overwrite ({condition})"
    return Finding(name, what, good=found is Condition.HONOURED, warning=True, advice=advice, value=found)
