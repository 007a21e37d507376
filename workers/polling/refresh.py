"""Requests for fresh URLs: an asset's URL is dead, so the provider is asked for its task's files again.

The answer is recorded like a callback (``workers.polling``), and its URLs replace those of assets that are not
archived. A task is refreshed every five minutes at most, and twelve times in all (``workers.watching.watches``), so
that URLs which never work do not cause requests without end
(``test_urls_that_never_work_are_refreshed_a_limited_number_of_times``).
"""

from contextlib import nullcontext

from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.dispatch.queues import POLLS
from workers.provider.families import family_for

#: The source says that the URL is dead. Content networks lag, so the old URL is retried all the same.
_DEAD = frozenset({"gone"})
#: A dead URL can also have these effects: after so many attempts in a row with one of them, a fresh URL is requested.
_DOUBTFUL = frozenset({"refused", "truncated", "incomplete", "not_media", "empty"})
_DOUBTFUL_AFTER = 3


def is_dead(reason: str, streak: int) -> bool:
    """Tell whether ``streak`` attempts in a row that failed for ``reason`` call for a fresh URL."""
    return reason in _DEAD or (reason in _DOUBTFUL and streak >= _DOUBTFUL_AFTER)


def request_refresh(context: WorkerContext, task_id: str, *, is_last: bool = False) -> None:
    """Have the provider asked for fresh URLs of a task, if one is configured and the last refresh is long enough ago.

    Raises nothing: without a fresh URL the asset is retried with the old one. With ``is_last`` the asset is about to be
    given up, so redis-py's errors are raised, and its timer or its lease repeats the step
    (``test_an_asset_expires_only_when_its_fresh_url_has_been_requested``).
    """
    if not context.provider:
        return
    is_wanted = False
    with nullcontext() if is_last else contained("refresh"):
        family = family_for(context.ledger.family(task_id))
        is_wanted = context.watches.add(task_id, family.name if family else "", "refresh")
    if is_wanted:
        with contained("refresh"):
            context.wake_ups.send(POLLS, 1)
