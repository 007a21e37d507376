"""Separated audio, plain and with labels."""

from typing import Any

from config.layout import KeyLayout
from tests.conftest import Payload
from workers.callbacks import parse_callback


def keys(info: dict[str, Any], key: str = "vocal_separation_info") -> list[str]:
    callback = parse_callback({"code": 200, "data": {"task_id": "t", key: info}})
    assert callback.family == "separation"
    return sorted(asset.key(KeyLayout()).removeprefix("t/") for asset in callback.assets)


def piece(label: str, name: str) -> dict[str, Any]:
    return {"stem_type_group_name": label, "id": name, "audio_url": f"http://x/{name}.mp3", "duration": 3.5}


def test_both_names_of_the_object_mean_the_same(payload: Payload) -> None:
    info = payload("separation_split_stem")["data"]["vocal_removal_info"]
    assert keys(info, "vocal_removal_info") == keys(info) != []


def test_pieces_with_different_labels_have_no_folder() -> None:
    entries = [
        {"extract": piece("Lead Vocal", "a"), "remove": piece("Lead Vocal", "b")},
        {"extract": piece("Bass", "c")},
    ]
    assert keys({"origin_data": entries}) == ["t_bass.mp3", "t_lead_vocal.mp3", "t_without_lead_vocal.mp3"]


def test_where_two_pieces_would_get_one_name_the_id_becomes_the_folder() -> None:
    entries = [{"extract": piece("Synth", "a"), "remove": piece("Synth", "b")}, {"extract": piece("Synth", "c")}]
    assert keys({"origin_data": entries}) == ["a/t_synth.mp3", "c/t_synth.mp3", "t_without_synth.mp3"]


def test_pieces_that_stand_in_the_list_themselves_are_read_too() -> None:
    assert keys({"originData": [piece("Backing Vocals", "a"), piece("Vocals", "b")]}) == [
        "t_backing_vocals.mp3", "t_vocal.mp3",
    ]  # fmt: skip


def test_a_stem_that_is_named_by_field_and_by_label_is_one_file() -> None:
    assert keys({"vocal_url": "http://x/b.mp3", "origin_data": [piece("Vocals", "b")]}) == ["t_vocal.mp3"]


def test_malformed_origin_data_does_not_hide_other_files() -> None:
    for odd in (None, "x", {"extract": 1}, [None, "x", {"extract": "y", "remove": []}]):
        assert keys({"origin_data": odd, "fx_url": "http://x/fx.mp3"}) == ["t_fx.mp3"]
