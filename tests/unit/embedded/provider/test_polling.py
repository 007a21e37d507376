"""The fake provider's polling: stages by the clock, keys, limits, and faults that are switched on."""

import itertools
import time

import pytest
import requests

from app.embedded.provider import Mood, Options, Provider, fake_provider
from app.embedded.provider.shapes.catalogue import FAMILIES
from app.embedded.provider.shapes.result import Kind
from tests.unit.conftest import Clock
from tests.unit.embedded.provider.conftest import Client, ClientOf, state_in
from tests.unit.embedded.provider.documented import PATHS_AND_STATES

MUSIC, LYRICS = "generate/record-info", "lyrics/record-info"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_submitted_task_passes_through_the_stages_of_its_family_by_the_clock(
    name: str, provider: Provider, client: Client, clock: Clock
) -> None:
    family = FAMILIES[name]
    task_id = client.post(family.submit[0], {"prompt": "a quay"})["data"]["taskId"]
    for state in family.stages:
        told = client.poll(family.poll, task_id, family.id_parameter)
        assert state_in(told) == state
        clock.advance(provider.options.stage_seconds)
    clock.advance(1e6)
    assert client.poll(family.poll, task_id, family.id_parameter) == told


@pytest.mark.parametrize(
    ("name", "state"), [(name, state) for name, each in FAMILIES.items() for state in each.failures]
)
def test_a_task_can_end_failed_in_each_way_of_its_family(
    name: str, state: str | int, provider: Provider, client: Client, clock: Clock
) -> None:
    family = FAMILIES[name]
    task_id = provider.add_task(name, stages=[family.stages[0], state])
    assert state_in(client.poll(family.poll, task_id, family.id_parameter)) == family.stages[0]
    clock.advance(1)
    assert state_in(client.poll(family.poll, task_id, family.id_parameter)) == state


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_the_documented_path_and_states(name: str) -> None:
    family = FAMILIES[name]
    assert (family.poll, family.stages, tuple(family.failures)) == PATHS_AND_STATES[name]


def test_states_that_a_family_does_not_have_are_refused(provider: Provider) -> None:
    with pytest.raises(ValueError, match="no such states"):
        provider.add_task("wav", stages=["PENDING", "TEXT_SUCCESS"])
    with pytest.raises(ValueError, match="no such states"):
        provider.plan("wav", stages=["TEXT_SUCCESS"])


def test_submitted_tasks_follow_the_plan_and_their_requests_are_kept(provider: Provider, client: Client) -> None:
    provider.plan("lyrics", stages=["GENERATE_LYRICS_FAILED"])
    body = {"prompt": "a quay", "callBackUrl": "http://127.0.0.1:9/callbacks"}
    task_id = client.post("lyrics", body)["data"]["taskId"]
    assert client.poll(LYRICS, task_id)["data"]["status"] == "GENERATE_LYRICS_FAILED"
    (submission,) = provider.submissions
    assert (submission.path, submission.task_id, submission.body) == ("lyrics", task_id, body)


def test_unknown_tasks_unknown_paths_and_missing_ids_are_answered_as_documented(client: Client) -> None:
    assert client.poll(MUSIC, "unknown") == {"code": 200, "msg": "success", "data": None}
    assert client.poll("generate/record", "unknown")["code"] == 404
    assert client.post("generate/record-info", {})["code"] == 404
    assert client.get(MUSIC).json()["code"] == 422
    assert client.post("generate", ["no object"])["code"] == 422


def test_recovery_wants_its_id_in_snake_case(provider: Provider, client: Client) -> None:
    task_id = provider.add_task("recovery")
    assert client.poll("suno/recovery/record-info", task_id, "task_id")["code"] == 201
    assert client.poll("suno/recovery/record-info", task_id, "taskId")["code"] == 422


