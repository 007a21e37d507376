"""What the fixtures take for known about moto is so."""

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
    monkeypatch.setattr(Learned, "ask", lambda self, examine: found.append(ask(self, examine)) or found[-1])
    write(store, b"ID3" + bytes(size))
    assert found == [OF_MOTO]
