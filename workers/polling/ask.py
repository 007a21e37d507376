"""Ask the provider about one watched task, and act on its answer: record it, ask again later, or end the watch."""

import logging
import time
from collections.abc import Callable

import structlog

from workers.context import WorkerContext
from workers.polling.fresh_urls import with_fresh_urls
from workers.polling.record import record
from workers.provider.answers import Answer
from workers.provider.errors import NotOfferedError, ProviderError, ProviderFaultError, RefusedError
from workers.provider.families import ASKING_ORDER, FAMILIES, PolledFamily, State
from workers.watching.pauses import pause_after
from workers.watching.watches import FRACTION_OF_AGE, Outcome, Purpose, Watch

log = structlog.get_logger()

#: A task does not exist if the provider does not know it so many times in a row. One with a callback exists.
_ROUNDS: dict[Purpose, int] = {"watch": 3, "backfill": 2, "reconcile": 3, "dead_letter": 1}
#: The provider may know a task only some time after it was submitted, in seconds.
_MAY_BE_UNKNOWN = 600.0
#: Seconds until a task without a family is asked about in all families again.
_BETWEEN_ROUNDS = 300.0


def ask(context: WorkerContext, watch: Watch, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Ask about one task that was taken, and act on the answer. Idempotent.

    True if the answer says how the task is; a fault, a pause, or one family of several that are tried does not.
    Raises redis-py's errors, and the errors of ``ingest``.
    """
    if not context.provider:
        return False
    family = _family_of(watch)
    try:
        answer = context.provider.ask(family, watch.task_id)
    except ProviderError as error:
        _refused(context, watch, family, error)
        return isinstance(error, NotOfferedError | RefusedError) and _is_last_family(watch)
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
        return True
    return _is_last_family(watch)


def _family_of(watch: Watch) -> PolledFamily:
    """Give the family to ask for: the task's, or the first one that has not been tried."""
    if watch.family in FAMILIES:
        return FAMILIES[watch.family]
    return next((family for family in ASKING_ORDER if family.name not in watch.tried), ASKING_ORDER[0])


def _is_last_family(watch: Watch) -> bool:
    """Tell whether no other family is to be asked about the task."""
    return bool(watch.family) or len(watch.tried) + 1 >= len(ASKING_ORDER)


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
    if not _is_last_family(watch):
        context.watches.not_of_family(watch, family.name, doubtful=doubtful)
        return
    if (context.now() - watch.since) * FRACTION_OF_AGE < _BETWEEN_ROUNDS:
        context.watches.postpone(watch.task_id, _BETWEEN_ROUNDS)
    context.watches.unknown(watch, watch.unknown)
    if not (watch.doubtful or doubtful):
        _count_unknown(context, watch, "unknown_task")


def _count_unknown(context: WorkerContext, watch: Watch, reason: str) -> None:
    """Count that the provider does not know the task; after enough times in a row, end the watch."""
    times = watch.unknown + 1
    if watch.purpose == "refresh":
        _end(context, watch, "settled", reason, only="refresh")
        return
    if watch.exists or context.ledger.knows(watch.task_id):
        log.warning("provider_does_not_know_task", family=watch.family, reason=reason)
        return
    may_come = watch.purpose == "watch" and context.now() < watch.since + _MAY_BE_UNKNOWN
    if times < _ROUNDS.get(watch.purpose, 1) or may_come:
        context.watches.unknown(watch, times)
    elif _end(context, watch, "gone", reason, only=watch.purpose):
        # A person is waiting for a task that was registered; a backfill reports its own.
        level = logging.ERROR if watch.purpose == "watch" else logging.WARNING
        log.log(level, "watched_task_unknown", family=watch.family, reason=reason, purpose=watch.purpose)


def _act(context: WorkerContext, watch: Watch, answer: Answer, sleep: Callable[[float], None]) -> None:
    """Record an answer, and end the watch if it is the last one."""
    if answer.body is not None:
        is_done = answer.state is State.DONE
        record(context, with_fresh_urls(context, answer.body, sleep=sleep) if is_done else answer.body)
    if answer.state is State.DONE:
        _end(context, watch, "settled")
    elif answer.state is State.FAILED:
        _end(context, watch, "failed")
    elif watch.purpose == "refresh":
        _end(context, watch, "settled", "still_running", only="refresh")


def _end(
    context: WorkerContext, watch: Watch, outcome: Outcome, reason: str = "", *, only: Purpose | None = None
) -> bool:
    """End the watch with the answer of this request, unless a newer one or a later refresh has come meanwhile."""
    return context.watches.end(watch.task_id, outcome, reason, only=only, since=watch.since, asked_at=watch.asked_at)
