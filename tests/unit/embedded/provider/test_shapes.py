"""The fake provider's answers and callbacks have the keys and types of the documented ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.provider import Mood, Options, Provider, fake_provider
from app.embedded.provider.shapes.callbacks import callback
from app.embedded.provider.shapes.catalogue import FAMILIES, POLLED
from tests.conftest import Payload
from tests.unit.embedded.provider.conftest import Client, ClientOf, state_in
from tests.unit.embedded.provider.documented import ANSWERS, POSTED, REFUSED, SENT, VARIANTS

RECORDS = Path(__file__).parents[3] / "record_info"
_ECHOES = {"param", "paramJson", "promptJson"}


def documented(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text())
    return read


def shape(value: object) -> object:
    """Give keys and types, also of JSON inside strings; of a list the set of its elements' shapes."""
    match value:
        case dict():
            return {key: "echo" if key in _ECHOES else shape(each) for key, each in value.items()}
        case list():
            return {json.dumps(shape(each), sort_keys=True, default=sorted) for each in value}
        case str() if value.startswith("{"):
            return shape(json.loads(value))
        case str():
            return "text"
        case bool() | None:
            return str(value)
    return "number"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with fake_provider(Options(kind="K")) as running:
        yield running


@pytest.fixture
def client(provider: Provider, client_of: ClientOf) -> Client:
    provider.set_mood(Mood())
    return client_of(provider)


def test_every_documented_answer_and_callback_is_compared() -> None:
    assert {path.stem for path in RECORDS.glob("*.json")} == ANSWERS.keys() | POSTED.keys() | REFUSED.keys()
    payloads = {path.stem for path in (RECORDS.parent / "payloads").glob("*.json")}
    assert payloads == SENT.keys() | VARIANTS
    assert {family for family, _, _ in ANSWERS.values()} | {"veo"} == FAMILIES.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_to_a_poll_has_the_documented_shape(name: str, provider: Provider, client: Client) -> None:
    family, state, body = ANSWERS[name]
    added = provider.add_task(family, stages=[state], body=body)
    told = client.poll(FAMILIES[family].poll, added, FAMILIES[family].id_parameter)
    assert shape(told) == shape(documented(name))
    assert state_in(told) == state_in(documented(name)) == state


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_the_documented_shape_and_comes_as_http_200(
    name: str, provider: Provider, client: Client
) -> None:
    provider.set_mood(Mood(code=REFUSED[name]))
    told = client.get("generate/record-info", taskId="unknown")
    assert (told.status_code, shape(told.json())) == (200, shape(documented(name)))
    assert told.json()["code"] == documented(name)["code"]


@pytest.mark.parametrize("name", POSTED)
def test_the_answer_to_a_post_has_the_documented_shape(name: str, provider: Provider, client: Client) -> None:
    url = provider.files.url("task/a/one.mp3") if name.endswith("success") else "http://stranger.test/one.mp3"
    told = client.post(POSTED[name], {"url": url})
    assert shape(told) == shape(documented(name))
    assert told["code"] == documented(name)["code"]


@pytest.mark.parametrize("name", SENT)
def test_a_callback_has_the_documented_shape(name: str, payload: Payload) -> None:
    kind, family, state, body = SENT[name]
    provider = Provider(Options(kind=kind))
    result = provider.told(provider.add_task(family, stages=[state], body=body), state)
    assert shape(callback(result)) == shape(payload(name))


def test_each_kind_of_task_is_polled_at_its_own_path_only(provider: Provider, client: Client) -> None:
    lyrics = provider.add_task("lyrics")
    assert client.poll("generate/record-info", lyrics) == {"code": 200, "msg": "success", "data": None}
    assert client.poll("lyrics/record-info", lyrics)["data"]["taskId"] == lyrics
    assert len(POLLED) == len(FAMILIES)
