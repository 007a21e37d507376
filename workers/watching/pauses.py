"""The pause of all requests after a refusal that concerns all tasks, such as a wrong API key."""

import structlog

from workers.provider.errors import ProviderError
from workers.watching.turns import Turns

log = structlog.get_logger()


def pause_after(turns: Turns, error: ProviderError, *, sent_at: float) -> None:
    """Pause the requests about all tasks, and log a new reason once. Raises redis-py's errors.

    ``sent_at`` is the time of the refused request, in unix seconds by Redis's clock.
    """
    seconds, is_new = turns.pause(error.reason, error.detail, seconds=error.wait, sent_at=sent_at)
    if is_new:
        log.error("provider_paused", reason=error.reason, detail=error.detail, wait=round(seconds, 1))
