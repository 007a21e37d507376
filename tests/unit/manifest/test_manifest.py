"""The manifest: it holds the whole record of a task, restores it, and older formats can still be read."""

import json
from typing import Any

import pytest

from tests.conftest import Payload
from tests.origin import Answer, Origin, picture, song
from tests.unit.conftest import Clock, Sent
from tests.unit.story import GOOD, PATH, VIDEO, run, stored
from workers.callbacks.families.tracks import STEMS
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import ingest, ingest_next
from workers.ledger.storage.keys import asset_key
from workers.manifest import FORMAT, ManifestError, read_manifest, remembered_task, write_manifest


def manifest(context: WorkerContext, task_id: str = VIDEO.task_id) -> dict[str, Any]:
    found = read_manifest(context.store, context.settings, task_id)
    assert found
    return found


def put(context: WorkerContext, text: str, task_id: str = VIDEO.task_id) -> None:
    context.store.write_text(context.settings.layout.manifest_key(task_id), text.encode(), "application/json")


def test_the_manifest_holds_the_exact_text_of_every_callback(context: WorkerContext, clock: Clock) -> None:
    first = '{ "code" :200,"taskId":"t", "data": {"instruments": [1e999, 0.10, "\\ud83d"],\r\n\t"x": "夜航"}}'
    second = first.replace("0.10", "0.1")
    for body in (first, second):
        context.received.put(body, clock())
        ingest_next(context)
        clock.advance(1)
    assert [entry["body"] for entry in manifest(context, "t")["callbacks"]] == [first, second]
    assert manifest(context, "t")["format"] == FORMAT


@pytest.mark.slow
def test_a_manifest_keeps_its_assets_and_callbacks_after_redis_lost_all_data(
    context: WorkerContext, clock: Clock, origin: Origin, payload: Payload, sent: Sent
) -> None:
    body = payload("music_first", origin.url)
    track = body["data"]["data"][0]
    for name, url in track.items():
        if name.endswith("_url"):
            path = url.removeprefix(origin.url)
            content = picture(path) if "image" in name else song(path, 98)
            origin.serve(path, Answer(content, until_closed=name == "audio_url"))
    origin.serve(track["image_url"].removeprefix(origin.url), song("a song where a picture should be", 1))
    ingest(context, json.dumps(body), clock())
    run(context, sent)
    task_id = body["data"]["task_id"]
    before = manifest(context, task_id)
    assert before["assets"][f"{track['id']}/image"]["notes"] == ["the key ends in .jpeg, the content is audio/mpeg"]
    lengths = {name: asset["length"] for name, asset in before["assets"].items() if "length" in asset}
    assert lengths == {f"{track['id']}/cover": "unannounced"}
    context.ledger.redis.flushall()
    ingest(context, json.dumps(payload("music_text", origin.url)), clock())
    assert manifest(context, task_id)["assets"] == before["assets"]
    assert manifest(context, task_id)["callbacks"][0] == before["callbacks"][0]


@pytest.mark.slow
def test_a_manifest_of_format_1_is_still_read(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    new = manifest(context)
    asset = {name: value for name, value in new["assets"]["video"].items() if "seconds" not in name and name != "notes"}
    del asset["optional"]
    old = {name: new[name] for name in ("task_id", "family", "stage", "status", "code", "meaning", "version")} | {
        "format": 1,
        "callbacks": [{**new["callbacks"][0], "body": json.loads(body)}],
        "assets": {"video": {**asset, "media": "video"}},
    }
    put(context, json.dumps(old, indent=1))
    context.ledger.redis.flushall()
    ingest(context, body, clock())
    run(context, sent)
    assert origin.count(PATH) == 1
    restored = context.ledger.snapshot(VIDEO.task_id)
    assert restored
    assert restored.assets["video"].sha256 == new["assets"]["video"]["sha256"]
    assert json.loads(restored.callbacks[0].body) == json.loads(body)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('{"format": 3}', "upgrade"),
        ('{"format": "2"}', "upgrade"),
        ("not JSON", "move it away"),
        ("[]", "move it away"),
        ("{}", "move it away"),
        ('{"format": 2}', "move it away"),
        ('{"format": 2, "assets": {"x": null}}', "move it away"),
    ],
)
def test_an_unreadable_manifest_stops_its_task_with_an_error_and_is_not_overwritten(
    context: WorkerContext, clock: Clock, body: str, text: str, advice: str
) -> None:
    put(context, text)
    with pytest.raises(ManifestError, match=advice):
        remembered_task(context, VIDEO.task_id)
    context.received.put(body, clock())
    ingest_next(context)
    assert context.received.waiting() == 1
    assert stored(context, context.settings.layout.manifest_key(VIDEO.task_id)) == text.encode()
    assert issubclass(ManifestError, TransientError)


