"""The ledger: what is known of every task and asset in flight, and when to look at it next.

Redis holds one record a task and one an asset. Each unsettled asset has exactly one next step: it stands in a ready
set, where it waits for a worker until its deadline, or in ``timers``, as does each task whose manifest is due. Every
change of state is one Lua script, so it happens whole or not at all and may be repeated. All times are unix seconds by
Redis's clock. The scripts name records that they find in a set, which Redis Cluster would not allow; Celery does not
run on that either.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from redis import Redis
from redis.commands.core import Script
from redis.exceptions import ResponseError

from config.layout import KeyLayout
from workers.callbacks import Callback
from workers.callbacks.assets import Asset, AssetId
from workers.errors import FreshUrlError, LeaseLostError, TransientError
from workers.ledger.keys import (
    ASSETS,
    COUNTERS,
    FORGETTING,
    FORMAT,
    FORMATS,
    ORPHANS,
    READY,
    TAKEN,
    TIMERS,
    UPLOADS,
    asset_key,
    lock_key,
    task_key,
)
from workers.ledger.records import UNNAMED, Lease, Recorded, TaskSnapshot
from workers.ledger.scripts import redis_now, script
from workers.ledger.task_record import (
    asset_fields,
    asset_of,
    field_of,
    kept_callback,
    names_in,
    short_key,
    snapshot_from,
    task_fields,
    whole_key,
)

#: How long a step may take that one process does at once, before another may think it died.
GRACE = 15.0
#: An asset over which so many processes have died is set aside.
MAX_CRASHES = 5
#: One that was among several over which a process died, so often in a row, is tried alone.
SUSPECT_AFTER = 2
#: A task has at most three stages, each repeated word for word. More different bodies than this for one task
#: are an attack or a fault, and so are more files. The record keeps no more of either.
MAX_CALLBACKS, MAX_TASK_ASSETS = 50, 2000
#: The same where whole workers died and took others with them, so that it need not be this one's fault.
MAX_LAPSES = 20

DEFAULT_LAYOUT = KeyLayout()
#: More than ever wait.
_MANY = 10**9
#: Seconds in which a partial file is stored when nothing better can come any more. The bucket may be away for hours.
FINAL_SECONDS = 86400.0
#: A field of a task's record while it is taken from the manifest.
_RECALLING = "recalling"
#: The reply of settle.lua where a fresh URL has come during the attempt.
_HAS_FRESH_URL = -2
#: Longer than a manifest takes to write as a rule. Where it takes longer, two may write; the version shows it to both.
_MANIFEST_LOCK = 10

#: A stage never gives way to an earlier one, whatever order callbacks arrive in.
STAGE_RANK = {"pending": 0, "text": 1, "first": 2, "complete": 3, "error": 3}


class Ledger:
    """The records of tasks and assets in Redis (a client with ``decode_responses=True``)."""

    def __init__(self, redis: "Redis", *, lease_seconds: float = 60.0, urgent_window: float = 86400.0) -> None:
        self.redis = redis
        self.lease_seconds = lease_seconds
        self._urgent_window = urgent_window
        self._scripts: dict[str, Script] = {}

    def _run(self, name: str, keys: list[str], *args: object) -> Any:  # noqa: ANN401 - each script has its own reply
        if name not in self._scripts:
            self._scripts[name] = script(self.redis, name)
        return self._scripts[name](keys=keys, args=[str(arg) for arg in args])

    def now(self) -> float:
        """Give the time by Redis's clock."""
        return redis_now(self.redis)

    def newest_format(self) -> int:
        """Note this version's format, and give the newest that a worker on this Redis has written."""
        self.redis.sadd(FORMATS, FORMAT)
        return max(int(each) for each in self.redis.smembers(FORMATS))

    def knows(self, task_id: str) -> bool:
        """Tell whether there is a record of the task, and nothing of it left to be taken from its manifest."""
        pipe = self.redis.pipeline()
        pipe.exists(task_key(task_id))
        pipe.hexists(task_key(task_id), _RECALLING)
        exists, recalling = pipe.execute()
        return bool(exists and not recalling)

    def recalled(self, task_id: str) -> None:
        """Note that all of a task was taken from its manifest."""
        self.redis.hdel(task_key(task_id), _RECALLING)

    def has_recorded(self, callback: Callback, body: bytes) -> bool:
        """Tell whether the task's record holds the callback with this body, and every asset that it names."""
        field = field_of(hashlib.sha256(body).digest())
        known, names = self.redis.hmget(task_key(callback.task_id), field, "assets")
        return bool(known) and {asset.id.name for asset in callback.assets} <= set(str(names or "").split("\n"))

    def record(  # noqa: PLR0913 - a callback, and all that decides what becomes of its files
        self,
        callback: Callback,
        body: str,
        assets: Iterable[tuple[Asset, str, float]],
        *,
        received_at: float,
        layout: KeyLayout = DEFAULT_LAYOUT,
        known: bool = False,
        replay: bool = False,
    ) -> Recorded:
        """Record a callback and its assets, each given as (asset, its key, its deadline).

        What is new becomes ready for a worker. What is known is left as it is, but for a new URL where the asset is
        not archived: of two URLs that of the later stage counts, or of the later arrival. A body that was seen before
        changes nothing. A record holds at most ``MAX_CALLBACKS`` different callbacks and ``MAX_TASK_ASSETS`` assets;
        the reply tells what was too many. Raises ``TransientError`` (``forgotten``) where the task was ``known`` a
        moment ago and is not any more: its manifest has to be read first. With ``replay`` the body is one that the
        record got from elsewhere: its URLs count, but nothing that was given up is tried again for it.
        """
        named = list(assets)
        others = [_other_name(asset, layout) for asset, _, _ in named]
        keys = [task_key(callback.task_id), TIMERS, COUNTERS, *READY.values()]
        per_asset = [
            value
            for (asset, key, deadline), other in zip(named, others, strict=True)
            for value in (
                asset.id.name,
                asset.url,
                short_key(key, asset.id.task_id),
                deadline,
                "" if asset.seconds is None else asset.seconds,
                "1" if asset.optional else "",
                *other,
            )
        ]
        reply = self._run(
            "record",
            [*keys, *(asset_key(asset.id) for asset, _, _ in named)],
            self._urgent_window,
            GRACE,
            callback.task_id,
            STAGE_RANK[callback.stage],
            callback.family,
            callback.stage,
            field_of(hashlib.sha256(body.encode()).digest()),
            kept_callback(callback.task_id, received_at, body),
            MAX_CALLBACKS,
            MAX_TASK_ASSETS,
            ASSETS,
            "\n".join(callback.notes),
            received_at,
            "1" if known else "",
            "1" if replay else "",
            *_counted(_task_fields(callback)),
            *per_asset,
        )
        if not reply:
            raise TransientError("forgotten", "the task was forgotten a moment ago, to make room")
        open_assets, changed, urgent, others, kept, surplus = reply
        return Recorded(
            changed=bool(changed),
            open=open_assets,
            ready={"urgent": urgent, "assets": others},
            kept=bool(kept),
            surplus=surplus,
        )

    def take(self, queues: Iterable[str], owner: str, *, passing_over: Iterable[str] = ()) -> Lease | None:
        """Take what expires first of the ready assets, looking through ``queues`` in their order.

        ``passing_over`` are source hosts (``Lease.host``) from which nothing is wanted now.
        """
        looked_in = list(queues)
        keys = [TIMERS, TAKEN, *(key for queue in looked_in for key in (READY[queue], queue))]
        reply = self._run("take", keys, owner, self.lease_seconds, ASSETS, *passing_over)
        if not reply:
            return None
        record = dict(zip(reply[1][::2], reply[1][1::2], strict=True))
        asset = AssetId.parse(reply[0])
        return Lease(
            id=asset,
            owner=owner,
            url=record["url"],
            key=whole_key(record["key"], asset.task_id),
            deadline=float(record["deadline"]),
            attempts=int(record["attempts"]),
            last_reason=record.get("error", ""),
            streak=int(record.get("streak", 0)),
            announced_seconds=float(record["announced_seconds"]) if "announced_seconds" in record else None,
            partial=record.get("partial", ""),
            seconds=float(record.get("seconds", 0)),
            final="final" in record,
            calls=looked_in[reply[2] - 1] if reply[2] else "",
        )

    def heartbeat(self, lease: Lease, *, upload: str = "", partial: str = "") -> None:
        """Keep the asset, and its upload if one is under way, for another lease. Raises ``LeaseLostError``.

        ``partial`` notes the key under which a part of the asset is about to be kept.
        """
        keys = [asset_key(lease.id), TIMERS, UPLOADS]
        if not self._run("heartbeat", keys, lease.id, lease.owner, self.lease_seconds, upload, partial):
            raise LeaseLostError(str(lease.id))

    def postpone(  # noqa: PLR0913 - what happened to which asset, in full
        self,
        lease: Lease,
        reason: str,
        *,
        streak: int,
        until: float,
        final: bool = False,
        facts: Mapping[str, object] = {},
    ) -> None:
        """Give the asset back until a later attempt; with ``final``, one that stores its partial file.

        Raises ``LeaseLostError``.
        """
        keys = [asset_key(lease.id), TIMERS, TAKEN]
        deadline = until + FINAL_SECONDS if final else ""
        pairs = [value for item in facts.items() for value in item]
        if not self._run("postpone", keys, lease.id, lease.owner, reason, streak, until, deadline, *pairs):
            raise LeaseLostError(str(lease.id))

    def crashed(self, owners: str) -> list[str]:
        """Give back at once what a process held that has died, and tell the assets; its owners begin with ``owners``.

        A process that held several did not die over all of them. Those to which that happens ``SUSPECT_AFTER`` times in
        a row become ready as ``suspects``, which are tried alone, so that the one that kills processes is found.
        """
        return list(self._run("crashed", [TAKEN, TIMERS], owners, ASSETS))

    def settle(
        self,
        asset: AssetId,
        owner: str,
        state: str,
        *,
        reason: str = "",
        facts: Mapping[str, object] = {},
    ) -> int:
        """Settle the asset (``archived``, ``rejected``, ``expired``, ``set_aside``) and give its task's open ones.

        ``owner`` is the lease's, or empty for an asset that nobody holds. Raises ``LeaseLostError``, and
        ``FreshUrlError`` for an asset that is pending again instead.
        """
        keys = [asset_key(asset), task_key(asset.task_id), TIMERS, COUNTERS, TAKEN, *READY.values()]
        pairs = [value for item in facts.items() for value in item]
        still_open = self._run("settle", keys, asset, asset.task_id, owner, state, reason, GRACE, *pairs)
        if still_open == _HAS_FRESH_URL:
            raise FreshUrlError(str(asset))
        if still_open < 0:
            raise LeaseLostError(str(asset))
        return int(still_open)

    def make_ready(self, asset: AssetId) -> str:
        """Follow up an asset whose alarm rang.

        The reply is the queue of ``READY`` in which it became ready; empty where it needs nothing yet; ``expired``
        or ``poison`` where the caller should settle it; ``settled`` where it is.
        """
        keys = [asset_key(asset), TIMERS, TAKEN, *READY.values()]
        limits = (MAX_CRASHES, MAX_LAPSES, FINAL_SECONDS, SUSPECT_AFTER)
        return str(self._run("ready", keys, asset, self._urgent_window, *limits))

    def revive(self, asset: AssetId, *, deadline: float) -> bool:
        """Have an asset tried again that was given up, or at once if it waits in its backoff; False for any other."""
        keys = [task_key(asset.task_id), asset_key(asset), TIMERS, *READY.values()]
        siblings = f"{ASSETS}{asset.task_id}/"
        return bool(self._run("revive", keys, asset, deadline, siblings))

    def ready(self, *, unexpired: bool = False, most: int = _MANY) -> dict[str, int]:
        """Tell how many assets wait for a worker, by queue; those that have expired wait for the sweep alone.

        Beyond ``most`` nobody counts. Counting takes longer the more source hosts there are.
        """
        _, *waiting = self._run("count_waiting", [TIMERS, *READY.values()], unexpired or "", most)
        return dict(zip(READY, waiting, strict=True))

    def transferring(self) -> int:
        """Tell how many assets workers have in hand."""
        return int(self.redis.hlen(TAKEN))

    def upload_began(self, upload: str, *, before: str = "") -> None:
        """Note a multipart upload, in place of the one ``before``, so that it is aborted if its worker dies."""
        pipe = self.redis.pipeline()
        pipe.zadd(UPLOADS, {upload: self.now() + self.lease_seconds})
        pipe.zrem(UPLOADS, before)
        pipe.execute()

    def upload_begins(self, key: str) -> bool:
        """Tell whether somebody who is alive is creating an upload to the key."""
        living = self.redis.zrangebyscore(UPLOADS, self.now(), "+inf")
        return any(member.startswith(UNNAMED) and member.endswith(f" {key}") for member in map(str, living))

    def knows_upload(self, upload: str) -> bool:
        """Tell whether a multipart upload is noted."""
        return any(self.redis.zscore(key, upload) is not None for key in (UPLOADS, ORPHANS))

    def upload_ended(self, upload: str) -> None:
        """Forget a multipart upload that was completed or aborted."""
        pipe = self.redis.pipeline()
        pipe.zrem(UPLOADS, upload)
        pipe.zrem(ORPHANS, upload)
        pipe.execute()

    def orphaned_uploads(self) -> list[str]:
        """Give the multipart uploads whose worker has not been heard of for a whole lease."""
        now = self.now()
        pipe = self.redis.pipeline()
        for key in (UPLOADS, ORPHANS):
            pipe.zrangebyscore(key, "-inf", now, start=0, num=100)
        return list(map(str, chain.from_iterable(pipe.execute())))

    def postpone_orphan(self, upload: str) -> None:
        """Have an orphaned upload tried again after a lease. It shows no life meanwhile."""
        pipe = self.redis.pipeline()
        pipe.zadd(ORPHANS, {upload: self.now() + self.lease_seconds})
        pipe.zrem(UPLOADS, upload)
        pipe.execute()

    def due(self, *, limit: int) -> list[str]:
        """Take up to ``limit`` steps that are due: ``task/asset`` names, or a task's id for its manifest."""
        return list(self._run("due", [TIMERS, *READY.values()], limit, GRACE, self._urgent_window))

    def drop_timer(self, member: str) -> None:
        """Remove an alarm for which there is nothing to do."""
        self.redis.zrem(TIMERS, member)

    def count(self, what: str, label: str, reason: str, *, by: int = 1) -> None:
        """Add to a counter; ``what|label|reason`` are its name and its labels' values."""
        self.redis.hincrby(COUNTERS, f"{what}|{label}|{reason}", by)

    def counters(self) -> dict[str, int]:
        """Give all counters, by ``what|label|reason``."""
        counted: dict[str, str] = self.redis.hgetall(COUNTERS)  # type: ignore[assignment]
        return {name: int(value) for name, value in counted.items()}

    def in_flight(self) -> int:
        """Tell how many assets and manifests need another step."""
        return sum(self._run("count_waiting", [TIMERS, *READY.values()], "", _MANY))

    def next_steps(self, limit: int) -> list[tuple[str, float]]:
        """Give what comes first, with its time: the ready assets, by deadline (their time is 0), then the alarms."""
        pipe = self.redis.pipeline()
        for key in (*READY.values(), TIMERS):
            pipe.zrange(key, 0, limit - 1, withscores=True)
        *indexes, timers = pipe.execute()
        for key, hosts in zip(READY.values(), indexes, strict=True):
            for host, _ in hosts:
                pipe.zrange(f"{key}:{host}", 0, limit - 1, withscores=True)
        ready = sorted(chain.from_iterable(pipe.execute()), key=lambda waiting: waiting[1])
        return [*((member, 0.0) for member, _ in ready), *timers][:limit]

    def asset(self, asset: AssetId) -> dict[str, str]:
        """Give an asset's record, empty where there is none."""
        record: dict[str, str] = self.redis.hgetall(asset_key(asset))  # type: ignore[assignment]
        return asset_of(asset.task_id, record)

    def snapshot(self, task_id: str) -> TaskSnapshot | None:
        """Give all that is known of a task, or None."""
        record: dict[str, str] = self.redis.hgetall(task_key(task_id))  # type: ignore[assignment]
        if not record:
            return None
        names = names_in(record)
        pipe = self.redis.pipeline()
        for name in names:
            pipe.hgetall(asset_key(AssetId(task_id, name)))
        return snapshot_from(task_id, record, dict(zip(names, pipe.execute(), strict=True)))

    def lock_manifest(self, task_id: str, owner: str) -> bool:
        """Become the one who writes the task's manifest for the next seconds."""
        return bool(self.redis.set(lock_key(task_id), owner, nx=True, ex=_MANIFEST_LOCK))

    def manifest_written(self, snapshot: TaskSnapshot, owner: str, *, remember: float) -> bool:
        """Note that a manifest was written; False where the task has changed since ``snapshot``."""
        keys = [task_key(snapshot.task_id), lock_key(snapshot.task_id), TIMERS]
        keys += [asset_key(AssetId(snapshot.task_id, name)) for name in snapshot.assets]
        return bool(self._run("written", keys, snapshot.task_id, owner, snapshot.version, int(remember)))

    def forget_settled(self, *, count: int) -> bool:
        """Forget settled tasks with written manifests before their time, among about ``count`` records.

        Tell whether all records have been looked at; each call goes on where the last one ended. What is named again
        later is taken back from its manifest.
        """
        cursor, keys = self.redis.scan(int(self.redis.get(FORGETTING) or 0), match=task_key("*"), count=count)
        for key in map(str, keys):
            task_id = key.removeprefix(task_key(""))
            if ":" not in task_id:
                self._run("forget", [key], f"{ASSETS}{task_id}/")
        with suppress(ResponseError):  # a Redis that is full takes nothing; then the next call begins here again
            self.redis.set(FORGETTING, cursor)
        return not cursor

    def restore(self, snapshot: TaskSnapshot, *, remember: float | None) -> None:
        """Take back a settled task that Redis has forgotten; nothing happens if it is known.

        It is remembered so many seconds, or until its manifest is written if that is None.
        """
        task_id = snapshot.task_id
        task = {**task_fields(snapshot), _RECALLING: "1"}
        keys = [
            task_key(task_id),
            *(asset_key(AssetId(task_id, name)) for name in snapshot.assets),
        ]
        assets = (asset_fields(task_id, asset) for asset in snapshot.assets.values())
        fields = (value for record in (task, *assets) for value in _counted(record))
        self._run("restore", keys, "" if remember is None else int(remember), *fields)


def _task_fields(callback: Callback) -> dict[str, object]:
    """Give what a task's record takes from its latest callback; a field that says nothing is left out."""
    fields = {
        "code": "" if callback.code is None else callback.code,
        "meaning": callback.meaning,
        "message": callback.message,
        "fail_code": callback.fail_code,
        "failed_tracks": json.dumps(callback.failed_tracks) if callback.failed_tracks else "",
    }
    return {name: value for name, value in fields.items() if value != ""}


def _other_name(asset: Asset, layout: KeyLayout) -> tuple[str, str, str]:
    """Give what tells files apart that callbacks name by one path: the file's own name, and another name and key.

    Nothing of that for an asset that a family names: there a new URL is a fresh one of the same file.
    """
    if not asset.by_path:
        return "", "", ""
    other = asset.told_apart_by(asset.source_name)
    return asset.source_name, other.id.name, short_key(other.key(layout), asset.id.task_id)


def _counted(mapping: Mapping[str, object]) -> Iterator[object]:
    yield len(mapping)
    for item in mapping.items():
        yield from item
