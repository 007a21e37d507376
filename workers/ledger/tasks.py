"""A task's record: callbacks are added, its manifest is written, and then the record is forgotten or restored."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from redis.exceptions import ResponseError

from config.layout import KeyLayout
from workers.callbacks import Callback
from workers.callbacks.assets import Asset, AssetId
from workers.errors import TransientError
from workers.ledger.storage.keys import ASSETS, COUNTERS, FORGETTING, READY, TIMERS, asset_key, lock_key, task_key
from workers.ledger.storage.scripts import Scripted
from workers.ledger.storage.stored_form import (
    asset_fields,
    field_of,
    kept_callback,
    latest_fields,
    names_in,
    short_key,
    snapshot_from,
    task_fields,
)
from workers.ledger.timers import GRACE
from workers.ledger.values.records import Recorded, TaskSnapshot

#: The record of a task keeps no more callbacks and assets than these. A task has at most three stages, each repeated
#: word for word, so more different bodies or files are an attack or a fault.
MAX_CALLBACKS, MAX_TASK_ASSETS = 50, 2000
#: An earlier stage never replaces a later one, in any order of arrival
#: (``test_a_late_first_does_not_take_a_complete_back``).
STAGE_RANK = {"pending": 0, "text": 1, "first": 2, "complete": 3, "error": 3}

DEFAULT_LAYOUT = KeyLayout()
#: A field of a task's record while it is restored from the manifest.
_RECALLING = "recalling"
#: Seconds for which a manifest is locked. Writing one usually takes less. If it takes longer, two processes may write,
#: and the record's version tells both (``test_an_outdated_manifest_does_not_end_the_timer_of_its_task``).
_MANIFEST_LOCK = 10


class Tasks(Scripted):
    """The ledger's methods for the records of tasks."""

    def knows(self, task_id: str) -> bool:
        """Tell whether the task has a record, completely restored from its manifest if it was forgotten before."""
        pipe = self.redis.pipeline()
        pipe.exists(task_key(task_id))
        pipe.hexists(task_key(task_id), _RECALLING)
        exists, recalling = pipe.execute()
        return bool(exists and not recalling)

    def family(self, task_id: str) -> str:
        """Give the family in a task's record; empty without a record."""
        return str(self.redis.hget(task_key(task_id), "family") or "")

    def settled(self, tasks: Iterable[str]) -> list[bool]:
        """Tell of each task whether it has no open asset and its manifest is written; True without a record."""
        pipe = self.redis.pipeline(transaction=False)
        for task_id in tasks:
            pipe.hmget(task_key(task_id), "open", "version", "written")
        return [(is_open or "0") == "0" and version == written for is_open, version, written in pipe.execute()]

    def is_finished(self, task_id: str) -> bool:
        """Tell whether a callback of the last stage is in a task's record."""
        return int(self.redis.hget(task_key(task_id), "rank") or 0) >= STAGE_RANK["complete"]

    def recalled(self, task_id: str) -> None:
        """Note that a task is completely restored from its manifest."""
        self.redis.hdel(task_key(task_id), _RECALLING)

    def has_recorded(self, callback: Callback, body: bytes) -> bool:
        """Tell whether the task's record has the callback with this body, and every asset that it names."""
        field = field_of(hashlib.sha256(body).digest())
        known, names = self.redis.hmget(task_key(callback.task_id), field, "assets")
        return bool(known) and {asset.id.name for asset in callback.assets} <= set(str(names or "").split("\n"))

    def record(  # noqa: PLR0913 - a callback, and all that decides the fate of its files
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
        """Record a callback and its assets, each given as (asset, its key, its deadline in unix seconds).

        A new asset becomes ready for a worker. A known one that is not archived gets a new URL: that of the later stage
        counts, then that of the later arrival. A known body changes nothing. A record has at most ``MAX_CALLBACKS``
        different callbacks and ``MAX_TASK_ASSETS`` assets; the reply tells how many were too many.

        With ``replay`` the body was recorded elsewhere before: its URLs count, but no asset that was given up is tried
        again. Raises ``TransientError`` (``forgotten``) if the task was ``known`` and its record is gone now: the
        manifest has to be read first.
        """
        named = list(assets)
        keys = [task_key(callback.task_id), TIMERS, COUNTERS, *READY.values()]
        reply = self._run(
            "record",
            [*keys, *(asset_key(asset.id) for asset, _, _ in named)],
            self._urgent_window,
            *_callback_arguments(callback, body, received_at, known=known, replay=replay),
            *(value for each in named for value in _asset_arguments(*each, layout)),
        )
        if not reply:
            raise TransientError("forgotten", "the task was forgotten a moment ago, to make room")
        return _recorded(reply)

    def snapshot(self, task_id: str) -> TaskSnapshot | None:
        """Give a task's whole record, or None if there is none."""
        record: dict[str, str] = self.redis.hgetall(task_key(task_id))  # type: ignore[assignment]
        if not record:
            return None
        names = names_in(record)
        pipe = self.redis.pipeline()
        for name in names:
            pipe.hgetall(asset_key(AssetId(task_id, name)))
        return snapshot_from(task_id, record, dict(zip(names, pipe.execute(), strict=True)))

    def lock_manifest(self, task_id: str, owner: str) -> bool:
        """Lock the task's manifest for ``_MANIFEST_LOCK`` seconds; False if another owner has locked it."""
        return bool(self.redis.set(lock_key(task_id), owner, nx=True, ex=_MANIFEST_LOCK))

    def manifest_written(self, snapshot: TaskSnapshot, owner: str, *, remember: float) -> bool:
        """Note that a manifest was written; False if the task has changed since ``snapshot``.

        A settled task is forgotten after ``remember`` seconds.
        """
        keys = [task_key(snapshot.task_id), lock_key(snapshot.task_id), TIMERS]
        keys += [asset_key(AssetId(snapshot.task_id, name)) for name in snapshot.assets]
        return bool(self._run("written", keys, snapshot.task_id, owner, snapshot.version, int(remember)))

    def forget_settled(self, *, count: int) -> bool:
        """Forget settled tasks with written manifests before their time, among about ``count`` records.

        Tell whether all records have been examined; each call continues where the last one ended. A later callback
        restores a forgotten task from its manifest.
        """
        cursor, keys = self.redis.scan(int(self.redis.get(FORGETTING) or 0), match=task_key("*"), count=count)
        for key in map(str, keys):
            task_id = key.removeprefix(task_key(""))
            if ":" not in task_id:
                self._run("forget", [key], f"{ASSETS}{task_id}/")
        with suppress(ResponseError):  # A full Redis refuses the write; the next call then begins here again.
            self.redis.set(FORGETTING, cursor)
        return not cursor

    def restore(self, snapshot: TaskSnapshot, *, remember: float | None) -> None:
        """Restore a settled task that Redis has forgotten. A task that has a record stays as it is.

        The record lasts ``remember`` seconds, or until its manifest is written if that is None.
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


def _callback_arguments(
    callback: Callback, body: str, received_at: float, *, known: bool, replay: bool
) -> Iterator[object]:
    """Give record.lua's arguments for a callback, and the limits of a task's record."""
    yield GRACE
    yield callback.task_id
    yield STAGE_RANK[callback.stage]
    yield callback.family
    yield callback.stage
    yield field_of(hashlib.sha256(body.encode()).digest())
    yield kept_callback(callback.task_id, received_at, body)
    yield MAX_CALLBACKS
    yield MAX_TASK_ASSETS
    yield ASSETS
    yield "\n".join(callback.notes)
    yield received_at
    yield "1" if known else ""
    yield "1" if replay else ""
    yield from _counted(latest_fields(callback))


def _asset_arguments(asset: Asset, key: str, deadline: float, layout: KeyLayout) -> Iterator[object]:
    """Give record.lua's arguments for one asset."""
    yield asset.id.name
    yield asset.url
    yield short_key(key, asset.id.task_id)
    yield deadline
    yield "" if asset.seconds is None else asset.seconds
    yield "1" if asset.optional else ""
    yield from _other_name(asset, layout)


def _other_name(asset: Asset, layout: KeyLayout) -> tuple[str, str, str]:
    """Give the URL's file name, and the asset's name and key in case its path already names a file of another name.

    All are empty for an asset that a family names: there a new URL is a fresh one of the same file
    (``test_another_file_under_the_same_path_is_another_asset_and_a_fresh_url_is_not``).
    """
    if not asset.by_path:
        return "", "", ""
    other = asset.told_apart_by(asset.source_name)
    return asset.source_name, other.id.name, short_key(other.key(layout), asset.id.task_id)


def _recorded(reply: list[int]) -> Recorded:
    """Read record.lua's reply."""
    open_assets, changed, urgent, others, kept, surplus = reply
    ready = {"urgent": urgent, "assets": others}
    return Recorded(changed=bool(changed), open=open_assets, ready=ready, kept=bool(kept), surplus=surplus)


def _counted(mapping: Mapping[str, object]) -> Iterator[object]:
    """Give the number of items, then each name and value, as the scripts read a mapping."""
    yield len(mapping)
    for item in mapping.items():
        yield from item
