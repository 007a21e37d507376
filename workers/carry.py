"""The transfers that one process has under way: as many as there is work, room and memory for.

One thread, the caller's, takes assets, and each gets a thread of its own while it is under way. So a process with
little to do has few threads, and one place decides what is begun: what expires first, but of each source host only its
share.
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
from workers.ledger.records import Lease
from workers.transfer.memory import Share

#: A process that has room looks for more so often, and calls others to what it leaves, in seconds.
LOOK_EVERY, CALL_EVERY = 0.2, 1.0


def carry(context: WorkerContext, queues: Sequence[str], shift: str) -> None:
    """Store what is ready in ``queues``, until nothing is ready and nothing is under way.

    Nothing is begun when the worker is ending. What goes wrong with an asset is recorded with it; where Redis is away,
    what is under way is carried to its end. The leases' owners begin with ``shift`` and a colon, so no two may have the
    same at a time.
    """
    hands = _Hands(context, queues, shift)
    while True:
        while hands.take():
            pass
        if hands.are_empty:
            break
        hands.wait()
    # The next to carry may be another process.
    context.memory.give_up_idle()


class _Hands:
    """What a process has in hand."""

    def __init__(self, context: WorkerContext, queues: Sequence[str], shift: str) -> None:
        self._context = context
        self._queues = queues
        self._owners = (f"{shift}:{number}" for number in itertools.count())
        self._hosts: dict[Share, str] = {}
        self._ended: SimpleQueue[Share] = SimpleQueue()
        self._calls_again_at = 0.0

    @property
    def are_empty(self) -> bool:
        return not self._hosts

    def take(self) -> bool:
        """Begin with what expires first, if there is something, and room for it; tell whether there was."""
        if self._context.is_ending() or len(self._hosts) == self._context.capacity.at_once:
            return False
        if not (share := self._context.memory.reserve()):
            return False
        lease = None
        with contained("take"):
            lease = self._take()
        if not lease:
            share.give_back()
            return False
        self._hosts[share] = lease.host
        try:
            threading.Thread(target=self._carry, args=(lease, share), name="transfer", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._carry(lease, share)
        return True

    def _take(self) -> Lease | None:
        lease = self._context.ledger.take(self._queues, next(self._owners), passing_over=self._full_hosts())
        if lease and lease.calls and time.monotonic() > self._calls_again_at:
            self._calls_again_at = time.monotonic() + CALL_EVERY
            with contained("call"):
                self._context.wake_ups.call(lease.calls, 1)
        return lease

    def _full_hosts(self) -> set[str]:
        """Name the source hosts that have their share of the transfers, or the same share of the memory."""
        capacity, memory = self._context.capacity, self._context.memory
        transfers = Counter(self._hosts.values())
        held: Counter[str] = Counter()
        for share, host in self._hosts.items():
            held[host] += share.promised
        most = memory.budget * capacity.per_host // capacity.at_once - memory.least
        return {host for host in transfers if transfers[host] >= capacity.per_host or held[host] > most}

    def _carry(self, lease: Lease, share: Share) -> None:
        """Store an asset, in a thread of its own."""
        try:
            with contained("archive"), share:
                archive(self._context, lease, share)
        finally:
            self._ended.put(share)

    def wait(self) -> None:
        """Wait until something in hand has ended, or it is time to look for more."""
        with suppress(Empty):
            del self._hosts[self._ended.get(timeout=LOOK_EVERY)]
