"""Heartbeats for the assets that a process holds. One thread renews all leases, even while transfers wait.

``test_a_lease_is_renewed``
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog
from redis.exceptions import RedisError

from workers.errors import HandedBackError, LeaseLostError
from workers.ledger.ledger import Ledger
from workers.ledger.values.lease import Lease

log = structlog.get_logger()

#: A lease is renewed when this fraction of it has passed.
_SHARE = 1 / 6


class Hold:
    """A transfer's lease on its asset, and the multipart upload that it has under way."""

    def __init__(self, ledger: Ledger, lease: Lease, must_stop: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._lease = lease
        self._must_stop = must_stop
        self._upload = ""
        self._lost = False
        # A heartbeat that began earlier must not register an upload again that has ended.
        self._renewing = threading.Lock()

    def alive(self) -> None:
        """Return if the transfer may go on, else raise ``LeaseLostError`` or ``HandedBackError``."""
        if self._must_stop():
            raise HandedBackError
        if self._lost:
            raise LeaseLostError(str(self._lease.id))

    def renew(self) -> None:
        """Renew the lease and the upload's registration. If Redis does not answer, the next heartbeat tries again."""
        with self._renewing, suppress(RedisError):
            try:
                self._ledger.heartbeat(self._lease, upload=self._upload)
            except LeaseLostError:
                self._lost = True

    def upload_began(self, upload: str) -> None:
        """Register an upload in place of the one before, so that the sweep aborts it if this worker dies."""
        with self._renewing:
            before, self._upload = self._upload, upload
            self._ledger.upload_began(upload, before=before)

    def upload_left(self) -> None:
        """Leave an upload to the sweep that could not be aborted."""
        with self._renewing:
            self._upload = ""

    def upload_ended(self) -> None:
        """Forget an upload that was completed or aborted."""
        with self._renewing:
            upload, self._upload = self._upload, ""
            self._ledger.upload_ended(upload)


class Heartbeats:
    """Renews the leases of all holds, each for at most ``longest`` seconds. After that its transfer counts as hanging.

    The thread runs while there is a hold. ``every`` is the interval in seconds, by default a sixth of the lease.
    """

    def __init__(self, ledger: Ledger, *, longest: float, every: float | None = None) -> None:
        self._ledger = ledger
        self._longest = longest
        self._every = ledger.lease_seconds * _SHARE if every is None else every
        self._holds: dict[Hold, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def held(self, lease: Lease, must_stop: Callable[[], bool]) -> Iterator[Hold]:
        """Renew the lease until the block ends. ``must_stop`` tells whether this process has to end."""
        hold = Hold(self._ledger, lease, must_stop)
        try:
            with self._lock:
                self._holds[hold] = time.monotonic() + self._longest
                if self._thread is None:
                    thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
                    thread.start()
                    self._thread = thread
            yield hold
        finally:
            with self._lock:
                del self._holds[hold]

    def _beat(self) -> None:
        while True:
            time.sleep(self._every)
            with self._lock:
                if not self._holds:
                    self._thread = None
                    return
                holds = [hold for hold, until in self._holds.items() if time.monotonic() < until]
            for hold in holds:
                try:
                    hold.renew()
                except Exception:
                    log.exception("heartbeat_failed")
