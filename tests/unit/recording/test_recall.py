"""A task that Redis has forgotten is restored from its manifest."""

import json

import pytest

from tests.conftest import Payload
from tests.origin import Origin, picture, song
from tests.unit.conftest import Clock, Sent
from tests.unit.story import GOOD, PATH, VIDEO, run, stored
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import ingest


@pytest.mark.slow
def test_a_repeat_after_redis_has_forgotten_downloads_nothing_and_the_manifest_keeps_all(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    complete = payload("music_complete", origin.url)
    for track in complete["data"]["data"]:
        for name, url in track.items():
            if name.endswith("_url"):
                path = url.removeprefix(origin.url)
                origin.serve(path, picture(path) if "image" in name else song(path, 98))
    ingest(context, json.dumps(complete), clock())
    run(context, sent)
    key = f"{complete['data']['task_id']}/{complete['data']['task_id']}_manifest.json"
    before = json.loads(stored(context, key) or b"")
    asked = len(origin.requests)
    context.ledger.redis.flushall()
    for repeat in (json.dumps(complete), json.dumps(payload("music_first", origin.url))):
        ingest(context, repeat, clock())
        run(context, sent)
    after = json.loads(stored(context, key) or b"")
    assert len(origin.requests) == asked
    assert after["assets"] == before["assets"]
    assert [json.loads(entry["body"])["data"]["callbackType"] for entry in after["callbacks"]] == ["complete", "first"]


@pytest.mark.slow
def test_a_task_that_is_forgotten_while_it_is_ingested_is_read_from_its_manifest_first(
    context: WorkerContext, sent: Sent, clock: Clock, body: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    knows = context.ledger.knows

    def then_forgotten(task_id: str) -> bool:
        known = knows(task_id)
        while not context.ledger.forget_settled(count=1000):
            pass
        return known

    again = json.dumps({**json.loads(body), "msg": "again"})
    with monkeypatch.context() as patch:
        patch.setattr(context.ledger, "knows", then_forgotten)
        with pytest.raises(TransientError, match="forgotten"):
            ingest(context, again, clock())
    ingest(context, again, clock())
    snapshot = context.ledger.snapshot(VIDEO.task_id)
    assert snapshot
    assert snapshot.assets["video"].state == "archived"
    assert len(snapshot.callbacks) == 2
