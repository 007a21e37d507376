"""An asset is cut into parts, with and without memory to read ahead."""

import hashlib
import random
import threading
from collections.abc import Generator
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.unit.conftest import Clock
from tests.unit.reading import PART, reader, reservation
from workers.errors import LeaseLostError
from workers.transfer.parts import Body, Digest, Part, read_parts


@pytest.mark.parametrize("budget", [PART, 1024**3], ids=["one buffer", "two buffers"])
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART - 1, 3 * PART, 3 * PART + 1])
def test_every_size_is_cut_into_whole_parts_of_which_only_the_last_says_so(budget: int, size: int) -> None:
    content, digest = random.Random(size).randbytes(size), Digest()
    with reservation(budget) as memory:
        parts = [
            Part(memoryview(bytes(part.data)), part.is_last) for part in read_parts(reader(content), memory, digest)
        ]
    assert b"".join(part.data for part in parts) == content
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {len(part.data) for part in parts[:-1]} <= {PART}
    assert (digest.size, digest.sha256) == (size, hashlib.sha256(content).hexdigest())


def test_no_more_than_two_parts_are_ever_held() -> None:
    with reservation() as memory:
        seen = {id(part.data.obj) for part in read_parts(reader(bytes(7 * PART + 1)), memory, Digest())}
    assert len(seen) == 2


class Watched:
    """A source that signals when its second part is being read, and can be paused there."""

    def __init__(self) -> None:
        self.second = threading.Event()
        self.go_on = threading.Event()
        self.reads = 0
        self._came = 0

    def read_into(self, buffer: memoryview) -> int:
        if self._came > PART + 64 * 1024:
            self.second.set()
            assert self.go_on.wait(10)
        self.reads += 1
        self._came += (count := min(len(buffer), 64 * 1024))
        return count


@pytest.fixture
def source() -> Generator[Watched]:
    source = Watched()
    yield source
    source.go_on.set()


def test_the_next_part_is_read_while_the_last_one_is_in_use(source: Watched) -> None:
    with reservation() as memory:
        parts = read_parts(source.read_into, memory, Digest())
        next(parts)
        assert source.second.wait(10)
        source.go_on.set()
        next(parts)
        parts.close()


def test_no_thread_writes_to_a_buffer_after_its_reader_was_closed(source: Watched) -> None:
    with reservation() as memory:
        parts = read_parts(source.read_into, memory, Digest())
        next(parts)
        assert source.second.wait(10)
        threading.Timer(0.05, source.go_on.set).start()
        parts.close()
        reads = source.reads
    assert reads * 64 * 1024 < 2 * PART, "it was read on to the end of the part"


def test_an_error_while_reading_ahead_is_raised_by_the_request_for_the_next_part() -> None:
    read_into = reader(bytes(2 * PART))

    def fail_in_second(buffer: memoryview) -> int:
        if not (count := read_into(buffer)):
            raise LeaseLostError
        return count

    with reservation() as memory:
        parts = read_parts(fail_in_second, memory, Digest())
        assert not next(parts).is_last
        with pytest.raises(LeaseLostError):
            next(parts)


def test_a_send_ends_when_it_may_not_go_on() -> None:
    def lost() -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        Body(memoryview(b"x"), lost).read()


def test_a_fast_receiver_is_sent_larger_pieces_and_a_slow_one_is_sent_smaller_ones_again(clock: Clock) -> None:
    body = Body(memoryview(bytes(3 * 1024**2)), clock=clock)
    sizes = []
    for takes in [0.1, 0.9, 1.1, 20.0, 0.1, 0.1]:
        sizes.append(len(body.read()) // 1024)
        clock.time += takes
    assert sizes == [256, 1024, 1024, 256, 256, 256]  # the last one is the rest


def test_where_the_system_gives_no_more_threads_nothing_is_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    none_left = SimpleNamespace(start=Mock(side_effect=RuntimeError("can't start new thread")))
    monkeypatch.setattr("workers.transfer.parts.threading", SimpleNamespace(Thread=lambda **_: none_left))
    content = random.Random(1).randbytes(3 * PART + 1)
    with reservation() as memory:
        assert b"".join(bytes(part.data) for part in read_parts(reader(content), memory, Digest())) == content
