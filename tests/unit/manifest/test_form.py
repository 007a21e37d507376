"""The manifest's JSON: its bytes stay the same from release to release, and each value comes back from it."""

import json
from dataclasses import replace

import pytest

from workers.ledger.values.records import AssetRecord, TaskRecord, TaskSnapshot
from workers.manifest import document, snapshot_of

WRITTEN = """{
 "format": 2,
 "task_id": "t",
 "family": "music",
 "stage": "complete",
 "status": "incomplete",
 "code": 200,
 "meaning": "success",
 "message": "All generated.",
 "fail_code": "7",
 "failed_tracks": {
  "i": "no audio"
 },
 "notes": [
  "only the first 200 files"
 ],
 "version": 5,
 "callbacks": [
  {
   "received_at": "2026-01-02T03:04:05.678+00:00",
   "sha256": "abab",
   "body": "{}"
  }
 ],
 "assets": {
  "i/cover": {
   "key": "t/i/t_cover.mp3",
   "state": "archived",
   "sha256": "cdcd",
   "content_type": "audio/mpeg",
   "error": null,
   "source_name": "song.mp3",
   "partial": null,
   "found": "same",
   "size": 7,
   "attempts": 2,
   "seconds": 183.375,
   "announced_seconds": 198.0,
   "recorded_at": "2026-01-02T03:04:05.000+00:00",
   "started_at": "2026-01-02T03:04:06.500+00:00",
   "settled_at": "2026-01-02T03:04:07.123+00:00",
   "optional": true,
   "notes": [
    "short: 183.4 s of 198.0 s announced"
   ],
   "length": "unannounced"
  },
  "i/stream": {
   "key": "t/i/t_stream.mp3",
   "state": "rejected",
   "sha256": null,
   "content_type": null,
   "error": "gone",
   "source_name": null,
   "partial": "_partial/t/i/t_stream.mp3",
   "found": null,
   "size": null,
   "attempts": 0,
   "seconds": null,
   "announced_seconds": null,
   "recorded_at": null,
   "started_at": null,
   "settled_at": "2026-01-02T03:04:07.000+00:00",
   "optional": false,
   "notes": []
  }
 }
}"""


def test_a_settled_task_is_written_again_byte_for_byte() -> None:
    assert json.dumps(document(snapshot_of(json.loads(WRITTEN))), indent=1) == WRITTEN


def test_an_asset_that_redis_has_lost_has_no_values() -> None:
    snapshot = replace(snapshot_of(json.loads(WRITTEN)), assets={"i/cover": AssetRecord()})
    asset = document(snapshot)["assets"]["i/cover"]
    assert {name for name, value in asset.items() if value is not None} == {"optional", "notes"}


@pytest.mark.parametrize("lost", ["family", "stage", "meaning"])
def test_a_task_whose_record_redis_has_lost_in_part_gets_no_manifest(lost: str) -> None:
    task = TaskRecord(**{"family": "music", "stage": "complete", "meaning": "success"} | {lost: None})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has lost"):
        document(TaskSnapshot("t", task, callbacks=[]))
