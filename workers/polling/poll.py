"""The story of polling: take a task and a turn → ask → record the answer like a callback → ask again later.

1. Take: a worker takes the watched task that has been due for the longest time, and one of the fleet's turns.
2. Ask: ``workers.provider`` asks for the task's state, within a limited time (``workers.polling.ask``).
3. Record: an answer that names files, or a failure, is turned into the body of a callback and recorded by
   ``workers.ingest``. A delivered callback and an answer with the same files change the ledger in the same way.
4. End the watch, if the task is settled, unknown to the provider, or given up: after POLL_GIVE_UP with an answer that
   the task is unfinished, and after twice that time without one.

Taking a watch sets the time of the next request. So a worker that dies leaves the task watched.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import structlog

from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.intake.fullness import INGRESS_STOPS
from workers.polling.ask import ask
from workers.watching.watches import Watch

log = structlog.get_logger()

#: The most requests that a worker has under way.
MAX_AT_ONCE = 8
#: A worker that has to wait longer than this many seconds for its next turn ends; the sweep wakes it again.
LINGER = 2.0


def poll(context: WorkerContext, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask about all watched tasks that are due, at the fleet's rate, until no more is due or the worker is ending.

    An error with one task is logged and does not stop the others. Raises redis-py's errors.
    """
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="poll") as threads:
        while not context.is_ending() and _has_room(context):
            if len(under_way) == MAX_AT_ONCE:
                under_way = _without_ended(under_way)
            taken = context.watches.take()
            if taken.watch:
                under_way.add(threads.submit(_ask_contained, context, taken.watch, sleep))
            elif taken.wait is not None and taken.wait <= LINGER:
                sleep(taken.wait)
            elif under_way:
                # An answer can make its task due again at once: the next family is asked.
                under_way = _without_ended(under_way)
            else:
                break


def _has_room(context: WorkerContext) -> bool:
    """Tell whether Redis has room for answers; they can wait, as callbacks cannot."""
    fullness = context.fullness()
    if fullness >= INGRESS_STOPS:
        log.warning("broker_full", fullness=round(fullness, 3), work="poll")
    return fullness < INGRESS_STOPS


def _without_ended(under_way: set[Future[None]]) -> set[Future[None]]:
    """Wait until a request has ended, and give the others."""
    return wait(under_way, return_when=FIRST_COMPLETED).not_done


def _ask_contained(context: WorkerContext, watch: Watch, sleep: Callable[[float], None]) -> None:
    with contained("poll"), structlog.contextvars.bound_contextvars(task_id=watch.task_id):
        is_answered = False
        try:
            is_answered = ask(context, watch, sleep=sleep)
            if is_answered:
                context.watches.answered(watch)
        finally:
            _give_up_if_over(context, watch, is_answered=is_answered)


def _give_up_if_over(context: WorkerContext, watch: Watch, *, is_answered: bool) -> None:
    """Give a task up that was asked about after its time, and is not finished.

    A task without an answer, or whose answer could not be recorded, is asked about again for as long again
    (``test_an_answer_after_a_day_that_cannot_be_recorded_is_asked_for_again``). A pause of days ends no watch
    (``test_a_pause_of_days_ends_no_watch_before_its_task_was_asked_about``).
    """
    over_at = watch.until if is_answered else watch.until + context.watches.give_up
    if context.now() < over_at or context.watches.turns.paused():
        return
    if context.watches.end(watch.task_id, "given_up", "unfinished", only=watch.purpose, since=watch.since):
        log.error("watched_task_given_up", family=watch.family, asked=watch.asked, purpose=watch.purpose)
