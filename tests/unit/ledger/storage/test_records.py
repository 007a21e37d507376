"""Records and Redis's hashes: the stored form stays the same from release to release, and loses nothing."""

from dataclasses import fields

from workers.ledger.storage.stored_form import asset_fields, asset_of, snapshot_from, task_fields
from workers.ledger.values.records import AssetRecord, TaskRecord

ASSET = {
    "state": "pending", "url": "https://origin.test/a", "key": "\n/i/\n_cover.mp3", "source_name": "a",
    "order": "301700", "optional": "1", "announced_seconds": "198.0", "recorded_at": "1700000000.0",
    "started_at": "1700000001.25", "settled_at": "1700000002.123", "deadline": "1700000003.5", "attempts": "2",
    "error": "gone", "streak": "0", "crashes": "1", "crashes_in_company": "2",
    "lapses": "3", "owner": "one", "lease": "1700000060.5", "fresh": "1",
    "partial": "_partial/k", "final": "1", "size": "7", "sha256": "cdcd", "content_type": "audio/mpeg",
    "seconds": "183.375", "length": "unannounced", "found": "same", "notes": "one\ntwo",
}  # fmt: skip
TASK = {
    "family": "recovery", "stage": "error", "rank": "3", "code": "500", "meaning": "failed", "message": "夜航",
    "fail_code": "7", "failed_tracks": '{"i": "no audio"}', "notes": "one\ntwo", "version": "5",
    "written": "4", "open": "1",
}  # fmt: skip


def test_each_value_of_an_asset_is_read_from_its_hash_and_written_as_it_stood() -> None:
    record = asset_of("t", ASSET)
    assert {each.name for each in fields(AssetRecord) if getattr(record, each.name) == each.default} == set()
    assert (record.key, record.size, record.notes, record.final) == ("t/i/t_cover.mp3", 7, ("one", "two"), True)
    assert asset_fields("t", record) == ASSET


def test_each_value_of_a_task_is_read_from_its_hash_and_written_as_it_stood() -> None:
    snapshot = snapshot_from("t", {**TASK, "assets": "i/cover"}, {"i/cover": ASSET})
    empty = TaskRecord()
    assert {
        each.name for each in fields(TaskRecord) if getattr(snapshot.task, each.name) == getattr(empty, each.name)
    } == set()
    assert (snapshot.task.code, snapshot.task.failed_tracks, snapshot.open) == (500, {"i": "no audio"}, 1)
    assert task_fields(snapshot) == {**TASK, "assets": "i/cover"}


def test_a_record_without_values_has_no_fields() -> None:
    assert asset_of("t", {}) == AssetRecord()
    assert asset_fields("t", AssetRecord()) == {}


def test_fields_of_a_later_version_are_left_out() -> None:
    assert asset_of("t", {**ASSET, "of_a_later_version": "x"}) == asset_of("t", ASSET)
