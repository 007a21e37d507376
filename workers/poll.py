"""The story of polling: take a task and a turn → ask → record the answer like a callback → ask again later.

1. Take: a worker takes the watched task that has been due for the longest time, and one of the fleet's turns.
2. Ask: ``workers.provider`` asks for the task's state, within a limited time.
3. Record: an answer that names files, or a failure, is turned into the body of a callback and recorded by
   ``workers.ingest``. A delivered callback and an answer with the same files change the ledger in the same way.
4. Ask again later, or end the watch: the task is settled, unknown to the provider, or given up after POLL_GIVE_UP.

A worker that dies leaves the task watched: it is due again after the interval.
"""

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

import structlog

from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.errors import StemvaultError
from workers.fresh_urls import with_fresh_urls
from workers.ingest import ingest
from workers.provider.answers import Answer
from workers.provider.errors import NotOfferedError, ProviderError, RefusedError
from workers.provider.families import ASKING_ORDER, FAMILIES, PolledFamily, State
from workers.recording.record import read_callback
from workers.watching.pauses import pause_after
from workers.watching.schedule import next_interval
from workers.watching.watches import Watch

log = structlog.get_logger()

#: The most requests that a worker has under way.
MAX_AT_ONCE = 8
#: A worker that has to wait longer than this many seconds for its next turn ends; the sweep wakes it again.
LINGER = 2.0
#: The provider may know a task only some seconds after it was submitted. A watched task that it does not know after
#: this many seconds does not exist.
_MAY_BE_UNKNOWN = 600.0


def poll(context: WorkerContext, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask about all watched tasks that are due, at the fleet's rate, until no more is due or the worker is ending.

    An error with one task is logged and does not stop the others. Raises redis-py's errors.
    """
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="poll") as threads:
        while not context.is_ending():
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


def _without_ended(under_way: set[Future[None]]) -> set[Future[None]]:
    """Wait until a request has ended, and give the others."""
    return wait(under_way, return_when=FIRST_COMPLETED).not_done


def _ask_contained(context: WorkerContext, watch: Watch, sleep: Callable[[float], None]) -> None:
    with contained("poll"), structlog.contextvars.bound_contextvars(task_id=watch.task_id):
        ask(context, watch, sleep=sleep)


def ask(context: WorkerContext, watch: Watch, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask about one task that was taken, and act on the answer. Idempotent.

    Raises redis-py's errors, and the errors of ``ingest``; then the task is asked about again later, or given up.
    """
    if not context.provider:
        return
    family = _family_of(watch)
    try:
        answer = context.provider.ask(family, watch.task_id)
    except ProviderError as error:
        if error.for_all:
            pause_after(context.watches.turns, error, sent_at=watch.asked_at)
            return
        _answered(context, watch)
        _refused(context, watch, family, error)
        return
    _answered(context, watch)
    log.info("provider_answered", family=family.name, state=answer.state, asked=watch.asked)
    if answer.state is State.UNKNOWN:
        _unknown(context, watch, family, "unknown_task")
        return
    if not watch.family:
        context.watches.found_family(watch.task_id, family.name)
    _act(context, watch, answer, sleep)


def _family_of(watch: Watch) -> PolledFamily:
    """Give the family to ask for: the task's, or the first one that has not been tried."""
    if watch.family in FAMILIES:
        return FAMILIES[watch.family]
    return next((family for family in ASKING_ORDER if family.name not in watch.tried), ASKING_ORDER[0])


def _answered(context: WorkerContext, watch: Watch) -> None:
    """End the pause of all requests, if there is one."""
    if reason := context.watches.turns.resume(sent_at=watch.asked_at):
        log.info("provider_answers_again", reason=reason)


def _refused(context: WorkerContext, watch: Watch, family: PolledFamily, error: ProviderError) -> None:
    """Act on a refusal that concerns one task."""
    if isinstance(error, NotOfferedError | RefusedError):
        _unknown(context, watch, family, error.reason)
        return
    log.warning("provider_failed", family=family.name, reason=error.reason, detail=error.detail)
    _ask_later(context, watch)


def _unknown(context: WorkerContext, watch: Watch, family: PolledFamily, reason: str) -> None:
    """Ask for the next family, or end the watch: the provider does not know the task in this family."""
    if not watch.family and len(watch.tried) + 1 < len(ASKING_ORDER):
        context.watches.not_of_family(watch, family.name)
    elif watch.purpose == "watch" and context.now() < watch.since + _MAY_BE_UNKNOWN:
        context.watches.try_all_families(watch.task_id)
        _ask_later(context, watch)
    elif context.watches.end(watch.task_id, "gone", reason):
        # A person is waiting for a task that was registered; a backfill reports its own.
        level = logging.ERROR if watch.purpose == "watch" else logging.WARNING
        log.log(level, "watched_task_unknown", family=watch.family, reason=reason, purpose=watch.purpose)


def _act(context: WorkerContext, watch: Watch, answer: Answer, sleep: Callable[[float], None]) -> None:
    """Record an answer, and end the watch if it is the last one."""
    if answer.body is not None:
        try:
            body = with_fresh_urls(context, answer.body, sleep=sleep) if answer.state is State.DONE else answer.body
            _record(context, json.dumps(body, ensure_ascii=False))
        except Exception:
            _ask_later(context, watch)
            raise
    if answer.state is State.DONE:
        context.watches.end(watch.task_id, "settled")
    elif answer.state is State.FAILED:
        context.watches.end(watch.task_id, "failed")
    elif watch.purpose == "refresh":
        context.watches.end(watch.task_id, "settled", "still_running")
    else:
        _ask_later(context, watch)


def _record(context: WorkerContext, body: str) -> None:
    """Record an answer like a callback, unless the same one is recorded already. Raises the errors of ``ingest``."""
    with suppress(StemvaultError):
        if context.ledger.has_recorded(read_callback(context, body), body.encode()):
            return
    ingest(context, body, context.now())


def _ask_later(context: WorkerContext, watch: Watch) -> None:
    """Ask again after an interval that grows with the watch's age, or give the task up."""
    now = context.now()
    if now < watch.until:
        context.watches.postpone(watch.task_id, next_interval(now - watch.since, interval=context.watches.interval))
    elif context.watches.end(watch.task_id, "given_up", "unfinished"):
        log.error("watched_task_given_up", family=watch.family, asked=watch.asked, purpose=watch.purpose)
