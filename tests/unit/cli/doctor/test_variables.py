"""Warnings of ``stemvault doctor`` about valid settings that are probably not meant."""

import pytest

from app.cli.doctor.variables import examine_settings
from tests.conftest import MakeSettings


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"LOW_SPEED_TIME": "2h", "TRANSFER_TIMEOUT": "1h"}, ["low_speed_time"]),
        ({"LOW_SPEED_TIME": "1h", "TRANSFER_TIMEOUT": "1h"}, []),
        ({"TRANSFERS": "8", "MAX_TRANSFERS_PER_HOST": "9"}, ["max_transfers_per_host"]),
        ({"TRANSFERS": "8", "MAX_TRANSFERS_PER_HOST": "8"}, []),
        ({"TRANSFERS": "8"}, []),
    ],
)
def test_a_limit_that_another_limit_makes_useless_gets_a_warning(
    make_settings: MakeSettings, settings: dict[str, str], names: list[str]
) -> None:
    found = list(examine_settings(make_settings(CALLBACK_TOKEN="t" * 16, **settings)))
    assert [each.name for each in found] == names
    assert all(each.verdict == "warn" for each in found)
