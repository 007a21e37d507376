"""Runs the tests of the store against OpenStack Swift, which checks signatures and checksums. moto does not."""

import hashlib

import pytest

from app.cli.doctor.store.rivals import both_succeed
from tests.unit.bucket import test_store
from tests.unit.bucket.test_store import write
from tests.unit.reading import PART
from tests.unit.s3 import test_direct
from tests.unit.s3.test_direct import direct, pool
from workers.bucket.examination import examine_put, examine_upload
from workers.bucket.guarantees import Checksum, Condition, Guarantees
from workers.bucket.store import Store
from workers.s3.errors import AlreadyThereError
from workers.transfer.parts import Body

__all__ = ["direct", "pool"]

#: These tests use the fixtures ``store`` and ``direct``, which are on Swift here.
for _module in (test_store, test_direct):
    vars().update({name: test for name, test in vars(_module).items() if name.startswith("test_")})


def test_swift_compares_checksums_and_honours_conditions(store: Store) -> None:
    found = Guarantees(Checksum.CRC32C, Condition.HONOURED)
    assert examine_put(store, "probe", {}) == found
    assert examine_upload(store, "probe", {}, test_store.Holding()) == found


def test_swift_reports_success_to_both_of_two_concurrent_conditional_writers(store: Store) -> None:
    """The reason for the HEAD after a write. If this test fails, Swift has improved."""
    assert both_succeed(store.client, store.bucket, "k")


def test_a_writer_whose_object_was_replaced_reports_the_stored_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swift answers 200 to this writer and keeps the other writer's bytes."""
    rival = b"the bytes of the faster writer"
    write(store, b"examined first")
    store.delete("k")
    rivals = [rival]

    class Overtaken(Body):
        def read(self, size: int = -1) -> memoryview:
            if rivals:
                store.client.put_object(Bucket=store.bucket, Key="k", Body=rivals.pop(), IfNoneMatch="*")
            return super().read(size)

    monkeypatch.setattr("workers.bucket.requests.Body", Overtaken)
    stored = write(store, bytes(PART))
    assert (stored.sha256, stored.found) == (hashlib.sha256(rival).hexdigest(), "different")
    assert store.read_text("k") == rival


def test_a_conditional_write_to_an_existing_key_raises_already_there(store: Store) -> None:
    write(store, b"first")
    with pytest.raises(AlreadyThereError):
        store.put("k", b"second", {}, if_new=True)
