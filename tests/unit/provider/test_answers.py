"""How an answer is read where its family, its state or its shape could be mistaken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.provider.documented import RECORDS, record, task_of
from workers.callbacks import parse_callback
from workers.errors import StemvaultError, UnrecognizedCallbackError
from workers.provider.answers import Answer, read_answer
from workers.provider.errors import (
    MaintenanceError,
    NotOfferedError,
    OutOfCreditsError,
    ProviderError,
    ProviderFaultError,
    RateLimitedError,
    RefusedError,
    WrongKeyError,
)
from workers.provider.families import ASKING_ORDER, FAMILIES, PolledFamily, State, family_for

TASK = "cc2c42d8c12a1930a963edc94e47fc77"
EXTRA = "http://origin.test/extra/file.flac"


def data(family: str, **fields: object) -> Answer:
    return read_answer(FAMILIES[family], {"code": 200, "msg": "success", "data": {"taskId": TASK, **fields}}, TASK)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        *((name, "pending done failed failed") for name in ("midi", "gpt4o_image", "flux_kontext", "veo", "aleph")),
        ("cover_images", "pending done pending failed"),
    ],
)
@pytest.mark.parametrize("write", [int, str, float])
def test_the_same_number_has_each_familys_own_meaning(family: str, expected: str, write: type) -> None:
    assert [data(family, successFlag=write(number)).state for number in range(4)] == expected.split()


@pytest.mark.parametrize(("said", "state"), [("success", "done"), (" Generate_Audio_Failed ", "failed")])
def test_words_count_in_any_case(said: str, state: str) -> None:
    assert data("music", status=said).state == state


@pytest.mark.parametrize("said", ["REWRITING", "2", 2, True, None, "", [], {}, 1.5, 10**400, "X" * 10_000])
@pytest.mark.parametrize("family", ["music", "separation", "jobs", "runway", "voice"])
def test_an_undocumented_state_is_pending_and_noted(family: str, said: object) -> None:
    answer = data(family, **{FAMILIES[family].state_field: said})
    assert answer.state is State.PENDING
    assert 0 < len(answer.note) < 200


def test_wait_validating_is_the_final_state_of_voice_validation_tasks_only() -> None:
    assert data("voice_validation", status="wait_validating", validateInfo="gulls").state is State.DONE
    assert data("voice", status="wait_validating").state is State.PENDING


TRACK = {"id": "one", "audioUrl": "http://origin.test/one.mp3", "duration": 9}
UNFINISHED = {"id": "two", "audioUrl": "", "streamAudioUrl": "http://origin.test/stream/two"}


@pytest.mark.parametrize(
    ("family", "response", "state", "stage"),
    [
        ("music", {"sunoData": [TRACK, TRACK | {"id": "two"}]}, "done", "complete"),
        ("music", {"sunoData": [TRACK, UNFINISHED]}, "partial", "first"),
        ("music", {"sunoData": []}, "pending", None),
        ("music", None, "pending", None),
        ("lyrics", {"data": [{"text": "hold", "title": "Line"}]}, "done", "complete"),
        ("lyrics", {"data": []}, "pending", None),
        ("video", {"videoUrl": "http://origin.test/v.mp4"}, "done", "complete"),
        ("video", {"videoUrl": 7}, "pending", None),
        ("wav", {"audioWavUrl": None}, "pending", None),
    ],
)
def test_an_undelivered_callback_means_done_only_if_all_is_there(
    family: str, response: object, state: str, stage: str | None
) -> None:
    answer = data(family, **{FAMILIES[family].state_field: "CALLBACK_EXCEPTION", "response": response})
    assert answer.state == state
    assert (parse_callback(answer.body).stage if answer.body else None) == stage


@pytest.mark.parametrize("field", ["taskId", "task_id"])
@pytest.mark.parametrize("in_data", [True, False])
@pytest.mark.parametrize("name", ["music_success", "music_pending", "recovery_200_success", "recovery_500_failed"])
def test_an_answer_about_another_task_is_refused(name: str, in_data: bool, field: str) -> None:
    payload = record(name)
    task_id = task_of(payload)
    place = payload["data"] if in_data and isinstance(payload["data"], dict) else payload
    place[field] = "f" * 32
    with pytest.raises(ProviderFaultError, match="another task"):
        read_answer(FAMILIES[RECORDS[name][0]], payload, task_id)


REFUSALS = [
    (401, "", WrongKeyError), (455, "", MaintenanceError), (429, "Rate limited", RateLimitedError),
    (430, "", RateLimitedError), (405, "", RateLimitedError), (402, "", OutOfCreditsError),
    (429, "The current credits are insufficient.", OutOfCreditsError), (429, "积分不足", OutOfCreditsError),
    (404, "", NotOfferedError), (422, "", RefusedError), (400, "", RefusedError),
    (500, "", ProviderFaultError), (505, "", ProviderFaultError), (201, "", ProviderFaultError),
    (999_999, "", ProviderFaultError), (None, "", ProviderFaultError), ("oops", "", ProviderFaultError),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "kind"), REFUSALS)
def test_each_code_is_its_own_refusal(code: object, text: str, kind: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as raised:
        read_answer(FAMILIES["music"], {"code": code, "msg": f"{text} sk-secret", "data": None}, TASK)
    assert type(raised.value) is kind
    assert raised.value.wait > 0
    assert raised.value.for_all == issubclass(
        kind, WrongKeyError | MaintenanceError | RateLimitedError | OutOfCreditsError
    )
    assert "sk-secret" not in str(raised.value)


def test_a_gateway_error_counts_as_a_fault_for_all_tasks() -> None:
    for code, for_all in ((500, False), (502, True), (503, True), (504, True)):
        with pytest.raises(ProviderFaultError) as raised:
            read_answer(FAMILIES["music"], {"code": code}, TASK)
        assert raised.value.for_all is for_all


def test_recoverys_500_is_a_failure_only_where_it_names_the_task() -> None:
    for payload in ({"code": 500, "data": None}, {"code": 401, "task_id": TASK, "data": None}):
        with pytest.raises(ProviderError):
            read_answer(FAMILIES["recovery"], payload, TASK)
    answer = read_answer(FAMILIES["recovery"], {"code": 500, "task_id": TASK, "data": None}, TASK)
    assert answer.state is State.FAILED


@pytest.mark.parametrize("payload", [None, [], "x", 7, {"code": 200, "data": [1]}, {"code": 200, "data": "x"}])
def test_an_answer_of_another_shape_is_a_fault(payload: object) -> None:
    with pytest.raises(ProviderFaultError):
        read_answer(FAMILIES["music"], payload, TASK)


def test_each_family_of_callbacks_but_the_unknown_has_a_family_to_ask() -> None:
    named = ("jobs", "lyrics", "music", "separation", "aleph", "runway", "video", "wav")
    for name in (*named, "cover_images", "recovery", "midi", "voice"):
        found = family_for(name)
        assert found
        assert found.name == name
    assert family_for("other") is family_for("unknown") is None


KNOWN_NAMES = st.sampled_from([
    "taskId", "task_id", "status", "state", "successFlag", "response", "sunoData", "data", "originData", "videoInfo",
    "midiData", "extract", "remove", "stem_type_group_name", "audio_url", "audioUrl", "vocalUrl", "resultJson",
    "images", "errorCode", "errorMessage", "failCode", "id", "instruments", "callbackType", "resultUrls", "info",
    "videoUrl",
])  # fmt: skip
WORDS = st.sampled_from(["SUCCESS", "CALLBACK_EXCEPTION", "fail", "success", 0, 1, 2, 3, TASK, "Vocals", EXTRA, "{"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KNOWN_NAMES | st.text(max_size=8), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.slow
@given(
    family=st.sampled_from(ASKING_ORDER),
    code=st.sampled_from([200, "200", 201, 500, None]) | LEAVES,
    state=WORDS,
    fields=JSON,
    data=JSON,
)
def test_no_answer_however_hostile_raises_anything_but_our_errors(
    family: PolledFamily, code: object, state: object, fields: object, data: object
) -> None:
    if isinstance(data, dict) and family.state_field:
        data = {**data, "taskId": TASK, "response": fields, family.state_field: state}
        data.pop("task_id", None)
    try:
        answer = read_answer(family, {"code": code, "data": data}, TASK)
    except ProviderError:
        return
    assert (answer.body is None) == (answer.state in {State.PENDING, State.UNKNOWN})
    if answer.body:
        try:
            callback = parse_callback(answer.body)
        except UnrecognizedCallbackError:
            return
        except StemvaultError as error:
            raise AssertionError(answer.body) from error
        assert callback.task_id == TASK
        assert callback.failed or answer.state is not State.FAILED


def test_an_answer_nested_beyond_all_bounds_is_read() -> None:
    nested: object = EXTRA
    for _ in range(50_000):
        nested = [nested]
    assert data("music", status="SUCCESS", response={"sunoData": [{"id": "a", "x": nested}]}).state is State.DONE
    assert data("music", status="CALLBACK_EXCEPTION", response={"deep": nested}).state is State.PENDING
