"""Blocking calls with a time limit that the other side cannot extend.

Sockets have time limits; resolving a name, logging in or fetching credentials have none, or long ones.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Bounded:
    """Runs calls in threads of their own, at most ``at_once``, and waits ``seconds`` for each, its start included.

    A call beyond its limit goes on in its thread, and its result is dropped. While ``at_once`` calls are stuck, further
    calls fail after the same time, so stuck calls cannot pile up. Held by
    ``test_calls_that_never_end_time_out_and_use_at_most_the_allowed_threads``.
    """

    def __init__(self, seconds: float, *, at_once: int) -> None:
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(at_once)

    def call(self, work: Callable[[], Result], *, within: float | None = None) -> Result:
        """Return the result of ``work`` or raise its error. ``within`` is a shorter limit, in seconds.

        Raises ``TimeoutError`` when the time is over, and ``OSError`` where the system gives no thread.
        """
        seconds = self._seconds if within is None else within
        give_up_at = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise TimeoutError("too many calls wait already")
        results: list[Result] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                errors.append(error)
            finally:
                self._free.release()
                done.set()

        try:
            threading.Thread(target=run, daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._free.release()
            raise OSError(str(error)) from None
        if not done.wait(max(0.0, give_up_at - time.monotonic())):
            raise TimeoutError(f"no result within {seconds:.1f} s")
        if errors:
            raise errors[0]
        return results[0]
