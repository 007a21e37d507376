"""Adopts the records of an older version: in a rolling deploy, workers of two versions run on one Redis.

Each version works only on records of its own format. An older worker finishes the assets that it holds. A task of which
no asset is held is recorded anew here, from the callbacks in its record, like a task that only its manifest knows.
"""

import json
from contextlib import suppress
from dataclasses import replace

import structlog
from redis.exceptions import RedisError, ResponseError

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.intake.fullness import SWEEP_FORGETS
from workers.ledger.storage.keys import ASSETS, COMMON, READY, TIMERS
from workers.ledger.storage.keys import task_key as new_task_key
from workers.ledger.storage.scripts import script
from workers.ledger.storage.stored_form import asset_of, task_of
from workers.ledger.values.records import AssetRecord, CallbackRecord, TaskSnapshot
from workers.manifest import with_forgotten
from workers.recording.record import record_anew

log = structlog.get_logger()

#: The keys of format 1, which had no format number in their names.
_TIMERS = COMMON + "alarms"
_READY = (COMMON + "ready:urgent", COMMON + "ready:assets")
_ASSETS = COMMON + "asset:"
_FORGETTING = COMMON + "forgetting"
#: The most timers of an older format that one sweep reads.
_MAX_TIMERS = 200
#: Seconds until a failed adoption is tried again: after an outage of the bucket, and after any other error.
_SHORT_WAIT, _LONG_WAIT = 30.0, 3600.0
#: About how many records one sweep scans to make room.
_FORGET_AT_ONCE = 2000


class HeldElsewhereError(TransientError):
    """A worker of an older version holds an asset of the task, or has changed the task during its adoption."""

    def __init__(self) -> None:
        super().__init__("held_elsewhere", "a worker of an older version is at work on this task")


def adopt_older(context: WorkerContext) -> None:
    """Adopt the tasks that have a timer in an older version's ledger. Idempotent. Raises redis-py's errors.

    An error of one task is logged and does not stop the others
    (``test_one_record_that_cannot_be_read_keeps_no_other_waiting``).
    """
    redis = context.ledger.redis
    timers: dict[str, list[str]] = {}
    for member in map(str, redis.zrange(_TIMERS, 0, _MAX_TIMERS - 1)):
        timers.setdefault(AssetId.parse(member).task_id, []).append(member)
    for task_id, members in timers.items():
        try:
            adopt(context, task_id)
        except RedisError:
            raise
        except HeldElsewhereError:
            continue
        except Exception as error:
            log.exception("older_record_not_adopted", task_id=task_id)
            # The timer is moved behind the others, so that ``_MAX_TIMERS`` failing tasks do not block the rest.
            wait = _SHORT_WAIT if isinstance(error, TransientError) else _LONG_WAIT
            redis.zadd(_TIMERS, dict.fromkeys(members, context.now() + wait), xx=True)


def adopt(context: WorkerContext, task_id: str) -> bool:
    """Record a task of an older version anew and delete the older record; tell whether there was one.

    Idempotent. Raises ``HeldElsewhereError`` while an older worker holds one of its assets, and the errors of
    ``record_anew``.
    """
    redis = context.ledger.redis
    task_keys = _task_keys(task_id)
    pipe = redis.pipeline()
    pipe.hgetall(task_keys[0])
    pipe.hgetall(task_keys[1])
    pipe.smembers(task_keys[2])
    task, callbacks, found = pipe.execute()
    names = sorted(found)
    asset_keys = [f"{_ASSETS}{task_id}/{name}" for name in names]
    for key in asset_keys:
        pipe.hgetall(key)
    assets = {name: asset_of(task_id, fields) for name, fields in zip(names, pipe.execute(), strict=True)}
    leases = [asset.lease or 0.0 for asset in assets.values() if asset.state == "transferring"]
    if max(leases, default=0.0) > context.now():
        raise HeldElsewhereError
    if task:
        snapshot = _snapshot(task_id, task, callbacks, assets)
        if any(asset.state is None for asset in assets.values()):
            snapshot = with_forgotten(context, snapshot, names)
        # The older version may not have written a manifest, so the new record has no expiry before one is written
        # (test_a_manifest_that_could_not_be_written_before_is_written_when_the_bucket_is_back).
        record_anew(context, snapshot, unsettled=True, remember=None)
    keys = [*task_keys, _TIMERS, *_READY, new_task_key(task_id), TIMERS, *READY.values(), *asset_keys]
    if not script(redis, "forget_older")(keys=keys, args=[task_id, task.get("version", ""), ASSETS, *names]):
        raise HeldElsewhereError
    if task:
        log.info("older_record_adopted", task_id=task_id, assets=len(names))
    return bool(task)


def forget_older(context: WorkerContext) -> None:
    """If Redis is nearly full, forget settled tasks of the older ledger, whose manifests are written."""
    redis = context.ledger.redis
    if context.fullness() < SWEEP_FORGETS:
        return
    cursor, keys = redis.scan(int(redis.get(_FORGETTING) or 0), match=f"{COMMON}task:*", count=_FORGET_AT_ONCE)
    for key in map(str, keys):
        task_id = key.removeprefix(f"{COMMON}task:")
        if ":" not in task_id:
            script(redis, "forget_older_settled")(keys=_task_keys(task_id), args=[f"{_ASSETS}{task_id}/"])
    with suppress(ResponseError):  # a full Redis refuses writes
        redis.set(_FORGETTING, cursor)


def _task_keys(task_id: str) -> list[str]:
    return [f"{COMMON}task:{task_id}", f"{COMMON}task:{task_id}:callbacks", f"{COMMON}task:{task_id}:assets"]


def _snapshot(
    task_id: str, task: dict[str, str], callbacks: dict[str, str], assets: dict[str, AssetRecord]
) -> TaskSnapshot:
    """Give the settled part of an older task. Its other assets are restored from its callbacks."""
    received = [CallbackRecord(sha256=digest, **json.loads(text)) for digest, text in callbacks.items()]
    known = task_of(task)
    return TaskSnapshot(
        task_id,
        # The older format has 0 for a callback without a code.
        replace(known, code=known.code or None, written=None, open=0),
        sorted(received, key=lambda each: each.received_at),
        {name: asset for name, asset in assets.items() if asset.settled_at is not None},
    )
