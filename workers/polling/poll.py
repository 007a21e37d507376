"""The story of polling: take a task and a turn → ask → record the answer like a callback → ask again later.

1. Take: a worker takes the watched task that has been due for the longest time, and one of the fleet's turns.
2. Ask: ``workers.provider`` asks for the task's state, within a limited time.
3. Record: an answer that names files, or a failure, is turned into the body of a callback and recorded by
   ``workers.ingest``. A delivered callback and an answer with the same files change the ledger in the same way.
4. End the watch, if the task is settled, unknown to the provider, or given up after POLL_GIVE_UP.

Taking a watch sets the time of the next request. So a worker that dies leaves the task watched.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import structlog

from workers.callbacks import Callback
from workers.callbacks.assets import Asset
from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.errors import StemvaultError
from workers.ingest import ingest
from workers.intake.fullness import INGRESS_STOPS
from workers.ledger.tasks import STAGE_RANK
from workers.ledger.values.records import AssetRecord
from workers.polling.fresh_urls import with_fresh_urls
from workers.provider.answers import Answer
from workers.provider.errors import NotOfferedError, ProviderError, ProviderFaultError, RefusedError
from workers.provider.families import ASKING_ORDER, FAMILIES, PolledFamily, State
from workers.provider.writing import text_of
from workers.recording.record import read_callback
from workers.watching.pauses import pause_after
from workers.watching.watches import SHARE_OF_AGE, Purpose, Watch

log = structlog.get_logger()

#: The most requests that a worker has under way.
MAX_AT_ONCE = 8
#: A worker that has to wait longer than this many seconds for its next turn ends; the sweep wakes it again.
LINGER = 2.0
#: A task does not exist if the provider does not know it so many times in a row. One of which a callback came exists.
_ROUNDS: dict[Purpose, int] = {"watch": 3, "backfill": 2, "reconcile": 3, "dead_letter": 1}
#: The provider may know a task only some time after it was submitted, in seconds.
_MAY_BE_UNKNOWN = 600.0
#: Seconds until a task without a family is asked about in all families again.
_BETWEEN_ROUNDS = 300.0


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
        try:
            ask(context, watch, sleep=sleep)
        finally:
            _give_up_if_over(context, watch)


def ask(context: WorkerContext, watch: Watch, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask about one task that was taken, and act on the answer. Idempotent.

    Raises redis-py's errors, and the errors of ``ingest``.
    """
    if not context.provider:
        return
    family = _family_of(watch)
    try:
        answer = context.provider.ask(family, watch.task_id)
    except ProviderError as error:
        _refused(context, watch, family, error)
        return
    _answered(context, watch)
    log.info("provider_answered", family=family.name, state=answer.state, asked=watch.asked)
    if answer.note:
        log.warning("provider_answer_unclear", family=family.name, note=answer.note)
    if answer.state is State.UNKNOWN:
        _unknown(context, watch, family, "unknown_task")
    elif not (answer.is_certain or watch.family):
        _next_family(context, watch, family, doubtful=True)
    else:
        _known(context, watch, family)
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
    """Act on a refusal: of all requests, or of those about this task."""
    if error.for_all:
        pause_after(context.watches.turns, error, sent_at=watch.asked_at, task_id=watch.task_id)
    else:
        _answered(context, watch)
    if isinstance(error, NotOfferedError | RefusedError):
        _unknown(context, watch, family, error.reason)
    elif isinstance(error, ProviderFaultError):
        log.warning("provider_failed", family=family.name, reason=error.reason, detail=error.detail)
        if not watch.family:
            _next_family(context, watch, family, doubtful=True)


def _known(context: WorkerContext, watch: Watch, family: PolledFamily) -> None:
    """Note that the provider knows the task, in this family."""
    if not (watch.exists and watch.family) or watch.unknown:
        context.watches.exists(watch, family.name)


def _unknown(context: WorkerContext, watch: Watch, family: PolledFamily, reason: str) -> None:
    """Act on an answer that the provider does not know the task in this family."""
    if not watch.family:
        _next_family(context, watch, family)
    else:
        _count_unknown(context, watch, reason)


