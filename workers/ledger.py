"""The ledger: what is known of every task and asset in flight, and when to look at it next.

Redis holds one record a task and one an asset, and one sorted set, ``alarms``, in which each
unsettled asset (and each task whose manifest is due) has exactly one next step. Every change of
state is one Lua script, so it happens whole or not at all and may be repeated. All times are unix
seconds, given by the caller.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.commands.core import Script

from workers.assets import Asset, AssetId, Media
from workers.callback import Callback
from workers.errors import LeaseLostError
from workers.records import Lease, Recorded, TaskSnapshot, Waiting

PREFIX = "stemvault:"
ALARMS = PREFIX + "alarms"
COUNTERS = PREFIX + "counters"

#: How long a step may take that one process does at once, before another may think it died.
GRACE = 30.0
#: How long a message may wait in its queue before it counts as lost.
MESSAGE_PATIENCE = 3600.0
#: How long a worker may be silent before another may take over its asset.
LEASE = 60.0

#: A stage never gives way to an earlier one, whatever order callbacks arrive in.
STAGE_RANK = {"text": 1, "first": 2, "complete": 3, "error": 3}


class Ledger:
    """The records of tasks and assets in Redis (a client with ``decode_responses=True``)."""

    def __init__(self, redis: "Redis") -> None:
        self.redis = redis
        self._scripts: dict[str, Script] = {}

    def _run(self, name: str, keys: list[str], *args: object) -> Any:  # noqa: ANN401 - each script has its own reply
        if name not in self._scripts:
            text = (files("workers") / "lua" / f"{name}.lua").read_text()
            self._scripts[name] = self.redis.register_script(text)
        return self._scripts[name](keys=keys, args=[str(arg) for arg in args])

    def knows(self, task_id: str) -> bool:
        """Tell whether there is a record of the task."""
        return bool(self.redis.exists(_task_key(task_id)))

    def record(
        self,
        callback: Callback,
        body: str,
        assets: Iterable[tuple[Asset, str, float]],
        *,
        received_at: float,
        now: float,
    ) -> Recorded:
        """Record a callback and its assets, each given as (asset, its key, its deadline).

        Assets known already are left as they are, but for a new URL where the asset is not archived.
        """
        named = list(assets)
        keys = [*_task_keys(callback.task_id), ALARMS, COUNTERS, *(_asset_key(asset.id) for asset, _, _ in named)]
        per_asset = [
            value
            for asset, key, deadline in named
            for value in (asset.id.name, asset.url, key, asset.media.value, deadline)
        ]
        digest = hashlib.sha256(body.encode()).hexdigest()
        open_assets, changed, *waiting = self._run(
            "record",
            keys,
            now,
            now + GRACE,
            callback.task_id,
            callback.family,
            callback.stage,
            STAGE_RANK[callback.stage],
            callback.code,
            callback.meaning,
            digest,
            json.dumps({"received_at": received_at, "body": body}),
            *per_asset,
        )
        triples = zip(waiting[::3], waiting[1::3], waiting[2::3], strict=True)
        to_send = [
            Waiting(AssetId(callback.task_id, name), float(deadline), int(tries)) for name, deadline, tries in triples
        ]
        return Recorded(changed=bool(changed), open=int(open_assets), to_send=to_send)

    def sent(self, assets: Iterable[tuple[Waiting, float]]) -> None:
        """Note that assets wait in a queue, each given with the time at which to look at it again."""
        listed = list(assets)
        args = [value for asset, alarm in listed for value in (asset.id, asset.attempts, alarm)]
        self._run("sent", [ALARMS, *(_asset_key(asset.id) for asset, _ in listed)], *args)

    def claim(self, asset: AssetId, owner: str, *, now: float) -> Lease | str:
        """Take the asset for ``owner``; where it may not be taken, tell its state instead.

        That is ``unknown``, ``held`` by another, ``waiting`` for its backoff's end, or a settled state.
        """
        reply = self._run("claim", [_asset_key(asset), ALARMS], now, asset, owner, now + LEASE)
        if len(reply) == 1:
            return str(reply[0])
        record = dict(zip(reply[::2], reply[1::2], strict=True))
        return Lease(
            id=asset,
            owner=owner,
            url=record["url"],
            key=record["key"],
            media=Media(record["media"]),
            deadline=float(record["deadline"]),
            attempts=int(record["attempts"]),
            last_reason=record.get("error", ""),
            streak=int(record.get("streak", 0)),
        )

    def heartbeat(self, lease: Lease, *, now: float) -> None:
        """Keep the asset for another ``LEASE`` seconds. Raises ``LeaseLostError``."""
        if not self._run("heartbeat", [_asset_key(lease.id), ALARMS], lease.id, lease.owner, now + LEASE):
            raise LeaseLostError(str(lease.id))

    def postpone(self, lease: Lease, reason: str, *, streak: int, until: float) -> None:
        """Give the asset back until a later attempt. Raises ``LeaseLostError``."""
        if not self._run("postpone", [_asset_key(lease.id), ALARMS], lease.id, lease.owner, reason, streak, until):
            raise LeaseLostError(str(lease.id))

    def settle(  # noqa: PLR0913 - what happened to which asset, in full
        self, asset: AssetId, owner: str, state: str, *, reason: str = "", now: float, facts: Mapping[str, object] = {}
    ) -> int:
        """Settle the asset as ``archived``, ``rejected`` or ``expired`` and give its task's unsettled ones.

        ``owner`` is the lease's, or empty for an asset that nobody holds. Raises ``LeaseLostError``.
        """
        keys = [_asset_key(asset), _task_key(asset.task_id), ALARMS, COUNTERS]
        pairs = [value for item in facts.items() for value in item]
        still_open = self._run("settle", keys, asset, asset.task_id, owner, state, reason, now, now + GRACE, *pairs)
        if still_open < 0:
            raise LeaseLostError(str(asset))
        return int(still_open)

    def due(self, *, now: float, limit: int) -> list[str]:
        """Take up to ``limit`` due alarms: ``task/asset`` names, or a task's id for its manifest."""
        return list(self._run("due", [ALARMS], now, limit, now + GRACE))

    def drop_alarm(self, member: str) -> None:
        """Remove an alarm for which there is nothing to do."""
        self.redis.zrem(ALARMS, member)

    def count(self, what: str, label: str, reason: str) -> None:
        """Add one to a counter; ``what|label|reason`` are its name and its labels' values."""
        self.redis.hincrby(COUNTERS, f"{what}|{label}|{reason}", 1)

    def counters(self) -> dict[str, int]:
        """Give all counters, by ``what|label|reason``."""
        counted: dict[str, str] = self.redis.hgetall(COUNTERS)  # type: ignore[assignment]
        return {name: int(value) for name, value in counted.items()}

    def in_flight(self) -> int:
        """Tell how many assets and manifests need another step."""
        return int(self.redis.zcard(ALARMS))

    def next_steps(self, limit: int) -> list[tuple[str, float]]:
        """Give the alarms that ring first, with their times."""
        steps: list[tuple[str, float]] = self.redis.zrange(ALARMS, 0, limit - 1, withscores=True)  # type: ignore[assignment]
        return steps

    def asset(self, asset: AssetId) -> dict[str, str]:
        """Give an asset's record, empty where there is none."""
        return dict(self.redis.hgetall(_asset_key(asset)))  # type: ignore[arg-type]  # redis-py types both clients as one

    def snapshot(self, task_id: str) -> TaskSnapshot | None:
        """Give all that is known of a task, or None."""
        task_key, callbacks_key, names_key = _task_keys(task_id)
        pipe = self.redis.pipeline()
        pipe.hgetall(task_key)
        pipe.hgetall(callbacks_key)
        pipe.smembers(names_key)
        task, callbacks, names = pipe.execute()
        if not task:
            return None
        for name in sorted(names):
            pipe.hgetall(_asset_key(AssetId(task_id, name)))
        entries = ({"sha256": digest, **json.loads(text)} for digest, text in callbacks.items())
        received = sorted(entries, key=lambda entry: entry["received_at"])
        return TaskSnapshot(task_id, task, received, dict(zip(sorted(names), pipe.execute(), strict=True)))

    def lock_manifest(self, task_id: str, owner: str) -> bool:
        """Become the one who writes the task's manifest for the next ``LEASE`` seconds."""
        return bool(self.redis.set(_lock_key(task_id), owner, nx=True, ex=int(LEASE)))

    def manifest_written(self, snapshot: TaskSnapshot, owner: str, *, remember: float) -> bool:
        """Note that a manifest was written; False where the task has changed since ``snapshot``."""
        keys = [*_task_keys(snapshot.task_id), _lock_key(snapshot.task_id), ALARMS]
        keys += [_asset_key(AssetId(snapshot.task_id, name)) for name in snapshot.assets]
        return bool(self._run("written", keys, snapshot.task_id, owner, snapshot.version, int(remember)))

    def restore(self, snapshot: TaskSnapshot, *, remember: float) -> None:
        """Take back a settled task that Redis has forgotten; nothing happens if it is known."""
        callbacks = {
            entry["sha256"]: json.dumps({"received_at": entry["received_at"], "body": entry["body"]})
            for entry in snapshot.callbacks
        }
        keys = [
            *_task_keys(snapshot.task_id),
            *(_asset_key(AssetId(snapshot.task_id, name)) for name in snapshot.assets),
        ]
        assets = (value for name, record in snapshot.assets.items() for value in (name, *_counted(record)))
        self._run("restore", keys, int(remember), *_counted(snapshot.task), *_counted(callbacks), *assets)


def _counted(mapping: Mapping[str, object]) -> Iterator[object]:
    yield len(mapping)
    for item in mapping.items():
        yield from item


def _task_key(task_id: str) -> str:
    return f"{PREFIX}task:{task_id}"


def _task_keys(task_id: str) -> tuple[str, str, str]:
    """Name the task's record, its callbacks and its assets' names. No id contains ``:``."""
    return _task_key(task_id), f"{PREFIX}task:{task_id}:callbacks", f"{PREFIX}task:{task_id}:assets"


def _lock_key(task_id: str) -> str:
    return f"{PREFIX}task:{task_id}:manifest"


def _asset_key(asset: AssetId) -> str:
    return f"{PREFIX}asset:{asset}"
