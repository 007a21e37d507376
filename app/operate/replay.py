"""``stemvault replay``: take in callbacks that somebody kept, as if the provider had sent them now."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from app.publish import CallbackQueue, PublishError
from config.settings import Settings
from workers.callback import parse_body, task_id_of
from workers.errors import UnreadableCallbackError


def replay(console: Console, settings: Settings, paths: Iterable[Path]) -> bool:
    """Enqueue the callback in each file, and tell whether all were; a bad file does not stop the others."""
    queue = CallbackQueue(settings.redis_url.get_secret_value())
    taken = [_replay_one(console, queue, path) for path in paths]
    return all(taken)


def _replay_one(console: Console, queue: CallbackQueue, path: Path) -> bool:
    body = path.read_bytes()
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
