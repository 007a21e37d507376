"""Many transfers at a time in one process, as far as connections and memory allow.

The caller's thread takes assets from the ledger, and each transfer runs in a thread of its own. So an idle process has
few threads, and one thread decides which asset is next: the one with the earliest deadline, unless its source host has
its share of the transfers already.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from workers.archive import archive
from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.ledger.values.lease import Lease
from workers.transfer.memory import Reservation

#: Seconds between looks for more assets, and between wake-up messages for assets that this process leaves waiting.
LOOK_EVERY, CALL_EVERY = 0.2, 1.0


def carry(context: WorkerContext, queues: Sequence[str], owner_prefix: str) -> None:
    """Store the assets that are ready in ``queues``, until no asset is ready and no transfer is under way.

    No transfer is begun when the worker is ending. A fault of one asset is recorded with it and stops no other. If
    Redis is away, the transfers under way run to their end. The leases' owners begin with ``owner_prefix`` and a colon;
    no two processes may have the same prefix at a time.
    """
    transfers = _Transfers(context, queues, owner_prefix)
    while True:
        while transfers.begin():
            pass
        if transfers.all_ended:
            break
        transfers.wait()
    # Another process may carry next, so this one keeps no idle memory.
    context.memory.give_up_idle()


class _Transfers:
    """The transfers that a process has under way, each with its memory."""

    def __init__(self, context: WorkerContext, queues: Sequence[str], owner_prefix: str) -> None:
        self._context = context
        self._queues = queues
        self._owners = (f"{owner_prefix}:{number}" for number in itertools.count())
        #: The transfers under way: the memory of each, and its source host.
        self._hosts: dict[Reservation, str] = {}
        self._events: SimpleQueue[Reservation | None] = SimpleQueue()
        """A reservation whose transfer has ended, or None when a transfer has learned how much memory it needs."""
        self._calls_again_at = 0.0
        self._empty_search = _EmptySearch()

    @property
    def all_ended(self) -> bool:
        return not self._hosts

    def begin(self) -> bool:
        """Begin with the asset that has the earliest deadline; tell whether there was one, and room for it."""
        if self._context.is_ending() or len(self._hosts) == self._context.capacity.at_once:
            return False
        full = self._full_hosts()
        if self._empty_search.holds_for(full):
            return False
        if not (reservation := self._context.memory.reserve(on_fit=lambda: self._events.put(None))):
            return False
        lease = None
        with contained("take"):
            lease = self._take(full)
        if not lease:
            reservation.give_back()
            self._empty_search.found_for(full)
            return False
        self._hosts[reservation] = lease.host
        try:
            threading.Thread(target=self._carry, args=(lease, reservation), name="transfer", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._carry(lease, reservation)
        return True

    def _take(self, full: set[str]) -> Lease | None:
        lease = self._context.ledger.take(self._queues, next(self._owners), passing_over=full)
        if lease and lease.queue_to_wake and time.monotonic() > self._calls_again_at:
            self._calls_again_at = time.monotonic() + CALL_EVERY
            with contained("call"):
                self._context.wake_ups.send(lease.queue_to_wake, 1)
        return lease

    def _full_hosts(self) -> set[str]:
        """Name the source hosts that are at their limit of transfers or of memory.

        The tests are ``test_a_host_that_never_ends_has_its_share_and_others_pass`` and
        ``test_a_host_has_the_same_share_of_the_memory``.
        """
        capacity, memory = self._context.capacity, self._context.memory
        transfers = Counter(self._hosts.values())
        reserved: Counter[str] = Counter()
        for reservation, host in self._hosts.items():
            reserved[host] += reservation.promised
        most = memory.budget * capacity.per_host // capacity.at_once - memory.least
        return {host for host in transfers if transfers[host] >= capacity.per_host or reserved[host] > most}

    def _carry(self, lease: Lease, reservation: Reservation) -> None:
        """Store an asset; this runs in the transfer's own thread."""
        try:
            with contained("archive"), reservation:
                archive(self._context, lease, reservation)
        finally:
            self._events.put(reservation)

    def wait(self) -> None:
        """Wait until a transfer has ended or needs less memory, or until it is time to look for more assets."""
        with suppress(Empty):
            ended = self._events.get(timeout=LOOK_EVERY)
            while True:
                if ended:
                    del self._hosts[ended]
                ended = self._events.get_nowait()


class _EmptySearch:
    """Whether the ledger has just had no asset of hosts that are not full, so that it need not be asked again yet."""

    def __init__(self) -> None:
        self._full: set[str] = set()
        self._until = 0.0

    def found_for(self, full: set[str]) -> None:
        """Note that no asset was found when the hosts in ``full`` were passed over."""
        self._full, self._until = full, time.monotonic() + LOOK_EVERY

    def holds_for(self, full: set[str]) -> bool:
        """Tell whether an asset is unlikely to be found now, when the hosts in ``full`` are passed over."""
        return full >= self._full and time.monotonic() < self._until
