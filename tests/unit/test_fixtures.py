"""The fixtures know moto rightly, and leave nothing of one test to the next."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from tests.unit.bucket.test_store import write
from tests.unit.compiled_scripts import Compiling
from tests.unit.conftest import OF_MOTO, TimedRedis, without_new_handlers
from tests.unit.reading import PART
from workers.bucket.guarantees import Guarantees, Learned
from workers.bucket.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


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


def test_the_next_test_has_a_client_as_new(store: Store, s3_client: "S3Client") -> None:
    asked: list[str] = []
    with without_new_handlers(s3_client):
        s3_client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
        store.read_text("k")
        assert asked == ["GetObject"]
    store.read_text("k")
    assert asked == ["GetObject"]


def test_a_script_is_compiled_once(redis: TimedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    to_compile = Compiling.compile

    def note(self: Compiling, code: object) -> object:
        compiled.append(code)
        return to_compile(self, code)

    monkeypatch.setattr(Compiling, "compile", note)
    script = "return {KEYS[1], redis.call('INCR', ARGV[1])}"
    assert [redis.eval(script, 1, key, "n") for key in "ab"] == [["a", 1], ["b", 2]]
    assert compiled.count(script.encode()) == 1


def test_a_script_that_sets_a_global_is_refused(redis: TimedRedis) -> None:
    with pytest.raises(ResponseError, match="global"):
        redis.eval("found = redis.call('GET', 'k')", 0)
