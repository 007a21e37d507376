"""``stemvault replay``: enqueue kept callbacks, as if the provider had sent them now."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from app.ingress.keeping.batching import PublishError, open_queue
from config.settings import Settings
from workers.callbacks import Callback, parse_body, parse_callback, task_id_of
from workers.context import open_store
from workers.errors import TransientError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.ledger.connection import open_ledger

_PAGE = 1000
#: Callbacks read from the bucket at the same time: each waits for S3 twice.
_AT_ONCE = 8
#: Seconds to wait for the next callback to be recorded before giving up, and seconds between two looks.
_PATIENCE, _LOOK_EVERY = 10.0, 0.2


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A callback that was enqueued, and the object that contains it, if it came from the bucket."""

    name: str
    key: str
    body: bytes
    callback: Callback | None
    """The callback as this version reads it; None if this version does not recognise it."""
    task_id: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A callback that was not enqueued, and why. ``failed`` is False for one that is still not recognised."""

    name: str
    why: str
    failed: bool = True


def replay(console: Console, settings: Settings, names: Iterable[str]) -> bool:
    """Enqueue the callback in each file, and tell whether all were enqueued; a bad file does not stop the others.

    Named callbacks are enqueued even if this version does not recognise them, because the workers may be newer. A name
    below ``_unrecognized/`` is an object in the bucket, which is deleted when the callback is recorded.
    """
    replayed = _Replay(settings)
    found = [replayed.take(name, insist=True) for name in names]
    for each in found:
        if isinstance(each, Enqueued):
            console.print(f"{each.name}: enqueued, task {each.task_id}")
        else:
            console.print(f"[red]{each.name}: not enqueued: {each.why}")
    return _tell_deleted(console, replayed, found) and all(isinstance(each, Enqueued) for each in found)


def replay_unrecognized(console: Console, settings: Settings) -> bool:
    """Enqueue all callbacks under ``_unrecognized/``, and tell whether nothing failed."""
    replayed = _Replay(settings)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(chain.from_iterable(pool.map(replayed.take, keys) for keys in replayed.kept()))
    for each in found:
        if isinstance(each, NotTaken):
            console.print(f"[red]{each.name}: not enqueued: {each.why}" if each.failed else f"{each.name}: {each.why}")
    taken = sum(isinstance(each, Enqueued) for each in found)
    console.print(f"{taken} of {len(found)} callbacks enqueued")
    deleted = _tell_deleted(console, replayed, found)
    return deleted and not any(isinstance(each, NotTaken) and each.failed for each in found)


def _tell_deleted(console: Console, replayed: "_Replay", found: Iterable[Enqueued | NotTaken]) -> bool:
    """Delete from the bucket the callbacks that were recorded, and tell whether all were."""
    # A callback that this version does not recognise stays, because it cannot tell whether a worker has recorded it.
    from_bucket = [each for each in found if isinstance(each, Enqueued) and each.key and each.callback]
    left = replayed.forget_recorded(from_bucket)
    if from_bucket:
        console.print(f"{len(from_bucket) - len(left)} recorded by a worker and deleted from _unrecognized/")
    for name, why in left.items():
        console.print(f"[yellow]{name}: not deleted: {why}")
    return not left


class _Replay:
    """The queue, the ledger and the bucket of one run."""

    def __init__(self, settings: Settings) -> None:
        self._queue = open_queue(settings.redis_url.get_secret_value(), settings.redis_max_bytes)
        self._ledger = open_ledger(settings)
        self._store = open_store(settings)
        self._folder = settings.layout.unrecognized_key("")
        self._own_hosts = settings.own_hosts

    def kept(self) -> Iterator[list[str]]:
        """List the keys under ``_unrecognized/``, page by page, without the test objects of ``doctor``."""
        last = ""
        while keys := self._store.list(self._folder, limit=_PAGE, after=last):
            last = keys[-1]
            yield [key for key in keys if not key.startswith(f"{self._folder}doctor-")]

    def take(self, name: str, *, insist: bool = False) -> Enqueued | NotTaken:
        """Enqueue one callback, unless it is recorded already. One that is not recognised needs ``insist``."""
        key = self._key_of(name)
        try:
            body = self._store.read_text(key) if key else _read_file(name)
            if body is None:
                return NotTaken(name, "no such file or object")
            payload = parse_body(body)
            callback = self._read(payload, insist=insist)
            enqueued = Enqueued(name, key, body, callback, task_id_of(payload))
            if not self._is_recorded(enqueued):
                self._queue.publish(body.decode(), time.time())
        except UnreadableCallbackError as error:
            return NotTaken(name, str(error))
        except UnrecognizedCallbackError as error:
            return NotTaken(name, f"still not recognised, so it stays in the bucket: {error}", failed=False)
        except PublishError as error:
            return NotTaken(name, f"Redis did not answer ({error}); run this command again when it does")
        except TransientError as error:
            return NotTaken(name, f"the bucket did not answer ({error.detail}); run this command again when it does")
        return enqueued

    def forget_recorded(self, enqueued: Iterable[Enqueued]) -> dict[str, str]:
        """Delete each object when a worker has recorded its callback; give the names of the others, with the reason.

        An earlier deletion could lose the callback: a worker that cannot record it keeps it under the same key.
        """
        waiting = list(enqueued)
        left = {}
        give_up_at = time.monotonic() + _PATIENCE
        while waiting and time.monotonic() < give_up_at:
            recorded = [each for each in waiting if self._is_recorded(each)]
            for each in recorded:
                waiting.remove(each)
                try:
                    self._store.delete(each.key)
                except TransientError as error:
                    left[each.name] = (
                        f"{error.detail}; 'stemvault doctor --policy' prints the rights that the credentials need"
                    )
            if recorded:
                give_up_at = time.monotonic() + _PATIENCE
            else:
                time.sleep(_LOOK_EVERY)
        why = "not recorded: no worker runs, or it could not be recorded again ('stemvault status' shows the reason)"
        return left | {each.name: why for each in waiting}

    def _read(self, payload: dict[str, Any], *, insist: bool) -> Callback | None:
        """Read the callback as a worker does. Raises ``UnrecognizedCallbackError``, or with ``insist`` gives None."""
        try:
            return parse_callback(payload, own_hosts=self._own_hosts)
        except UnrecognizedCallbackError:
            if insist:
                return None
            raise

    def _is_recorded(self, enqueued: Enqueued) -> bool:
        return enqueued.callback is not None and self._ledger.has_recorded(enqueued.callback, enqueued.body)

    def _key_of(self, name: str) -> str:
        """Give the key of the object with this name, which may have the prefix; empty for the name of a file."""
        for folder in ("_unrecognized/", self._folder):
            if name.startswith(folder):
                return self._folder + name.removeprefix(folder)
        return ""


def _read_file(name: str) -> bytes | None:
    path = Path(name)
    return path.read_bytes() if path.is_file() else None
