"""A worker that hears nothing though there is something to hear ends itself, and its supervisor starts another.

Celery 5.7 with kombu 5.7 can go deaf when Redis is restarted several times within seconds: the process
lives, answers pings, and takes no message any more. It then holds nothing, so ending it costs nothing.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

#: How long messages may wait while the worker is idle and takes none.
PATIENCE = 20.0
INTERVAL = 5.0


class Watchdog:
    """Looks whether the worker hears. ``waiting`` counts messages in its queues, ``busy`` tasks that it works on."""

    def __init__(
        self,
        waiting: Callable[[], int],
        busy: Callable[[], int],
        end: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = waiting
        self._busy = busy
        self._end = end
        self._monotonic = monotonic
        self._content_at = monotonic()

    def heard(self) -> None:
        """Note that the worker has taken a message."""
        self._content_at = self._monotonic()

    def look(self) -> None:
        """End the worker if it has been idle and deaf for too long."""
        try:
            deaf = self._waiting() > 0 and not self._busy()
        except RedisError:
            deaf = False  # nobody hears anything now
        if not deaf:
            self._content_at = self._monotonic()
        elif self._monotonic() - self._content_at > PATIENCE:
            log.critical("worker_deaf", patience=PATIENCE)
            self._end()

    def run(self) -> None:
        """Look again and again, in a thread that ends with the process."""

        def keep_looking() -> None:
            while True:
                time.sleep(INTERVAL)
                self.look()

        threading.Thread(target=keep_looking, name="watchdog", daemon=True).start()


def end_this_worker() -> None:
    """Shut down warmly; hard if that comes to nothing, since whoever is deaf may also hang."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * INTERVAL)
    os.kill(os.getpid(), signal.SIGKILL)
