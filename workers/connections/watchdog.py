"""The thread that keeps the time of all attempts of a process."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress

#: Seconds that the thread stays with nothing to do: as a rule the next attempt begins soon.
_IDLE_SECONDS = 10.0


class Watchdog:
    """Calls functions at their times, from one thread that lives while there are calls to make."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, call: Callable[[], object]) -> Callable[[], None]:
        """Call a function after so many seconds; it must not block. Return the function that cancels the call.

        Raises ``RuntimeError`` where the system gives no thread; a later call tries again.
        """
        entry = (time.monotonic() + seconds, next(self._numbers), call)
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="hard-ends", daemon=True)
                thread.start()
                self._thread = thread
            heapq.heappush(self._due, entry)
            if self._due[0] is entry:
                self._changed.notify()

        def cancel() -> None:
            with self._changed, suppress(ValueError):
                self._due.remove(entry)
                heapq.heapify(self._due)

        return cancel

    def repeat(self, call: Callable[[], float], seconds: float) -> Callable[[], None]:
        """Call a function after so many seconds, then after as many as it returns, until it returns 0.

        Return the function that cancels the calls.
        """
        cancels: list[Callable[[], None]] = []
        is_wanted = True

        def call_again() -> None:
            if is_wanted and (seconds := call()):
                cancels[:] = [self.after(seconds, call_again)]

        def stop() -> None:
            nonlocal is_wanted
            is_wanted = False
            for cancel in cancels:
                cancel()

        cancels.append(self.after(seconds, call_again))
        return stop

    def _run(self) -> None:
        while True:
            with self._changed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    if not self._changed.wait(_IDLE_SECONDS if wait is None else wait) and not self._due:
                        self._thread = None
                        return
                    continue
                _, _, call = heapq.heappop(self._due)
            call()
