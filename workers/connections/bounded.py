"""Calls that wait for somebody else, each with an end that somebody else cannot move.

Sockets have time limits, but resolving a name, logging in or fetching credentials have none, or long ones.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Bounded:
    """Runs calls in threads of their own, at most ``at_once``, and waits ``seconds`` for each, its start included.

    A call whose time is over goes on in its thread and nobody hears of its result. While that many are stuck, further
    calls fail after the same time, so stuck calls cannot pile up. Held by ``tests/unit/connections/test_bounded.py``.
    """

    def __init__(self, seconds: float, *, at_once: int) -> None:
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(at_once)

    def call(self, work: Callable[[], Result], *, within: float | None = None) -> Result:
        """Give what ``work`` gives or raise what it raises; ``within`` is for less time than as a rule.

        Raises ``TimeoutError`` when the time is over, and ``OSError`` where no thread can be had.
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
            except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
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
