"""A step that is repeated at intervals while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(step: Callable[[], object], *, every: float) -> Iterator[None]:
    """Call ``step`` in a thread of its own, each time after ``every`` seconds, until the block ends."""
    over = threading.Event()

    def keep_on() -> None:
        while not over.wait(every):
            step()

    thread = threading.Thread(target=keep_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
