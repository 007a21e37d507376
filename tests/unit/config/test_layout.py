from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.layout import MAX_NAME_LENGTH, SAFE_CHARACTERS, KeyLayout, is_safe_name
from workers.callbacks.assets import Asset

#: Few letters, so that examples nearly collide; they include all separators that the templates use.
names = st.text("ab_.-*'", min_size=1, max_size=4).filter(is_safe_name)
assets = st.builds(
    Asset,
    task_id=names,
    track_id=st.none() | names,
    stem=names,
    ext=st.sampled_from(["mp3", "mp4", "wav", "jpeg", "png"]),
    url=st.just("http://origin.test/x"),
)
ACCEPTED = [
    "{task_id}/{track}{task_id}_{stem}.{ext}",
    "{task_id}/{track}{stem}.{ext}",
    "{track}{task_id}/{stem}.{ext}",
    "music/{task_id}/by={task_id}/{track}{task_id}.{stem}.{ext}",
    "{stem}/{task_id}/{track}x.{ext}",
    "{task_id}:{track}{stem}.{ext}",
]


@pytest.mark.slow
@given(assets, assets, st.sampled_from(ACCEPTED))
def test_two_different_assets_never_get_one_key(one: Asset, other: Asset, template: str) -> None:
    layout = KeyLayout(template)
    if one.id != other.id:
        assert one.key(layout) != other.key(layout)


@pytest.mark.slow
@given(assets, names, st.sampled_from(ACCEPTED))
def test_no_asset_gets_a_manifests_key(asset: Asset, task_id: str, template: str) -> None:
    layout = KeyLayout(template)
    assert asset.key(layout) != layout.manifest_key(task_id)


@pytest.mark.parametrize(
    "template",
    [
        "{task_id}_{stem}.{ext}",
        "{task_id}/{stem}.{ext}",
        "{track}{task_id}_{stem}.{ext}",
        "{task_id}{track}{stem}.{ext}",
        "{task_id}/{track}{stem}{ext}",
        "{task_id}/{track}{stem}",
        "{task_id}/{track}/{track}{stem}.{ext}",
        "/{task_id}/{track}{stem}.{ext}",
        "../{task_id}/{track}{stem}.{ext}",
        "_inbox/{task_id}/{track}{stem}.{ext}",
        "{task_id}/{track}{stem}.{ext",
        "{task_id!r}/{track}{stem}.{ext}",
        "{task_id}/{track}{stem}/{album}.{ext}",
        "",
    ],
)
def test_a_template_that_could_collide_or_leave_its_place_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        KeyLayout(template)


def test_the_refused_templates_really_collide() -> None:
    """The rule is not too strict: with these templates two assets do get one key."""
    ids = [name for length in (1, 2, 3) for name in map("".join, product("a_", repeat=length))]
    for template in ("{task_id}_{stem}.{ext}", "{track}{task_id}_{stem}.{ext}"):
        keys = [template.format(task_id=task, track="", stem=stem, ext="mp3") for task in ids for stem in ids]
        assert len(set(keys)) < len(keys)


def test_keys_that_s3_would_not_take_are_refused() -> None:
    long_folder = "x" * 600
    with pytest.raises(ValueError, match="1024"):
        KeyLayout(long_folder + "/{task_id}/{track}{task_id}_{stem}.{ext}")


@pytest.mark.parametrize("prefix", ["../up/", "a/../b/", "müsik/", "a\x00/", "a b/"])
def test_a_prefix_with_unsafe_characters_or_steps_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        KeyLayout(prefix=prefix)


def test_safe_names_are_s3s_safe_characters_and_no_steps_or_folders_of_ours() -> None:
    assert is_safe_name("2fac****9f72")
    assert is_safe_name("".join(sorted(SAFE_CHARACTERS)))
    assert is_safe_name("x" * MAX_NAME_LENGTH)
    for name in ("", "x" * (MAX_NAME_LENGTH + 1), ".", "..", "a/b", "a\\b", "a b", "a\x00", "ä", "_inbox", None, 7):
        assert not is_safe_name(name)