@pytest.mark.parametrize("authorization", [None, "", "Bearer wrong", "Bearer ", "fake-provider-key"])
def test_a_wrong_or_missing_key_is_refused_as_http_200_with_code_401(
    authorization: str | None, provider: Provider
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with requests.get(f"{provider.url}/api/v1/{MUSIC}?taskId=a", headers=headers, timeout=10) as answer:
        assert (answer.status_code, answer.json()["code"]) == (200, 401)
    (request,) = provider.requests
    assert (request.task_id, request.authorized, request.has_credentials) == ("a", False, bool(authorization))


@pytest.mark.parametrize(("kind", "code"), [("K", 429), ("S", 430)])
def test_calls_beyond_the_limit_of_a_second_are_refused_with_the_code_of_the_kind_of_host(
    kind: Kind, code: int, clock: Clock, client_of: ClientOf
) -> None:
    with fake_provider(Options(kind=kind, rate_limit=2, clock=clock)) as provider:
        client = client_of(provider)
        assert [client.poll(LYRICS, name)["code"] for name in "abc"] == [200, 200, code]
        clock.advance(1)
        assert client.poll(LYRICS, "c")["code"] == 200


@pytest.mark.parametrize(("family", "limit"), [("music", 3), ("jobs", 10)])
def test_a_provider_of_kind_k_limits_the_polls_of_one_task(family: str, limit: int, client: Client) -> None:
    path = FAMILIES[family].poll
    assert [client.poll(path, "a")["code"] for _ in range(limit + 1)] == [200] * limit + [429]
    assert client.poll(path, "b")["code"] == 200


def test_a_provider_of_kind_s_has_no_jobs_and_no_poll_limit_for_one_task(clock: Clock, client_of: ClientOf) -> None:
    with fake_provider(Options(kind="S", clock=clock)) as provider:
        client = client_of(provider)
        assert client.post("jobs/createTask", {"model": "any"})["code"] == 404
        assert client.poll("jobs/recordInfo", "a")["code"] == 404
        assert {client.poll(MUSIC, "a")["code"] for _ in range(5)} == {200}


@pytest.mark.parametrize(("kind", "code"), [("K", 402), ("S", 429)])
def test_missing_credits_have_the_code_of_the_kind_of_host(kind: Kind, code: int, client_of: ClientOf) -> None:
    with fake_provider(Options(kind=kind)) as provider:
        provider.set_mood(provider.no_credits)
        assert client_of(provider).post("generate", {})["code"] == code


@pytest.mark.parametrize("code", [405, 455, 500, 505])
def test_a_refusal_that_is_switched_on_lasts_for_so_many_requests(
    code: int, provider: Provider, client: Client
) -> None:
    provider.set_mood(Mood(code=code, path="lyrics", times=2))
    assert client.poll(MUSIC, "a")["code"] == 200
    assert [client.poll(LYRICS, "a")["code"] for _ in range(3)] == [code, code, 200]


def test_a_gateway_error_is_a_page_and_a_broken_body_is_told_as_it_is(provider: Provider, client: Client) -> None:
    provider.set_mood(Mood(status=502))
    answer = client.get(MUSIC, taskId="a")
    assert (answer.status_code, answer.headers["Content-Type"], answer.text[:6]) == (502, "text/html", "<html>")
    provider.set_mood(Mood(body=b'{"code":200,'))
    assert client.get(MUSIC, taskId="a").content == b'{"code":200,'


def test_a_redirect_leads_to_the_other_host_which_sees_whether_the_key_came_along(
    provider: Provider, client: Client
) -> None:
    with fake_provider() as other:
        provider.set_mood(Mood(redirect=other.url.replace("127.0.0.1", "localhost")))
        task_id = provider.add_task("music")
        assert client.get(MUSIC, taskId=task_id).json()["code"] == 401
        assert [each.has_credentials for each in other.requests] == [False]
        requests.get(f"{other.url}/api/v1/x", headers={"Authorization": f"Bearer {provider.key}"}, timeout=10).close()
        assert [each.has_credentials for each in other.requests] == [False, True]


@pytest.mark.slow
def test_slow_and_dripping_answers_take_their_time_and_arrive_whole(provider: Provider, client: Client) -> None:
    for mood, least in ((Mood(wait=0.1), 0.1), (Mood(drip=0.003), 0.09)):
        provider.set_mood(mood)
        started = time.monotonic()
        assert client.poll(MUSIC, "unknown")["data"] is None
        assert time.monotonic() - started >= least


@pytest.mark.parametrize(("pause", "piece"), [(0, 2**16), (0.01, 1)])
def test_an_endless_answer_goes_on_until_the_server_ends(pause: float, piece: int) -> None:
    with requests.Session() as session:
        with fake_provider() as provider:
            provider.set_mood(Mood(endless=True, drip=pause))
            headers = {"Authorization": f"Bearer {provider.key}"}
            answer = session.get(f"{provider.url}/api/v1/{MUSIC}", headers=headers, stream=True, timeout=10)
            pieces = answer.iter_content(piece)
            assert len(list(itertools.islice(pieces, 5))) == 5
        give_up_at = time.monotonic() + 20
        for _ in pieces:
            assert time.monotonic() < give_up_at


@pytest.mark.slow
def test_an_answer_can_fail_to_come(provider: Provider, client: Client) -> None:
    provider.set_mood(Mood(wait=60))
    with pytest.raises(requests.ReadTimeout):
        client.session.get(f"{provider.url}/api/v1/{MUSIC}", timeout=0.2)


def test_the_log_tells_the_highest_number_of_requests_in_any_second(
    provider: Provider, client: Client, clock: Clock
) -> None:
    for pause, name in ((0, "a"), (0.5, "b"), (0.25, "a"), (0.25, "a"), (5, "b")):
        clock.advance(pause)
        client.poll(LYRICS, name)
    assert len(provider.requests) == 5
    assert provider.requests.peak() == 3
    assert provider.requests.peak(task_id="a") == 2
    assert provider.requests.peak(0.25) == 1
    assert [request.path for request in provider.requests.of("b")] == [LYRICS] * 2
    assert all(request.authorized for request in provider.requests)
