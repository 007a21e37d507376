"""``stemvault replay``: take in callbacks that somebody kept, as if the provider had sent them now."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from app.callback_queue import CallbackQueue, PublishError, open_queue
from config.settings import Settings
from workers.callbacks import parse_body, task_id_of
from workers.errors import UnreadableCallbackError
from workers.vault import open_store


def replay(console: Console, settings: Settings, names: Iterable[str]) -> bool:
    """Enqueue the callback in each file, and tell whether all were; a bad file does not stop the others.

    A name below ``_unrecognized/`` is an object in the bucket, which is left there.
    """
    queue = open_queue(settings.redis_url.get_secret_value())
    taken = [_replay_one(console, queue, name, _read(settings, name)) for name in names]
    return all(taken)


def _read(settings: Settings, name: str) -> bytes | None:
    folder = settings.layout.unrecognized_key("")
    if name.startswith(("_unrecognized/", folder)):
        key = settings.layout.unrecognized_key(name.rpartition("/")[2])
        return open_store(settings).read_text(key)
    path = Path(name)
    return path.read_bytes() if path.is_file() else None


def _replay_one(console: Console, queue: CallbackQueue, path: str, body: bytes | None) -> bool:
    if body is None:
        console.print(f"[red]{path}: not taken: there is no such file")
        return False
    try:
        task_id = task_id_of(parse_body(body))
        queue.publish(body.decode(), time.time())
    except UnreadableCallbackError as error:
        console.print(f"[red]{path}: not taken: {error}")
        return False
    except PublishError as error:
        console.print(f"[red]{path}: not taken: Redis did not answer ({error}); try again when it does")
        return False
    console.print(f"{path}: enqueued, task {task_id}")
    return True
