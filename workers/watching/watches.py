"""Watches: tasks about which the provider is asked until they are settled.

A watch is a record and a time in a sorted set, as an asset's timer is. It has a set of its own, because a worker of an
earlier version removes timers that it cannot read (decision 51).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from redis import Redis

from config.settings import Settings
from workers.ledger.storage.keys import COUNTERS, PREFIX
from workers.ledger.storage.scripts import redis_now, script
from workers.watching.turns import PROVIDER, Turns, fingerprint_of

#: Task → the unix seconds of the next request about it.
WATCHES = PREFIX + "watches"
_WATCH = PREFIX + "watch:"

#: Seconds between two refreshes of one task's URLs, and how many there are at most, so that URLs that never work do not
#: cause requests without end.
REFRESH_EVERY, MAX_REFRESHES = 300.0, 12
#: Seconds for which one request may probe whether the provider answers again.
_PROBE = 60.0
#: An old task is asked about after this fraction of its age, but after so many seconds at most.
FRACTION_OF_AGE, MAX_INTERVAL = 1 / 20, 900.0
#: Seconds for which the outcome of a watch is kept.
_KEEP = 86400
#: Dead letters are asked about in every family, so only this many a minute are.
MAX_DEAD_LETTERS = 5
_DEAD_LETTERS = PREFIX + "watches:dead_letters"

Purpose = Literal["watch", "backfill", "reconcile", "refresh", "dead_letter"]
"""The cause: a person or a submission, a backfill, an unfinished task, an asset whose URL is dead, or an unreadable
callback."""
Outcome = Literal["settled", "failed", "gone", "given_up"]


@dataclass(frozen=True, slots=True)
class Watch:
    """A watched task, or one whose watch has ended."""

    task_id: str
    family: str
    """A name of ``workers.provider.families``, or empty while it is unknown."""
    purpose: Purpose
    since: float
    """Unix seconds."""
    until: float
    """Unix seconds after which it is given up."""
    asked_at: float
    """Unix seconds of the last request, this one included; 0 before the first."""
    asked: int
    """How many requests there were, this one included."""
    tried: tuple[str, ...]
    """Families that have been asked without success since all were asked."""
    doubtful: bool
    """Whether one of them gave no clear answer."""
    exists: bool
    """Whether the provider has known the task in an earlier answer."""
    unknown: int
    """How many times in a row the provider did not know the task."""
    outcome: Outcome | None
    """None while the task is watched."""
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The reply of ``Watches.take``: a watch, or the seconds after which to try again, or neither if none is due."""

    watch: Watch | None = None
    wait: float | None = None


