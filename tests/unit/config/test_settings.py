import pytest

from config.settings import Settings, SettingsError, load_settings
from tests.conftest import MakeSettings


def test_every_fault_is_named_at_once(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError) as raised:
        make_settings(
            REDIS_URL="http://nonsense",
            S3_BUCKET="",
            ALLOW_UNSIGNED="",
            RETENTION="a fortnight",
            PART_BYTES="1MiB",
            KEY_TEMPLATE="{task_id}_{stem}.{ext}",
            ALLOWED_ASSET_PORTS="80,http",
        )
    text = str(raised.value)
    wrong = (
        "REDIS_URL",
        "S3_BUCKET",
        "ALLOW_UNSIGNED",
        "RETENTION",
        "PART_BYTES",
        "KEY_TEMPLATE",
        "ALLOWED_ASSET_PORTS",
    )
    assert len(raised.value.faults) == len(wrong)
    assert all(f"STEMVAULT_{name}" in text for name in wrong)


def test_without_any_authentication_it_refuses_to_start_and_names_the_three_ways_out(
    make_settings: MakeSettings,
) -> None:
    with pytest.raises(SettingsError) as raised:
        make_settings(ALLOW_UNSIGNED="false")
    assert len(raised.value.faults) == 1
    for way in ("STEMVAULT_WEBHOOK_HMAC_KEYS", "STEMVAULT_CALLBACK_TOKEN", "STEMVAULT_ALLOW_UNSIGNED"):
        assert way in raised.value.faults[0]


@pytest.mark.parametrize("way", [{"WEBHOOK_HMAC_KEYS": "old,new"}, {"CALLBACK_TOKEN": "t"}, {"ALLOW_UNSIGNED": "true"}])
def test_any_one_way_of_authentication_is_enough(make_settings: MakeSettings, way: dict[str, str]) -> None:
    assert make_settings(**{"ALLOW_UNSIGNED": "false", **way})


def test_durations_sizes_and_lists_are_read_as_people_write_them(make_settings: MakeSettings) -> None:
    settings = make_settings(
        RETENTION="15d",
        STREAM_RETENTION="90 minutes",
        TRANSFER_TIMEOUT="30",
        PART_BYTES="16MiB",
        ALLOWED_ASSET_HOSTS="*.cdn.example, files.example",
        ALLOWED_ASSET_PORTS="*",
        WEBHOOK_HMAC_KEYS="old, new",
    )
    assert (settings.retention, settings.stream_retention, settings.transfer_timeout) == (1296000, 5400, 30)
    assert settings.part_bytes == 16 * 1024**2
    assert settings.allowed_asset_hosts == ("*.cdn.example", "files.example")
    assert settings.allowed_asset_ports is None
    assert [key.get_secret_value() for key in settings.webhook_hmac_keys] == ["old", "new"]


def test_no_secret_shows_in_repr_or_in_a_fault(make_settings: MakeSettings) -> None:
    settings = make_settings(
        REDIS_URL="redis://:hunter2@localhost/0", WEBHOOK_HMAC_KEYS="hunter3", CALLBACK_TOKEN="hunter4"
    )
    assert "hunter" not in repr(settings) + str(settings)
    with pytest.raises(SettingsError) as raised:
        make_settings(REDIS_URL="http://:hunter2@localhost/0")
    assert "hunter" not in str(raised.value)


def test_more_parts_than_s3_allows_are_refused(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="STEMVAULT_MAX_ASSET_BYTES"):
        make_settings(MAX_ASSET_BYTES="100GiB", PART_BYTES="8MiB")


def test_an_empty_environment_names_what_is_missing() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert [fault.split(" ")[0] for fault in raised.value.faults[:2]] == ["STEMVAULT_REDIS_URL", "STEMVAULT_S3_BUCKET"]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
@pytest.mark.parametrize("value", ["x", "-1", "0", "1.5", "9" * 30, "9" * 5000, "1 XiB", "[]", "x" * 100])
def test_no_fault_is_told_in_the_words_of_pydantic(make_settings: MakeSettings, name: str, value: str) -> None:
    told: list[str] = []
    try:
        make_settings(**{name.upper(): value})
    except SettingsError as error:
        told = error.faults
    foreign = ("Input", "should", "String", "Value error", "valid integer")
    assert [words for words in foreign if words in " ".join(told)] == []


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("S3_BUCKET", "ab", "must have at least 3 characters"),
        ("TRANSFERS", "many", "write a whole number, without a unit"),
        ("TRANSFERS", "0", "must be at least 1"),
        ("TRANSFERS", "1001", "must be at most 1000"),
        ("PART_BYTES", "1MiB", "must be at least 5 MiB (5242880 bytes)"),
        ("MAX_CALLBACK_BYTES", "0", "must be more than 0 bytes"),
        ("LEASE", "1", "must be at least 2 seconds"),
        ("RETENTION", "0", "must be more than 0 seconds"),
        ("ALLOWED_ASSET_PORTS", "80,99999", "write port numbers from 1 to 65535, separated by commas, or * to allow"),
        ("LOG_LEVEL", "loud", "write 'debug', 'info', 'warning' or 'error'"),
        ("PROVIDER_BASE_URL", "http:// host", "write the address of the provider's API without its path"),
    ],
)
def test_a_fault_says_what_to_write(make_settings: MakeSettings, name: str, value: str, fault: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make_settings(**{name: value})
    assert raised.value.faults[0].startswith(f"STEMVAULT_{name}: {fault}")
