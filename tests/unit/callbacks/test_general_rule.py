"""The general rule: a URL that no family names is archived exactly once, unless it echoes the request."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.addresses import host_of
from config.layout import KeyLayout, is_safe_name
from tests.conftest import ECHOES, Payload
from workers.callbacks import parse_body, parse_callback
from workers.callbacks.tree import ECHOED, MAX_DEPTH, MAX_NESTED_CHARACTERS, MAX_NESTED_JSON
from workers.errors import UnrecognizedCallbackError

URL = "https://files.example/out/7f3a"


def keys(data: object, **top: object) -> list[str]:
    callback = parse_callback(parse_body(json.dumps({"code": 200, "taskId": "t", "data": data, **top})))
    assert callback.family == "other"
    return [asset.key(KeyLayout()).removeprefix("t/") for asset in callback.assets]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"info": {"originImageUrl": URL}}, ["t_origin_image.jpeg"]),
        ({"resultUrls": [URL + "/1", URL + "/2"]}, ["t_result_1.bin", "t_result_2.bin"]),
        ({"info": {"result_urls": [URL + ".png"]}}, ["t_result_1.png"]),
        ({"response": {"videoURL": URL}}, ["t_video.mp4"]),
        ({"output": {"audio": {"url": URL}}}, ["t_output_audio.mp3"]),
        ({"clips": [{"videoUrl": URL}]}, ["t_clips_1_video.mp4"]),
        ({"clips": [{"id": "c-9", "videoUrl": URL}]}, ["c-9/t_clips_video.mp4"]),
        ({"clips": [{"id": 9, "parts": [URL + "/a", URL + "/b"]}]}, ["9/t_clips_parts_1.bin", "9/t_clips_parts_2.bin"]),
        ([{"id": "i", "image_url": URL}], ["i/t_image.jpeg"]),
        ([URL], ["t_result_1.bin"]),
        (URL + ".webm", ["t_result.webm"]),
        ({"url": URL + ".zip"}, ["t_result.zip"]),
        ({"subtitlesUrl": URL + ".srt"}, ["t_subtitles.srt"]),
        ({"resultJson2": json.dumps({"resultUrls": [URL]})}, ["t_result_json2_result_1.bin"]),
        ({"resultUrls": json.dumps([URL])}, ["t_result_1.bin"]),
        ({"resultUrls": f"[{URL}/1.mp4, {URL}/2.mp4]"}, ["t_result_1.mp4", "t_result_2.mp4"]),
        ({"imageUrls": f"{URL}/1.png,{URL}/2.png"}, ["t_image_1.png", "t_image_2.png"]),
        ({"imageUrl": f"{URL}/w_300,{URL}/x.jpg"}, ["t_image.jpg"]),
        ({"lyrics": f"{URL}/x.lrc"}, ["t_lyrics.lrc"]),
        ({"wordsUrl": f"{URL}/words.json", "iconUrl": f"{URL}/i.svg"}, ["t_words.json", "t_icon.svg"]),
        ({"manifestUrl": f"{URL}/m.json"}, ["t_manifest_file.json"]),
        ({"fileUrl": f"  {URL}/Lead Vocal.mp3  "}, ["t_file.mp3"]),
        ({"a": {"x_url": URL}, "b": {"x_url": URL}}, ["t_a_x.bin"]),
    ],
)
def test_a_files_name_is_its_fields_path(data: object, names: list[str]) -> None:
    assert keys(data) == names


def test_a_name_that_a_family_gives_to_another_field_is_not_taken(payload: Payload) -> None:
    body = payload("music_first")
    track = body["data"]["data"][0]
    track |= {"cover_url": URL + "/c.png", "video_url": URL + "/v.mp4", "image_large_url": URL + "/l"}
    found = {asset.stem: (asset.url, asset.track_id) for asset in parse_callback(body).assets}
    assert found["cover_url"] == (URL + "/c.png", track["id"])
    assert found["video"] == (URL + "/v.mp4", track["id"])
    assert found["image_large"] == (URL + "/l", track["id"])
    assert found["cover"][0] == track["audio_url"]


@pytest.mark.parametrize(
    "value",
    ["", None, "ftp://x/y", "//x/y", "/relative", "http://", "https:///x", "see https://x.example/y", 7, "data:,x"],
)
def test_what_is_no_absolute_web_address_is_no_file(value: object) -> None:
    with pytest.raises(UnrecognizedCallbackError):
        parse_callback({"code": 200, "taskId": "t", "data": {"resultUrl": value}})


def test_an_address_of_the_ingress_itself_is_no_file() -> None:
    own = ["https://Hooks.example/callbacks/x", "https://hooks.example:443/y", "https://hooks.example./z"]
    data = {"resultUrls": own, "otherUrl": URL, "video_url": own[0]}
    found = parse_callback({"code": 200, "taskId": "t", "data": data}, own_hosts={host_of("https://hooks.example")})
    assert [asset.url for asset in found.assets] == [URL]


def test_a_stream_of_unknown_shape_counts_as_short_lived() -> None:
    found = parse_callback({"code": 200, "taskId": "t", "data": {"sunoData": [{"streamAudioUrl": URL}]}})
    assert [(asset.stem, asset.short_lived) for asset in found.assets] == [("suno_data_1_stream_audio", True)]


def nested(levels: int, inner: object) -> object:
    for _ in range(levels):
        inner = {"x": inner}
    return inner


def test_files_nested_too_deep_are_left_out_and_a_note_says_so() -> None:
    # The body is one level, and data another.
    assert keys(nested(MAX_DEPTH - 2, {"url": URL}))
    deeper = {"deep": nested(MAX_DEPTH, {"url": URL}), "url": URL + "/near"}
    callback = parse_callback({"code": 200, "taskId": "t", "data": deeper})
    assert [asset.url for asset in callback.assets] == [URL + "/near"]
    assert "levels deep" in callback.notes[0]


def test_json_inside_strings_is_bounded_in_size_and_levels() -> None:
    text = json.dumps({"url": URL})
    for _ in range(MAX_NESTED_JSON - 1):
        text = json.dumps({"x": text})
    assert keys({"resultJson2": text}) == ["t_result_json2_x_x_x.bin"]
    for too_much in (json.dumps({"x": text}), json.dumps({"pad": "x" * MAX_NESTED_CHARACTERS, "url": URL})):
        callback = parse_callback({"code": 200, "taskId": "t", "data": {"x": too_much, "url": URL + "/near"}})
        assert [asset.url for asset in callback.assets] == [URL + "/near"]
        assert "JSON inside a string" in callback.notes[0]


# --- a URL at any place ---

#: Names of results: not any spelling of a name that echoes the request, such as ``PROMPTJSON``.
names = (
    st.text(min_size=1, max_size=12) | st.sampled_from(["info", "response", "data", "resultUrls", "id", "0", "title"])
).filter(lambda name: not {squashed := re.sub(r"[\W_]+", "", name).lower(), f"{squashed}url"} & ECHOED)
files = st.integers(0, 10**6).map(lambda number: f"https://files.example/{number}")
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)


@st.composite
def bodies(draw: st.DrawFn, wrap: bool) -> tuple[dict[str, Any], str]:
    """Nest a URL below random names, lists and JSON in strings; with ``wrap``, also below an echoed name."""
    url = draw(files)
    value: Any = {draw(names) + "Url": url}
    steps = draw(st.lists(st.sampled_from(["object", "list", "text"]), min_size=0, max_size=7))
    echo_at = draw(st.integers(0, len(steps))) if wrap else None
    texts = 0
    for number, step in enumerate(steps):
        if number == echo_at:
            value = {draw(st.sampled_from(ECHOES)): value}
        if step == "object":
            value = {**draw(st.dictionaries(names, leaves, max_size=2)), draw(names): value}
        elif step == "list":
            value = [*draw(st.lists(leaves, max_size=2)), value]
        elif texts < MAX_NESTED_JSON and not isinstance(value, str):
            value, texts = json.dumps(value), texts + 1
    if echo_at == len(steps):
        value = {draw(st.sampled_from(ECHOES)): value}
    return {"code": 200, "taskId": "t", "outer": value}, url


@pytest.mark.slow
@given(bodies(wrap=False))
def test_a_result_below_random_names_is_archived_exactly_once(drawn: tuple[dict[str, Any], str]) -> None:
    body, url = drawn
    assets = parse_callback(parse_body(json.dumps(body))).assets
    assert [asset.url for asset in assets].count(url) == 1
    assert len({asset.key(KeyLayout()) for asset in assets}) == len(assets)
    assert all(is_safe_name(asset.stem) and is_safe_name(asset.track_id or "x") for asset in assets)


@pytest.mark.parametrize("echo", [*ECHOES, "call_back_url", "PARAM", "prompt-json"])
def test_an_echoed_input_inside_of_a_family_is_never_archived(echo: str, payload: Payload) -> None:
    separation = payload("separation_info_separate_vocal")
    separation["data"]["vocal_separation_info"] |= {echo: URL, "nested": {echo: {"audio_url": URL}}}
    job = payload("inferred_jobs_suno_generate")
    result = json.loads(job["data"]["resultJson"])
    result["data"][0] |= {echo: URL}
    job["data"]["resultJson"] = json.dumps(result | {echo: [URL]})
    recovery = payload("recovery")
    recovery["data"][0] |= {echo: URL}
    for body in (separation, job, recovery):
        assets = parse_callback(body).assets
        assert len(assets) > 1
        assert URL not in {asset.url for asset in assets}


@pytest.mark.slow
@given(bodies(wrap=True))
def test_a_url_below_random_names_in_an_echoed_input_is_never_archived(drawn: tuple[dict[str, Any], str]) -> None:
    body, url = drawn
    body["videoUrl"] = "https://files.example/result"
    assets = parse_callback(parse_body(json.dumps(body))).assets
    assert url not in {asset.url for asset in assets}
