"""The compact form of a record loses nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Payload
from workers.ledger.storage.stored_form import pack, unpack

MAX_SHARE = 0.65


@given(st.text(st.characters(codec="utf-8")), st.text(alphabet="abc-123", max_size=40))
def test_every_body_comes_back_as_it_was(body: str, task_id: str) -> None:
    assert unpack(pack(body, task_id), task_id) == body


@pytest.mark.parametrize("name", ["video", "music_complete", "separation_split_stem", "jobs_success"])
def test_a_documented_body_takes_much_less_than_its_length(payload: Payload, name: str) -> None:
    body = json.dumps(payload(name))
    assert len(pack(body, payload(name)["data"].get("task_id", ""))) < MAX_SHARE * len(body)


def test_a_body_packed_by_an_earlier_release_can_be_unpacked() -> None:
    # The dictionary is a part of the format: a change of it fails here and needs a new format number.
    packed = "Bi=1Y_LUea)z$(4"
    assert unpack(packed, "t1") == '{"code": 200, "msg": "success", "data": {"task_id": "t1"}}'
