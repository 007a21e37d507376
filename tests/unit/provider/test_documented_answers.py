"""Every documented answer is read as the table says, and the document has the same table."""

from pathlib import Path

import pytest

from tests.unit.provider.documented import RECORD_INFO, RECORDS, read, record, table, task_of
from workers.callbacks import parse_callback
from workers.provider.answers import read_answer
from workers.provider.families import ASKING_ORDER, FAMILIES

DOCUMENT = Path(__file__).parents[3] / "docs/polling.md"


def test_every_answer_is_expected_here() -> None:
    assert set(RECORDS) == {path.stem for path in RECORD_INFO.glob("*.json")}


@pytest.mark.parametrize("name", RECORDS)
def test_each_answer_has_its_state_and_exactly_its_files(name: str) -> None:
    family, state, files = RECORDS[name]
    assert read(FAMILIES[family], record(name)) == (state, files)


def test_the_document_has_the_table_of_answers() -> None:
    assert table() in DOCUMENT.read_text()


@pytest.mark.parametrize("family", ASKING_ORDER, ids=lambda family: family.name)
def test_a_task_that_the_provider_does_not_know_is_unknown_in_every_family(family: object) -> None:
    assert read(family, record("unknown_task")) == ("unknown", "")  # type: ignore[arg-type]  # parametrized


@pytest.mark.parametrize("name", [name for name, (_, state, _) in RECORDS.items() if state == "failed"])
def test_each_failure_is_an_error_with_the_providers_code_and_words(name: str) -> None:
    family, payload = FAMILIES[RECORDS[name][0]], record(name)
    body = read_answer(family, payload, task_of(payload)).body
    assert body
    callback = parse_callback(body)
    data = payload["data"] if isinstance(payload["data"], dict) else {}
    assert callback.stage == "error"
    assert callback.message == (data.get("errorMessage") or data.get("failMsg") or payload["msg"])
    assert str(data.get("errorCode") or data.get("failCode") or 500) in {str(callback.code), callback.fail_code}
