"""What the fixtures take for known about moto is so."""

from collections.abc import Callable

import pytest

from tests.unit.bucket.test_store import write
from tests.unit.conftest import OF_MOTO
from tests.unit.reading import PART
from workers.bucket.guarantees import Guarantees, Learned
from workers.bucket.store import Store


@pytest.mark.parametrize("size", [1000, PART + 1])
def test_an_examination_of_moto_finds_what_the_fixtures_say(
    store: Store, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    found: list[Guarantees] = []
    ask = Learned.ask

    def note(self: Learned, examine: Callable[[], Guarantees]) -> Guarantees:
        found.append(ask(self, examine))
        return found[-1]

    monkeypatch.setattr(Learned, "ask", note)
    write(store, b"ID3" + bytes(size))
    assert found == [OF_MOTO]