def _next_family(context: WorkerContext, watch: Watch, family: PolledFamily, *, doubtful: bool = False) -> None:
    """Have the next family asked. After the last one, the task is unknown, if all answers were clear."""
    if len(watch.tried) + 1 < len(ASKING_ORDER):
        context.watches.not_of_family(watch, family.name, doubtful=doubtful)
        return
    if (context.now() - watch.since) * SHARE_OF_AGE < _BETWEEN_ROUNDS:
        context.watches.postpone(watch.task_id, _BETWEEN_ROUNDS)
    context.watches.unknown(watch, watch.unknown)
    if not (watch.doubtful or doubtful):
        _count_unknown(context, watch, "unknown_task")


def _count_unknown(context: WorkerContext, watch: Watch, reason: str) -> None:
    """Count that the provider does not know the task; after enough times in a row, end the watch."""
    times = watch.unknown + 1
    if watch.purpose == "refresh":
        context.watches.end(watch.task_id, "settled", reason, only="refresh")
        return
    if watch.exists or context.ledger.knows(watch.task_id):
        log.warning("provider_does_not_know_task", family=watch.family, reason=reason)
        return
    may_come = watch.purpose == "watch" and context.now() < watch.since + _MAY_BE_UNKNOWN
    if times < _ROUNDS.get(watch.purpose, 1) or may_come:
        context.watches.unknown(watch, times)
    elif context.watches.end(watch.task_id, "gone", reason, only=watch.purpose):
        # A person is waiting for a task that was registered; a backfill reports its own.
        level = logging.ERROR if watch.purpose == "watch" else logging.WARNING
        log.log(level, "watched_task_unknown", family=watch.family, reason=reason, purpose=watch.purpose)


def _act(context: WorkerContext, watch: Watch, answer: Answer, sleep: Callable[[float], None]) -> None:
    """Record an answer, and end the watch if it is the last one."""
    if answer.body is not None:
        is_done = answer.state is State.DONE
        _record(context, with_fresh_urls(context, answer.body, sleep=sleep) if is_done else answer.body)
    if answer.state is State.DONE:
        context.watches.end(watch.task_id, "settled")
    elif answer.state is State.FAILED:
        context.watches.end(watch.task_id, "failed")
    elif watch.purpose == "refresh":
        context.watches.end(watch.task_id, "settled", "still_running", only="refresh")


def _record(context: WorkerContext, body: dict[str, Any]) -> None:
    """Record the body of an answer, unless the ledger knows all that it says. Raises the errors of ``ingest``.

    Answers about an unfinished task differ in times and counts; only a new stage, file or URL is worth a record.
    """
    text = text_of(body)
    with suppress(StemvaultError):
        if _says_nothing_new(context, read_callback(context, text)):
            return
    ingest(context, text, context.now())


def _says_nothing_new(context: WorkerContext, callback: Callback) -> bool:
    """Tell whether the ledger knows the stage, the failure and each file of an answer."""
    known = context.ledger.snapshot(callback.task_id)
    if known is None or not callback.assets or (known.task.rank or 0) < STAGE_RANK[callback.stage]:
        return False
    if known.task.rank == STAGE_RANK[callback.stage] and (
        known.task.stage != callback.stage
        or known.task.code != callback.code
        or dict(known.task.failed_tracks) != dict(callback.failed_tracks)
    ):
        return False
    return all(_is_known(known.assets.get(asset.id.name), asset) for asset in callback.assets)


def _is_known(record: AssetRecord | None, asset: Asset) -> bool:
    """Tell whether a record has all that an answer says of a file. The URL of an archived file does not matter."""
    if record is None or (asset.seconds and record.announced_seconds != asset.seconds):
        return False
    return record.state == "archived" or record.url == asset.url


def _give_up_if_over(context: WorkerContext, watch: Watch) -> None:
    """Give a task up that was asked about after its time.

    A pause of days ends no watch (``test_a_pause_of_days_ends_no_watch_before_its_task_was_asked_about``).
    """
    if context.now() < watch.until or context.watches.turns.paused():
        return
    if context.watches.end(watch.task_id, "given_up", "unfinished", only=watch.purpose):
        log.error("watched_task_given_up", family=watch.family, asked=watch.asked, purpose=watch.purpose)
