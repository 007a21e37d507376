"""Takes over what an older version recorded: a rolling deploy has workers of two versions on one Redis.

Each version works on records of its own format alone. So an older worker goes on with what it holds, and what nobody
holds is recorded anew here, from the callbacks that its record keeps, as a task is that only its manifest knows.
"""

import json
from contextlib import suppress

import structlog
from redis.exceptions import RedisError, ResponseError

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.intake.fullness import SWEEP_FORGETS
from workers.ledger.keys import ASSETS, COMMON, READY, TIMERS
from workers.ledger.keys import task_key as new_task_key
from workers.ledger.records import TaskSnapshot
from workers.ledger.scripts import script
from workers.manifest import with_forgotten
from workers.recording.record import record_anew

log = structlog.get_logger()

#: Format 1, whose names had no number.
_TIMERS = COMMON + "alarms"
_READY = (COMMON + "ready:urgent", COMMON + "ready:assets")
_ASSETS = COMMON + "asset:"
_FORGETTING = COMMON + "forgetting"
_FIELDS = {"family", "stage", "rank", "code", "meaning", "message", "fail_code", "failed_tracks", "notes", "version"}
#: How many alarms of an older format one sweep looks at.
_BATCH = 200
#: Seconds after which a record is looked at again that could not be adopted: because the bucket was away, or otherwise.
_SHORT_WAIT, _LONG_WAIT = 30.0, 3600.0
#: How many records one sweep looks at in order to make room.
_FORGET_AT_ONCE = 2000


class HeldElsewhereError(TransientError):
    """A worker of an older version is at work on the task just now."""

    def __init__(self) -> None:
        super().__init__("held_elsewhere", "a worker of an older version is at work on this task")


def adopt_older(context: WorkerContext) -> None:
    """Adopt the tasks that need another step by an older version's ledger. Raises redis-py's errors.

    Harmless when repeated. What one task raises is logged, and does not keep the others waiting.
    """
    redis = context.ledger.redis
    timers: dict[str, list[str]] = {}
    for member in map(str, redis.zrange(_TIMERS, 0, _BATCH - 1)):
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
            # Behind the others, so that as many as one sweep looks at cannot block the rest.
            wait = _SHORT_WAIT if isinstance(error, TransientError) else _LONG_WAIT
            redis.zadd(_TIMERS, dict.fromkeys(members, context.now() + wait), xx=True)


def adopt(context: WorkerContext, task_id: str) -> bool:
    """Record a task of an older version anew and forget it there; tell whether there was one.

    Harmless when repeated. Raises ``HeldElsewhereError`` while an older worker holds one of its assets, and what
    ``record_anew`` raises.
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
    assets = dict(zip(names, pipe.execute(), strict=True))
    held = [asset for asset in assets.values() if asset.get("state") == "transferring"]
    if held and max(float(asset["lease"]) for asset in held) > context.now():
        raise HeldElsewhereError
    if task:
        snapshot = _snapshot(task_id, task, callbacks, assets)
        if not all(assets.values()):
            snapshot = with_forgotten(context, snapshot, names)
        # The older version may not have come to write a manifest, so nothing of it expires before one is written.
        record_anew(context, snapshot, unsettled=True, remember=None)
    keys = [*task_keys, _TIMERS, *_READY, new_task_key(task_id), TIMERS, *READY.values(), *asset_keys]
    if not script(redis, "forget_older")(keys=keys, args=[task_id, task.get("version", ""), ASSETS, *names]):
        raise HeldElsewhereError
    if task:
        log.info("older_record_adopted", task_id=task_id, assets=len(names))
    return bool(task)


def make_room(context: WorkerContext) -> None:
    """Forget settled tasks of the older ledger, where Redis is nearly full: their manifests are written."""
    redis = context.ledger.redis
    if context.fullness() < SWEEP_FORGETS:
        return
    cursor, keys = redis.scan(int(redis.get(_FORGETTING) or 0), match=f"{COMMON}task:*", count=_FORGET_AT_ONCE)
    for key in map(str, keys):
        task_id = key.removeprefix(f"{COMMON}task:")
        if ":" not in task_id:
            script(redis, "forget_older_settled")(keys=_task_keys(task_id), args=[f"{_ASSETS}{task_id}/"])
    with suppress(ResponseError):  # a Redis that is full takes nothing
        redis.set(_FORGETTING, cursor)


def _task_keys(task_id: str) -> list[str]:
    return [f"{COMMON}task:{task_id}", f"{COMMON}task:{task_id}:callbacks", f"{COMMON}task:{task_id}:assets"]


def _snapshot(
    task_id: str, task: dict[str, str], callbacks: dict[str, str], assets: dict[str, dict[str, str]]
) -> TaskSnapshot:
    """Give what is settled of an older task; the rest is in its callbacks."""
    received = [{"sha256": digest, **json.loads(text)} for digest, text in callbacks.items()]
    own = {name: value for name, value in task.items() if name in _FIELDS and (name, value) != ("code", "0")}
    return TaskSnapshot(
        task_id,
        {**own, "open": "0"},
        sorted(received, key=lambda entry: entry["received_at"]),
        {
            name: {field: value for field, value in asset.items() if field != "media"}
            for name, asset in assets.items()
            if "settled_at" in asset
        },
    )
