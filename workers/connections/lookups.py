"""Name resolution within a time limit: a resolver's own limits are longer, and there is no socket yet to shut down."""

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from workers.connections.attempt import current_attempt
from workers.connections.bounded import Bounded

Result = TypeVar("Result")

#: Seconds for one lookup.
LOOKUP_SECONDS = 10.0
#: Lookups at a time. A lookup beyond its limit keeps its thread until the resolver gives up.
_AT_ONCE = 64

_lookups = Bounded(LOOKUP_SECONDS, at_once=_AT_ONCE)
# A forked process does not have the parent's threads.
os.register_at_fork(after_in_child=partial(_lookups.__init__, LOOKUP_SECONDS, at_once=_AT_ONCE))  # type: ignore[misc]


def looked_up(look_up: Callable[[], Result]) -> Result:
    """Resolve a name within ``LOOKUP_SECONDS``, or within the attempt's time if less is left.

    Raises ``TimeoutError``. Held by ``test_a_name_lookup_that_never_ends_is_cut_off``.
    """
    attempt = current_attempt()
    return _lookups.call(look_up, within=min(LOOKUP_SECONDS, attempt.left if attempt else LOOKUP_SECONDS))
