"""The fake provider's files: what they hold, how their URLs die, and how fresh ones are had."""

import json
import math
from dataclasses import replace
from typing import Any

import filetype
import pytest
import requests

from app.embedded.provider import Options, Provider, fake_provider
from app.embedded.provider.shapes.catalogue import FAMILIES
from tests.unit.conftest import Clock
from tests.unit.embedded.provider.conftest import Client, ClientOf

WAV = "wav/record-info"


@pytest.fixture
def options(clock: Clock) -> Options:
    return Options(clock=clock, file_seconds=60, file_status=410)


def fetch(client: Client, url: str) -> requests.Response:
    return client.session.get(url, timeout=10)


def wav_of(client: Client, task_id: str) -> str:
    url: str = client.poll(WAV, task_id)["data"]["response"]["audioWavUrl"]
    return url


def urls_in(value: Any) -> list[str]:
    match value:
        case dict():
            return [url for each in value.values() for url in urls_in(each)]
        case list():
            return [url for each in value for url in urls_in(each)]
        case str() if value.startswith("http"):
            return [value]
        case str() if value.startswith("{"):
            return urls_in(json.loads(value))
    return []


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name not in {"lyrics", "midi", "voice", "voice_validation"}]
)
def test_every_file_that_an_answer_names_is_served_as_real_media(name: str, provider: Provider, client: Client) -> None:
    family = FAMILIES[name]
    task_id = provider.add_task(name, stages=[family.done])
    urls = urls_in(client.poll(family.poll, task_id, family.id_parameter))
    assert urls
    for url in urls:
        answer = fetch(client, url)
        path = url.partition("?")[0].removeprefix(f"{provider.files.base}/")
        assert (answer.status_code, answer.content) == (200, provider.files.content(path))
        assert filetype.guess_mime(answer.content).split("/")[0] == answer.headers["Content-Type"].split("/")[0]
        assert provider.files.fetched[path] == 1


def test_a_url_with_a_raw_space_is_served(provider: Provider, client: Client) -> None:
    url = provider.files.url("task/r/one_Lead Vocal.mp3")
    assert " " in url
    assert fetch(client, url).content == provider.files.content("task/r/one_Lead Vocal.mp3")


def test_a_url_dies_after_its_lifetime_and_the_next_poll_names_a_fresh_one(
    provider: Provider, client: Client, clock: Clock
) -> None:
    task_id = provider.add_task("wav", stages=["SUCCESS"])
    first = wav_of(client, task_id)
    clock.advance(59)
    assert wav_of(client, task_id) == first
    assert fetch(client, first).status_code == 200
    clock.advance(1)
    second = wav_of(client, task_id)
    assert fetch(client, first).status_code == 410
    assert fetch(client, second).status_code == 200
    assert first != second
    assert first.partition("?")[0] == second.partition("?")[0]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_urls_of_a_task_die_at_command(status: int, provider: Provider, client: Client) -> None:
    one, two = (provider.add_task("wav", stages=["SUCCESS"]) for _ in range(2))
    urls = [wav_of(client, task_id) for task_id in (one, two)]
    provider.files.kill(one, status)
    assert [fetch(client, url).status_code for url in urls] == [status, 200]
    assert fetch(client, wav_of(client, one)).status_code == 200


def test_a_file_needs_the_token_of_its_own_url(provider: Provider, client: Client) -> None:
    url = provider.files.url("task/a/one.mp3")
    other = provider.files.url("task/a/two.mp3")
    address, token = url.partition("?")[0], other.partition("?")[2]
    assert [fetch(client, each).status_code for each in (address, f"{address}?{token}", url)] == [403, 403, 200]


def test_download_url_gives_a_link_that_works_for_20_minutes(provider: Provider, client: Client, clock: Clock) -> None:
    dead = provider.files.url("task/r/one_Lead Vocal.mp3")
    clock.advance(60)
    answer = client.post("common/download-url", {"url": dead})
    assert answer["code"] == 200
    clock.advance(20 * 60 - 1)
    assert fetch(client, answer["data"]).status_code == 200
    clock.advance(1)
    assert fetch(client, answer["data"]).status_code == 410


@pytest.mark.parametrize("url", ["http://stranger.test/a.mp3", "", "unknown", None])
def test_download_url_refuses_urls_of_others(url: str | None, provider: Provider, client: Client) -> None:
    asked = f"{provider.files.base}/nobody/a.mp3" if url == "unknown" else url
    assert client.post("common/download-url", {"url": asked})["code"] == 422


def test_files_of_another_origin_are_named_there(options: Options, client_of: ClientOf) -> None:
    with fake_provider(replace(options, origin="http://origin.test/media/", file_seconds=math.inf)) as provider:
        client = client_of(provider)
        task_id = provider.add_task("wav", stages=["SUCCESS"])
        first = wav_of(client, task_id)
        assert first.partition("?")[0] == f"http://origin.test/media/{task_id}/w/one.wav"
        provider.files.kill()
        assert wav_of(client, task_id) != first
