"""The fake provider's callbacks: when they come, how often, and when they never come."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest

from app.embedded.provider import Options, Provider, fake_provider
from tests.conftest import eventually
from tests.unit.conftest import Clock
from tests.unit.embedded.provider.conftest import Client, Receiver

MUSIC = "generate/record-info"


@pytest.fixture
def options(clock: Clock) -> Options:
    return Options(clock=clock, retry_seconds=10, stage_seconds=100, signing_key="shared")


def attempts(provider: Provider, count: int) -> list[int]:
    """Wait for so many attempts, and give their statuses."""
    eventually(lambda: len(provider.callbacks) >= count)
    return [each.status for each in provider.callbacks]


@pytest.mark.slow
def test_a_music_task_sends_text_first_and_complete_when_the_clock_reaches_them(
    provider: Provider, client: Client, clock: Clock, receiver: Receiver
) -> None:
    client.post("generate", {"prompt": "a quay", "callBackUrl": receiver.url})
    for count, word in enumerate(("text", "first", "complete"), 1):
        clock.advance(100)
        assert attempts(provider, count) == [200] * count
        assert receiver.types[-1] == word
        assert len(receiver.bodies[-1]["data"]["data"]) == count - 1
    (delivery, *_) = provider.callbacks
    assert (delivery.url, delivery.body) == (receiver.url, receiver.bodies[0])


@pytest.mark.slow
def test_stages_that_are_due_at_once_are_sent_in_their_order(
    provider: Provider, clock: Clock, receiver: Receiver
) -> None:
    task_ids = [provider.add_task("music", body={"callBackUrl": receiver.url}) for _ in range(10)]
    clock.advance(300)
    attempts(provider, 30)
    for task_id in task_ids:
        own = [each.body["data"]["callbackType"] for each in provider.callbacks if each.task_id == task_id]
        assert own == ["text", "first", "complete"]


def test_callbacks_are_signed_over_task_id_and_time(provider: Provider, clock: Clock, receiver: Receiver) -> None:
    task_id = provider.add_task("wav", stages=["SUCCESS"], body={"callBackUrl": receiver.url})
    attempts(provider, 1)
    signed = hmac.digest(b"shared", f"{task_id}.{int(clock())}".encode(), hashlib.sha256)
    assert receiver.headers[0]["X-Webhook-Timestamp"] == str(int(clock()))
    assert receiver.headers[0]["X-Webhook-Signature"] == base64.b64encode(signed).decode()


@pytest.mark.slow
def test_a_callback_that_is_not_taken_is_sent_again_three_times_and_then_the_task_is_silent(
    provider: Provider, client: Client, clock: Clock, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    task_id = provider.add_task("music", body={"callBackUrl": receiver.url})
    clock.advance(100)
    for count in range(1, 5):
        assert attempts(provider, count) == [500] * count
        clock.advance(10)
    assert client.poll(MUSIC, task_id)["data"]["status"] == "TEXT_SUCCESS"
    clock.advance(1000)
    assert client.poll(MUSIC, task_id)["data"]["status"] == "CALLBACK_EXCEPTION"
    assert len(client.poll(MUSIC, task_id)["data"]["response"]["sunoData"]) == 2
    # Another task's callback is sent later than any of this one's would be.
    provider.add_task("wav", task_id="later", stages=["SUCCESS"], body={"callBackUrl": receiver.url})
    eventually(lambda: any(each.task_id == "later" for each in provider.callbacks))
    assert receiver.types_of(task_id) == ["text"] * 4


@pytest.mark.slow
def test_a_receiver_that_recovers_gets_this_callback_and_the_next_ones(
    provider: Provider, client: Client, clock: Clock, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503, 302, 200]
    task_id = provider.add_task("music", body={"callBackUrl": receiver.url})
    clock.advance(100)
    for count in range(1, 4):
        attempts(provider, count)
        clock.advance(10)
    clock.advance(300)
    assert attempts(provider, 6) == [500, 503, 302, 200, 200, 200]
    assert receiver.types == ["text"] * 4 + ["first", "complete"]
    assert client.poll(MUSIC, task_id)["data"]["status"] == "SUCCESS"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/callbacks", "no address", "http://"])
def test_an_address_that_cannot_be_reached_counts_as_a_failed_attempt(url: str, provider: Provider) -> None:
    provider.add_task("wav", stages=["SUCCESS"], body={"callBackUrl": url})
    assert attempts(provider, 1) == [0]


@pytest.mark.slow
def test_a_receiver_that_answers_too_late_has_failed_and_does_not_hold_up_other_tasks(
    options: Options, receiver: Receiver
) -> None:
    with fake_provider(replace(options, callback_timeout=0.2)) as provider:
        receiver.waits = 30
        slow = provider.add_task("wav", stages=["SUCCESS"], body={"callBackUrl": receiver.url})
        provider.add_task("wav", stages=["SUCCESS"], body={"callBackUrl": "http://127.0.0.1:1/"})
        assert attempts(provider, 2) == [0, 0]
        assert provider.callbacks[1].task_id == slow


def test_a_task_whose_callbacks_never_arrive_is_done_all_the_same(
    provider: Provider, client: Client, clock: Clock, receiver: Receiver
) -> None:
    lost = provider.add_task("music", deliver=False, body={"callBackUrl": receiver.url})
    provider.plan("lyrics", deliver=False)
    client.post("lyrics", {"callBackUrl": receiver.url})
    exception = provider.add_task("wav", stages=["CALLBACK_EXCEPTION"], body={"callBackUrl": receiver.url})
    clock.advance(1000)
    provider.add_task("wav", task_id="later", stages=["SUCCESS"], body={"callBackUrl": receiver.url})
    attempts(provider, 1)
    assert {each.task_id for each in provider.callbacks} == {"later"}
    assert client.poll(MUSIC, lost)["data"]["status"] == "SUCCESS"
    assert client.poll("wav/record-info", exception)["data"]["response"]["audioWavUrl"]


def test_a_server_that_delivers_nothing_still_delivers_what_a_task_asks_for(
    options: Options, receiver: Receiver
) -> None:
    with fake_provider(replace(options, deliver=False)) as provider:
        provider.add_task("wav", stages=["SUCCESS"], body={"callBackUrl": receiver.url})
        wanted = provider.add_task("wav", stages=["SUCCESS"], deliver=True, body={"callBackUrl": receiver.url})
        attempts(provider, 1)
        assert [each.task_id for each in provider.callbacks] == [wanted]
