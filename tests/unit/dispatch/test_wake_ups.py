"""Wake-up messages: in Celery's own form, limited in number, each with an id of its own."""

import base64
import json

import fakeredis
import pytest

from tests.unit.conftest import Sent
from workers.dispatch.queues import ASSET_QUEUES, CALLBACKS, SUSPECTS
from workers.dispatch.wake_ups import MAX_WAITING, WAKE_UP_ID, WakeUps
from workers.intake.received import ReceivedCallbacks

CALLS = {
    CALLBACKS: "workers.tasks.ingest_callback",
    **dict.fromkeys(ASSET_QUEUES, "workers.tasks.archive_assets"),
    SUSPECTS: "workers.tasks.archive_suspects",
}


@pytest.mark.parametrize("queue", CALLS)
def test_a_wake_up_calls_its_queues_task(redis: fakeredis.FakeRedis, queue: str) -> None:
    WakeUps(redis).send(queue, 1)
    message = json.loads(str(redis.lpop(queue)))
    arguments, _, _ = json.loads(base64.b64decode(message["body"]))
    assert (message["headers"]["task"], arguments) == (CALLS[queue], [])
    assert message["properties"]["delivery_info"]["routing_key"] == queue


def test_no_two_wake_ups_have_the_same_ids(redis: fakeredis.FakeRedis) -> None:
    WakeUps(redis).send("assets", 3)
    ReceivedCallbacks(redis).put_all([("{}", 1.0), ("{}", 2.0)])
    messages = [json.loads(text) for queue in ("assets", CALLBACKS) for text in redis.lrange(queue, 0, -1)]
    ids = {(each["headers"]["id"], each["properties"]["delivery_tag"]) for each in messages}
    assert len({task for task, _ in ids}) == len({tag for _, tag in ids}) == 5
    assert WAKE_UP_ID not in str(messages)


@pytest.mark.parametrize(
    ("waiting", "number", "then"), [(0, 0, 0), (0, 3, 3), (2, 3, 3), (5, 3, 5), (0, 99, MAX_WAITING)]
)
def test_wake_up_messages_are_sent_for_each_waiting_item_up_to_a_limit(
    redis: fakeredis.FakeRedis, sent: Sent, waiting: int, number: int, then: int
) -> None:
    wake_ups = WakeUps(redis)
    wake_ups.send("assets", waiting)
    wake_ups.send("assets", number)
    assert len(sent.take()) == then


def test_a_burst_of_callbacks_calls_enough_workers_and_no_more(redis: fakeredis.FakeRedis, sent: Sent) -> None:
    received = ReceivedCallbacks(redis)
    received.put_all([("{}", float(number)) for number in range(100)])
    received.put("{}", 1.0)
    assert sent.take() == [CALLBACKS] * MAX_WAITING
    assert received.waiting() == 101
