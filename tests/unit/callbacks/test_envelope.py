"""The envelope of every callback: strict JSON, a task id in one of four places, and a code."""

from typing import Any

import pytest

from workers.callbacks import parse_body, task_id_of
from workers.callbacks.envelope import code_of
from workers.errors import UnreadableCallbackError


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 100_000, "too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"9" * 5000, "digits"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no task id"),
        (b'{"data": []}', "no task id"),
        (b'{"data": null}', "no task id"),
        (b'{"data": [{"task_id": "t"}]}', "no task id"),
        (b'{"data": {}}', "no task id"),
        (b'{"data": {"task_id": 7}}', "not usable"),
        (b'{"data": {"task_id": ""}}', "not usable"),
        (b'{"data": {"task_id": "../../etc"}}', "not usable"),
        (b'{"task_id": "../../etc"}', "not usable"),
        (b'{"taskId": [], "data": {"taskId": 7}}', "not usable"),
        (b'{"data": {"task_id": "one", "taskId": "two"}}', "two different task ids"),
        (b'{"task_id": "one", "data": {"task_id": "two"}}', "two different task ids"),
        (b'{"taskId": "one", "task_id": "two", "data": null}', "two different task ids"),
        (b'{"data": {"task_id": ".."}}', "not usable"),
        (b'{"data": {"task_id": "_inbox"}}', "not usable"),
        (b'{"data": {"task_id": "a\\u0000b"}}', "not usable"),
        (b'{"data": {"task_id": "\\ud800"}}', "not usable"),
        (b'{"data": {"task_id": "' + b"x" * 129 + b'"}}', "not usable"),
    ],
)
def test_what_cannot_be_read_gets_an_error_that_says_why(body: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableCallbackError, match=complaint):
        task_id_of(parse_body(body))


@pytest.mark.parametrize(
    "payload",
    [
        {"data": {"task_id": "t"}},
        {"data": {"taskId": "t"}},
        {"task_id": "t"},
        {"taskId": "t", "data": None},
        {"task_id": "t", "data": [{"id": "other"}]},
        {"task_id": "t", "taskId": "t", "data": {"task_id": "t", "taskId": "t"}},
        {"task_id": "", "taskId": None, "data": {"taskId": "t"}},
        {"task_id": {"odd": 1}, "data": {"taskId": "t"}},
        {"task_id": "t", "data": "text"},
    ],
)
def test_the_task_id_is_found_in_each_of_its_four_places(payload: dict[str, Any]) -> None:
    assert task_id_of(payload) == "t"


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (200, 200),
        ("200", 200),
        (200.0, 200),
        (0, 0),
        (None, None),
        (True, None),
        ("", None),
        ("2e2", None),
        ([], None),
        (-1, None),
        (1.5, None),
    ],
)
def test_a_code_is_a_number_or_digits_and_nothing_else(code: object, number: int | None) -> None:
    assert code_of({"code": code}) == number


@pytest.mark.parametrize("code", ["1e999", "9" * 400, '"' + "9" * 400 + '"', '"٣"'])
def test_an_implausible_code_is_ignored(code: str) -> None:
    assert code_of(parse_body(f'{{"code": {code}}}')) is None
