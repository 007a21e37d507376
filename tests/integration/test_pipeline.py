"""From a provider's POST to objects in the bucket, through all processes of production."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from app.embedded.stack import embedded_stack
from config.layout import KeyLayout
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service, renamed, serve_all
from tests.origin import Answer, Origin, counting_listener, film, song
from workers.callbacks import parse_callback
from workers.callbacks.assets import Asset
from workers.ledger.ledger import Ledger

PART = 5 * 1024**2


def assets_of(payload: dict[str, Any]) -> tuple[str, dict[str, Asset]]:
    callback = parse_callback(payload)
    return callback.task_id, {asset.key(KeyLayout()): asset for asset in callback.assets}


def test_the_providers_masked_example_works_as_pasted(service: Service, origin: Origin, payload: Payload) -> None:
    body = payload("masked_ids", origin.url)
    serve_all(origin, body)
    pasted = json.dumps(body, ensure_ascii=False, indent=2).encode()
    answer = service.post(pasted, **{"User-Agent": "curl/8.5.0", "Accept": "*/*"})
    assert answer.json() == {"status": "received"}
    service.settled("2fac****9f72")
    track = "2fac****9f72/e231****-****-****-****-****8cadc7dc/2fac****9f72"
    stems = ["cover.mp3", "image.jpeg", "original.mp3", "original_image.jpeg", "original_stream.mp3", "stream.mp3"]
    found = [key for key in service.objects("2fac****9f72/") if not key.endswith(".json")]
    assert found == [f"{track}_{stem}" for stem in stems]


def test_ten_deliveries_at_once_download_and_store_each_asset_once(
    service: Service, origin: Origin, payload: Payload
) -> None:
    body = renamed(payload("music_complete", origin.url))
    contents = serve_all(origin, body)
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(service.post, [body] * 10))
    assert [answer.status_code for answer in answers] == [200] * 10
    task_id, assets = assets_of(body)
    settled = service.settled(task_id)
    assert {origin.count(url.removeprefix(origin.url)) for url in contents} == {1}
    assert {record.attempts for record in settled.assets.values()} == {1}
    found = service.objects(f"{task_id}/")
    assert {key: found[key] for key in assets} == {key: contents[asset.url] for key, asset in assets.items()}


def test_text_first_complete_and_repeats_download_each_asset_once(
    service: Service, origin: Origin, payload: Payload
) -> None:
    task = uuid4().hex
    stages = [payload(name, origin.url) for name in ("music_text", "music_first", "music_complete")]
    for stage in stages:
        stage["data"]["task_id"] = task
    contents = serve_all(origin, stages[-1])
    for stage in [*stages, *reversed(stages)]:
        assert service.post(stage).status_code == 200
    eventually(lambda: (snapshot := service.snapshot(task)) and snapshot.task.stage == "complete")
    settled = service.settled(task)
    assert len(settled.assets) == 12
    assert {origin.count(url.removeprefix(origin.url)) for url in contents} == {1}
    eventually(lambda: len((service.snapshot(task) or settled).callbacks) == 3)


SIZES = [PART - 1, PART, PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1]


@pytest.mark.parametrize(
    "way",
    [{}, {"until_closed": True}, {"chunked": True}, {"gzipped": True}, {"gzipped": True, "chunked": True}],
    ids=["announced", "until_closed", "chunked", "gzip", "gzip_chunked"],
)
def test_sizes_around_one_and_two_parts_are_stored_whole_however_they_travel(
    service: Service, origin: Origin, way: dict[str, bool]
) -> None:
    task = uuid4().hex
    head = song("size", 1)
    contents = {f"s{size}": head + Random(size).randbytes(size - len(head)) for size in SIZES}
    urls = {f"{stem}_url": origin.serve(f"/{stem}", Answer(content, **way)) for stem, content in contents.items()}  # type: ignore[arg-type]  # all of them are booleans
    service.post({"code": 200, "msg": "", "data": {"task_id": task, "vocal_removal_info": urls}})
    service.settled(task)
    found = service.objects(f"{task}/")
    assert {stem: found[f"{task}/{task}_{stem}.mp3"] for stem in contents} == contents
    assert "Uploads" not in service.stack.s3().list_multipart_uploads(Bucket="stemvault")


def test_a_truncated_body_is_never_stored_and_tried_again_by_the_clock(service: Service, origin: Origin) -> None:
    task = uuid4().hex
    content = film(2 * PART)
    url = origin.serve("/v.mp4", Answer(content, cut_at=PART + 1), Answer(content, announced=len(content) + 9), content)
    service.post({"code": 200, "msg": "", "data": {"task_id": task, "video_url": url}})
    settled = service.settled(task, patience=60)
    assert settled.assets["video"].attempts == 3
    assert service.objects(f"{task}/")[f"{task}/{task}_video.mp4"] == content


def test_an_unknown_shape_is_kept_whole_and_counted(service: Service) -> None:
    body = b'{"code": 200, "data": {"task_id": "t", "hologram_3d": {"href": "' + uuid4().hex.encode() + b'"}}}'
    assert service.post(body).status_code == 200
    key = f"_unrecognized/{hashlib.sha256(body).hexdigest()}.json"
    eventually(lambda: service.objects("_unrecognized/").get(key) == body)
    assert Ledger(service.stack.redis()).counters()["callbacks|unrecognized|"] >= 1


def test_addresses_inside_our_network_are_rejected_end_to_end_without_a_connection(payload: Payload) -> None:
    settings = {name: value for name, value in LOCAL.items() if "PRIVATE" not in name}
    with embedded_stack(settings) as stack, counting_listener() as (port, connections):
        stack.start_all()
        service = Service(stack)
        hosts = ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"]
        stems = {f"s{number}_url": f"http://{host}:{port}/a.mp3" for number, host in enumerate(hosts)}
        stems["metadata_url"] = "http://169.254.169.254/latest/meta-data/"
        body = payload("separation_split_stem")
        body["data"]["vocal_removal_info"] = stems
        assert service.post(body).status_code == 200
        settled = service.settled(body["data"]["task_id"])
        assert {(record.state, record.error) for record in settled.assets.values()} == {
            ("rejected", "forbidden_address")
        }
        assert len(settled.assets) == len(stems)
        assert connections() == 0
