"""The options of a fake provider, and the differences between the two kinds of host."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.embedded.provider.shapes.result import Kind

#: Code of "called too often", by kind of host. S uses 429 for missing credits.
TOO_OFTEN: Mapping[Kind, int] = {"K": 429, "S": 430}
#: Code of "out of credits", by kind of host.
NO_CREDITS: Mapping[Kind, int] = {"K": 402, "S": 429}
#: Polls per second that K allows for one task, by family. S publishes no limit.
TASK_LIMITS: Mapping[Kind, Mapping[str, int]] = {"K": {"music": 3, "jobs": 10}, "S": {}}


@dataclass(frozen=True)
class Options:
    """Options of one server. All times are in seconds."""

    kind: Kind = "K"
    key: str = "fake-provider-key"
    """The API key that it accepts."""
    port: int = 0
    """Its port on 127.0.0.1; 0 takes a free one."""
    origin: str = ""
    """Base URL of the results' files; empty: the server serves them itself under ``/files``."""
    clock: Callable[[], float] = time.time
    """Gives Unix seconds. Stages, links, limits and the request log follow it."""
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    """Gives the ids of submitted tasks."""
    stage_seconds: float = 1.0
    """A task stays so long in each of its stages. The last one never ends."""
    deliver: bool = True
    """Whether tasks send callbacks, unless ``add_task`` or ``plan`` says otherwise."""
    retry_seconds: float = 1.0
    """Pause before a failed callback is sent again."""
    callback_timeout: float = 15.0
    """A receiver that has not answered by then has failed. Real seconds."""
    signing_key: str = ""
    """If set, callbacks are signed with it."""
    rate_limit: int | None = None
    """Requests per second to the whole server, from which on they are refused. Limits for one task apply besides."""
    file_seconds: float = float("inf")
    """Lifetime of a file's URL."""
    file_status: int = 403
    """HTTP status of a URL whose lifetime is over."""
    song_repeats: int = 1
    """Length of each audio file, in units of 2.0375 s and 16 kB."""
