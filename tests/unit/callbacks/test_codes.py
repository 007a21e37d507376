"""The meanings of the provider's codes."""

import pytest

from tests.conftest import Payload
from workers.callbacks import parse_callback


def test_a_refunded_failure_says_so(payload: Payload) -> None:
    assert "credits refunded" in parse_callback(payload("music_error_531")).meaning


@pytest.mark.parametrize("code", [400, 401, 402, 408, 413, 422, 429, 433, 451, 455, 500, 501, 505, 531])
def test_each_code_of_both_hosts_has_a_meaning(code: int) -> None:
    assert "not document" not in parse_callback({"code": code, "task_id": "t"}).meaning


def test_a_code_on_which_the_hosts_differ_says_both() -> None:
    meaning = parse_callback({"code": 429, "task_id": "t"}).meaning
    assert "credits" in meaning
    assert "too often" in meaning
