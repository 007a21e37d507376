"""The buffers of a process never exceed the budget, and a transfer that has begun always has enough memory."""

import random

import pytest

from config.settings import MAX_PARTS, MIN_PART_BYTES
from tests.conftest import MakeSettings
from workers.transfer.capacity import Capacity, carrying_processes
from workers.transfer.memory import Reservation, TransferMemory, rounded

MIB = 1024**2
PART = 8 * MIB


@pytest.fixture
def memory() -> TransferMemory:
    return TransferMemory(124 * MIB, PART)


def begun(memory: TransferMemory, announced: int | None) -> Reservation:
    """Begin a transfer of a file of so many bytes, and read some of it."""
    reservation = memory.reserve()
    assert reservation
    reservation.fit(announced)
    reservation.first()
    return reservation


@pytest.mark.parametrize(
    ("announced", "size"),
    [
        (0, 64 * 1024),
        (64 * 1024, 64 * 1024),
        (300_000, MIB),
        (4_000_000, 4 * MIB),
        (4 * MIB, 4 * MIB),
        (10**9, PART),
        (None, PART),
    ],
)
def test_a_transfer_takes_as_much_as_its_file_needs_and_a_part_at_most(
    memory: TransferMemory, announced: int | None, size: int
) -> None:
    reservation = begun(memory, announced)
    assert (memory.promised, len(reservation.first()) >= min(size, announced or 0)) == (size, True)


def test_thirty_one_files_of_four_megabytes_have_their_memory_at_once(memory: TransferMemory) -> None:
    reservations = [begun(memory, 4_000_000) for _ in range(30)]
    assert memory.promised == 120 * MIB
    assert memory.reserve() is None  # 4 MiB are left, and a transfer needs 5 to begin
    with reservations.pop():
        pass
    assert memory.reserve()


def test_transfers_that_read_ahead_leave_memory_for_others_to_start(memory: TransferMemory) -> None:
    reservations = []
    while reservation := memory.reserve():
        reservation.fit(10**9)
        reservation.first()
        reservation.second()
        reservations.append(reservation)
    assert len(reservations) > 10
    assert memory.promised <= memory.budget


def test_memory_is_never_beyond_its_budget_and_all_of_it_comes_back() -> None:
    memory, chance, reservations = TransferMemory(40 * MIB, PART), random.Random(1), []
    for _ in range(500):
        if reservation := memory.reserve():
            reservation.fit(chance.choice([None, 10, 10**5, 10**6, 4 * 10**6, 10**8]))
            reservation.first()
            if chance.random() < 0.5:
                reservation.second()
            reservations.append(reservation)
        if not reservation or chance.random() < 0.3:
            reservations.pop(chance.randrange(len(reservations))).give_back()
        assert memory.promised <= memory.budget
        assert memory.allocated <= memory.budget
    for reservation in reservations:
        reservation.give_back()
    assert (memory.promised, memory.allocated <= memory.budget) == (0, True)
    memory.give_up_idle()
    assert memory.allocated == 0


def test_a_large_asset_has_no_more_parts_than_s3_allows(make_settings: MakeSettings) -> None:
    settings = make_settings(MAX_ASSET_BYTES="100GiB", PART_BYTES="16MiB")
    capacity = Capacity.of(settings, 2)
    memory = TransferMemory(capacity.memory, settings.part_bytes, least=capacity.least_part)
    while reservation := memory.reserve():
        reservation.fit(settings.max_asset_bytes)
        assert settings.max_asset_bytes / len(reservation.first()) <= MAX_PARTS


def test_a_workers_processes_have_its_transfers_and_its_memory_together(make_settings: MakeSettings) -> None:
    settings = make_settings()
    for wanted in (1, 2, 3, 4, 1000):
        processes = carrying_processes(settings, wanted)
        capacity = Capacity.of(settings, processes)
        assert 60 < processes * capacity.at_once <= 64
        assert processes * capacity.memory + settings.part_bytes <= settings.transfer_memory
        assert capacity.memory >= settings.part_bytes
        assert 1 <= capacity.per_host <= capacity.at_once
        assert processes * capacity.per_host <= 56
    assert Capacity.of(settings, 2).per_host == 28
    assert Capacity.of(make_settings(TRANSFERS="1"), 1).per_host == 1
    few = make_settings(MAX_TRANSFERS_PER_HOST="3")
    assert carrying_processes(few, 4) * Capacity.of(few, carrying_processes(few, 4)).per_host == 3


def test_a_buffer_is_used_again(memory: TransferMemory) -> None:
    with begun(memory, 10**9) as reservation:
        first = reservation.second()
        assert first
    assert memory.allocated == 2 * PART
    with begun(memory, 10**9) as reservation:
        assert reservation.second()
        assert memory.allocated == 2 * PART


def test_a_budget_below_one_part_is_refused() -> None:
    with pytest.raises(ValueError, match="least part"):
        TransferMemory(MIN_PART_BYTES - 1, PART)


def test_buffers_are_at_least_as_large_as_what_they_are_for() -> None:
    assert all(rounded(size) >= size for size in [1, 65536, 65537, MIB, MIB + 1, 5 * MIB])
