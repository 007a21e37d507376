"""The pause of all requests after a refusal that concerns all tasks, such as a wrong API key."""

import structlog

from workers.provider.errors import ProviderError, ProviderFaultError
from workers.watching.turns import Turns

log = structlog.get_logger()


#: A fault can be one task's own, such as an answer that never ends. After faults with so many different tasks in a row,
#: it counts as the provider's (``test_one_task_whose_requests_always_fail_keeps_no_other_waiting``).
_DIFFERENT_TASKS = 3


def pause_after(turns: Turns, error: ProviderError, *, sent_at: float, task_id: str = "") -> None:
    """Pause the requests about all tasks, and log a new reason once. Raises redis-py's errors.

    ``sent_at`` is the time of the refused request, in unix seconds by Redis's clock, and ``task_id`` its task.
    """
    different = _DIFFERENT_TASKS if isinstance(error, ProviderFaultError) else 1
    seconds, is_new = turns.pause(
        error.reason, error.detail, seconds=error.wait, sent_at=sent_at, task_id=task_id, different_tasks=different
    )
    if is_new:
        log.error("provider_paused", reason=error.reason, detail=error.detail, wait=round(seconds, 1))
