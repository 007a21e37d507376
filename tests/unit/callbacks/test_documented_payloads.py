"""Every documented payload has the expected family, stage, code and keys."""

import pytest

from config.layout import KeyLayout
from tests.conftest import PAYLOADS, Payload
from tests.unit.callbacks.documented import FAILURES, SPLIT, SUCCESSES, keys
from workers.callbacks import parse_callback


def test_every_payload_is_expected_here() -> None:
    assert {*SUCCESSES, *FAILURES} == {path.stem for path in PAYLOADS.glob("*.json")}


@pytest.mark.parametrize("name", SUCCESSES)
def test_each_success_has_its_family_stage_and_exactly_its_keys(payload: Payload, name: str) -> None:
    callback = parse_callback(payload(name))
    family, stage, code, expected = SUCCESSES[name]
    assert (callback.family, callback.stage, callback.code) == (family, stage, code)
    assert keys(callback) == sorted(expected)
    assert (callback.meaning, callback.message, callback.fail_code, callback.notes) == ("success", "", "", ())


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_says_what_failed_and_names_no_file(payload: Payload, name: str) -> None:
    callback = parse_callback(payload(name))
    family, code, message, fail_code = FAILURES[name]
    assert (callback.family, callback.stage, callback.code) == (family, "error", code)
    assert (callback.message, callback.fail_code, callback.assets) == (message, fail_code, ())


def test_an_unknown_stem_is_archived_under_its_name(payload: Payload) -> None:
    body = payload("separation_split_stem")
    body["data"]["vocal_removal_info"]["theremin_url"] = "http://origin.test/s/theremin.mp3"
    assert f"{SPLIT}/{SPLIT}_theremin.mp3" in {asset.key(KeyLayout()) for asset in parse_callback(body).assets}


def test_a_failure_that_names_files_names_them_all_the_same(payload: Payload) -> None:
    callback = parse_callback(payload("music_complete") | {"code": 500})
    assert callback.stage == "error"
    assert keys(callback) == sorted(SUCCESSES["music_complete"][3])
