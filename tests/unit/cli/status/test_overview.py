"""The line of ``stemvault status`` about transfers, and the reason why assets wait."""

from dataclasses import dataclass
from typing import cast

import pytest
from rich.console import Console

from app.cli.status.overview import show_transfers
from tests.conftest import MakeSettings
from workers.ledger.ledger import Ledger
from workers.liveness.signs_of_life import Fleet


@dataclass
class _Ledger:
    under_way: int
    waiting: int

    def transferring(self) -> int:
        return self.under_way

    def ready(self) -> dict[str, int]:
        return {"urgent": 0, "assets": self.waiting}


@pytest.mark.parametrize(
    ("under_way", "waiting", "explained"), [(16, 5, False), (14, 5, True), (14, 0, False)], ids=str
)
def test_status_explains_why_assets_wait_while_transfers_are_free(
    make_settings: MakeSettings, *, under_way: int, waiting: int, explained: bool
) -> None:
    console = Console(record=True, width=200)
    ledger = cast("Ledger", _Ledger(under_way, waiting))
    show_transfers(console, make_settings(TRANSFERS="8"), ledger, Fleet(workers=2, clocks=1, since_sweep=1.0))
    told = console.export_text()
    assert f"Transfers under way: {under_way} of 16 possible" in told
    assert ("at most 7 transfers from one source host" in told) == explained