def serve_track(origin: Origin, track: dict[str, Any], *, without: set[str]) -> None:
    for name, url in track.items():
        if name.endswith("_url"):
            path = url.removeprefix(origin.url)
            good = picture(path) if "image" in name else song(path, 98)
            origin.serve(path, Answer(status=404) if name in without else good)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "status"),
    [
        (set(), "archived"),
        ({"source_audio_url"}, "archived"),
        ({"source_audio_url", "stream_audio_url"}, "incomplete"),
        ({"stream_audio_url"}, "incomplete"),
        ({"audio_url"}, "incomplete"),
    ],
)
def test_a_task_without_its_deprecated_files_alone_is_archived_with_a_note(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload, without: set[str], status: str
) -> None:
    body = payload("music_first", origin.url)
    body["data"]["callbackType"] = "complete"
    track = body["data"]["data"][0]
    serve_track(origin, track, without=without)
    ingest(context, json.dumps(body), clock())
    for _ in range(9):
        run(context, sent)
        clock.advance(2000)
        sweep(context)
    found = manifest(context, body["data"]["task_id"])
    assert found["status"] == status
    told = [note for note in found["notes"] if "deprecated" in note and f"{track['id']}/original" in note]
    assert len(told) == (1 if without == {"source_audio_url"} else 0)
    assert {found["assets"][f"{track['id']}/{stem}"]["optional"] for stem in STEMS - {"original"}} == {False}


def test_a_task_that_has_nothing_but_deprecated_files_is_incomplete_without_them(
    context: WorkerContext, clock: Clock, sent: Sent
) -> None:
    track = {"id": "i", "source_audio_url": "ftp://gone.example/x"}
    body = {"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": [track]}}
    ingest(context, json.dumps(body), clock())
    run(context, sent)
    assert manifest(context, "t")["status"] == "incomplete"


def test_the_manifest_names_failed_tracks_and_the_providers_message(
    context: WorkerContext, clock: Clock, payload: Payload
) -> None:
    ingest(context, json.dumps(payload("recovery_all_failed")), clock())
    ingest(context, json.dumps(payload("jobs_failed")), clock())
    recovery = manifest(context, payload("recovery_all_failed")["task_id"])
    assert recovery["failed_tracks"] == {"f83bd0d6-e85a-4e2b-8394-84ea16f9eac8": "no_audio_id_mappings"}
    assert (recovery["family"], recovery["status"], recovery["message"]) == ("recovery", "failed", "failed")
    job = manifest(context, payload("jobs_failed")["data"]["taskId"])
    assert (job["family"], job["status"], job["code"]) == ("jobs", "failed", 501)
    assert (job["fail_code"], job["message"]) == ("500", "Internal server error")


@pytest.mark.slow
def test_the_next_manifest_keeps_the_values_of_an_asset_that_redis_lost(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    before = manifest(context)["assets"]["video"]
    context.ledger.redis.delete(asset_key(VIDEO))
    ingest(context, json.dumps({"code": 200, "taskId": VIDEO.task_id, "data": {"instruments": []}}), clock())
    assert manifest(context)["assets"]["video"] == before


@pytest.mark.slow
def test_an_asset_that_was_not_settled_when_redis_lost_it_is_taken_up_from_the_manifests_callbacks(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    ingest(context, body, clock())
    write_manifest(context, VIDEO.task_id)
    assert manifest(context)["assets"]["video"]["state"] == "pending"
    context.ledger.redis.flushall()
    origin.serve(PATH, GOOD)
    clock.advance(60)
    ingest(context, json.dumps({"code": 200, "taskId": VIDEO.task_id, "data": {"instruments": []}}), clock())
    run(context, sent)
    assert stored(context) == GOOD
    assert len(manifest(context)["callbacks"]) == 2