class Watches:
    """The watches in Redis (a client with ``decode_responses=True``). All methods raise redis-py's errors."""

    def __init__(self, redis: "Redis", turns: Turns, *, interval: float = 30.0, give_up: float = 86400.0) -> None:
        self._redis = redis
        self.turns = turns
        self.interval = interval
        self.give_up = give_up
        self._watch = script(redis, "watch")
        self._take = script(redis, "take_watch")
        self._change_watch = script(redis, "change_watch")
        self._end = script(redis, "end_watch")

    def add(self, task_id: str, family: str, purpose: Purpose, *, after: float = 0.0) -> bool:
        """Watch a task from ``after`` seconds on. Idempotent.

        ``family`` is empty if it is to be found by asking. Two requests about a task are at least ``interval`` apart,
        also if there are several causes. False for a task that has had all its refreshes, and for a dead letter of a
        minute that had ``MAX_DEAD_LETTERS``.
        """
        return bool(self._add(task_id, family, purpose, after, self._redis))

    def add_all(self, tasks: Mapping[str, str], purpose: Purpose, *, after: float = 0.0) -> None:
        """Watch tasks, given with their families, from ``after`` seconds on, as ``add`` does, in one transaction.

        If it raises, all, some or none of them are watched; to call it again is harmless. It needs three round trips
        at most (``test_a_thousand_tasks_are_watched_in_a_few_round_trips``). Redis serves no other client meanwhile,
        for some tens of milliseconds with 1,000 tasks.
        """
        pipe = self._redis.pipeline(transaction=True)
        for task_id, family in tasks.items():
            self._add(task_id, family, purpose, after, pipe)
        pipe.execute()

    def _add(self, task_id: str, family: str, purpose: Purpose, after: float, client: "Redis") -> object:
        limits: list[str | float] = [self.interval, self.give_up, REFRESH_EVERY, MAX_REFRESHES, MAX_DEAD_LETTERS]
        keys = [WATCHES, _WATCH + task_id, _DEAD_LETTERS]
        return self._watch(keys=keys, args=[task_id, family, purpose, after, *limits], client=client)

    def take(self) -> Taken:
        """Take the task that has been due for the longest time, and a turn at the provider.

        The task is due again after ``interval``, or later as it ages: with the 30 s that the provider's pages advise,
        requests are 30 s apart for ten minutes, 3 minutes apart after an hour, and 15 minutes apart after five hours.
        """
        args: list[str | float] = [_WATCH, self.turns.rate, self.interval, MAX_INTERVAL, FRACTION_OF_AGE, _PROBE]
        reply = self._take(keys=[WATCHES, PROVIDER, self.turns.pause_key, self.turns.failed_key], args=args)
        if not reply:
            return Taken()
        wait, *taken = reply
        if not taken:
            return Taken(wait=float(wait))
        task_id, fields = taken
        return Taken(_watch_of(task_id, dict(zip(fields[::2], fields[1::2], strict=True))))

    def postpone(self, task_id: str, seconds: float) -> None:
        """Have the next request about a watched task sent after ``seconds``."""
        self._redis.zadd(WATCHES, {task_id: redis_now(self._redis) + seconds}, xx=True)

    def exists(self, watch: Watch, family: str) -> None:
        """Note that the provider knows the task, and its family."""
        self._change(watch, {"family": family, "exists": "1"}, without="tried doubtful unknown")

    def answered(self, watch: Watch) -> None:
        """Note an answer about the task. It serves a refresh that was wanted before its request was sent."""
        self._change(watch, {}, without="refresh_until")

    def not_of_family(self, watch: Watch, family: str, *, doubtful: bool = False) -> None:
        """Note that the task is not of this family; the next family is asked as soon as it is the task's turn.

        ``doubtful`` says that this family gave no clear answer.
        """
        tried = {"tried": " ".join([*watch.tried, family])}
        self._change(watch, tried | ({"doubtful": "1"} if doubtful else {}), due_now=True)

    def unknown(self, watch: Watch, times: int) -> None:
        """Note how many times in a row the provider did not know the task; then all families are asked again."""
        self._change(watch, {"unknown": str(times)}, without="tried doubtful")

    def _change(self, watch: Watch, fields: Mapping[str, str], *, without: str = "", due_now: bool = False) -> None:
        """Set fields of a watch and delete those named in ``without``, unless it has ended meanwhile."""
        pairs = [value for item in fields.items() for value in item]
        asked_at = _text_of(watch.asked_at)
        args = [watch.task_id, _text_of(watch.since), "1" if due_now else "", without, asked_at, *pairs]
        self._change_watch(keys=[WATCHES, _WATCH + watch.task_id], args=args)

    def end(  # noqa: PLR0913 - an outcome, and the conditions under which it still counts
        self,
        task_id: str,
        outcome: Outcome,
        reason: str = "",
        *,
        by_callback: bool = False,
        only: Purpose | None = None,
        since: float | None = None,
        asked_at: float | None = None,
    ) -> bool:
        """Stop asking about a task; False if it is not watched, or is watched further.

        A refresh that no answer has ended goes on alone, until its own time is over. With ``only`` a watch goes on that
        has another purpose now, and with ``since`` one that did not begin then. ``asked_at`` says when the answered
        request was sent, if it was not the last one.
        """
        keys = [WATCHES, _WATCH + task_id, COUNTERS]
        times = ["" if each is None else _text_of(each) for each in (since, asked_at)]
        args: list[str | float] = [task_id, outcome, reason, _KEEP, "" if by_callback else "1", only or ""]
        return bool(self._end(keys=keys, args=[*args, *times, self.interval]))

    def due(self) -> int:
        """Count the tasks about which the provider is to be asked now."""
        return int(self._redis.zcount(WATCHES, "-inf", redis_now(self._redis)))

    def number(self) -> int:
        """Count the watched tasks."""
        return int(self._redis.zcard(WATCHES))

    def next_ones(self, limit: int) -> list[tuple[str, float]]:
        """Give the first ``limit`` tasks as (task, unix seconds of the next request)."""
        found: list[tuple[str, float]] = self._redis.zrange(WATCHES, 0, limit - 1, withscores=True)  # type: ignore[assignment]
        return found

    def next_request(self, task_id: str) -> float | None:
        """Give the unix seconds of the next request about a task; None if it is not watched."""
        at = self._redis.zscore(WATCHES, task_id)
        return None if at is None else float(at)

    def states(self, tasks: Iterable[str]) -> Iterator[Watch | None]:
        """Give the watch of each task, also if it has ended; None for a task that was never watched or is forgotten."""
        named = list(tasks)
        pipe = self._redis.pipeline(transaction=False)
        for task_id in named:
            pipe.hgetall(_WATCH + task_id)
        for task_id, record in zip(named, pipe.execute(), strict=True):
            yield _watch_of(task_id, record) if record else None


def open_watches(redis: "Redis", settings: Settings) -> Watches:
    """Open the watches with the rate, the interval and the key of the settings."""
    key = settings.provider_api_key.get_secret_value() if settings.provider_api_key else ""
    turns = Turns(redis, rate=settings.provider_rate, fingerprint=fingerprint_of(settings.provider_base_url, key))
    return Watches(
        redis,
        turns,
        interval=settings.poll_interval,
        give_up=settings.poll_give_up,
    )


def _text_of(seconds: float) -> str:
    """Write a time as the scripts do."""
    return f"{seconds:.3f}"


def _watch_of(task_id: str, record: dict[str, str]) -> Watch:
    return Watch(
        task_id=task_id,
        family=record["family"],
        purpose=record["purpose"],  # type: ignore[arg-type]  # watch.lua writes only purposes
        since=float(record["since"]),
        until=float(record.get("until", 0)),
        asked_at=float(record.get("asked_at", 0)),
        asked=int(record.get("asked", 0)),
        tried=tuple(record.get("tried", "").split()),
        doubtful="doubtful" in record,
        exists="exists" in record,
        unknown=int(record.get("unknown", 0)),
        outcome=record.get("outcome"),  # type: ignore[arg-type]  # end_watch.lua writes only outcomes
        reason=record.get("reason", ""),
    )
