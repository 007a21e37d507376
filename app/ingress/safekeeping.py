"""An acknowledged callback's way to safety: into the queue, or into the bucket's inbox while the broker is down.

All of it in bounded time, below 2 s together: a dead broker or bucket is an error, not a hang. Resolving a name counts
(``tests/integration/test_outages.py``).
"""

import time
from collections.abc import Callable

import structlog

from app.ingress.batching import SOCKET_TIMEOUT, PublishError, open_queue
from config.settings import Settings
from workers.bucket.documents import Documents
from workers.connections.bounded import Bounded
from workers.errors import TransientError
from workers.intake import inbox
from workers.s3.client import open_client

log = structlog.get_logger()

#: (body as it came, unix seconds of its arrival) → kept; raises PublishError
Publish = Callable[[str, float], None]

#: After a failure the broker is asked second, not first, for this long: an outage must not cost every request its wait.
_BROKER_REST = 3.0
#: Writing into the inbox may take this long, and so many writes may be under way at once.
_INBOX_SECONDS, _INBOX_AT_ONCE = 0.9, 64


class Safekeeping:
    """Puts a callback where an acknowledged one is safe: the queue, else the inbox."""

    def __init__(
        self, enqueue: Publish, put_into_inbox: Publish, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._enqueue = enqueue
        self._put_into_inbox = put_into_inbox
        self._monotonic = monotonic
        self._broker_failed_at = -_BROKER_REST

    def publish(self, body: str, received_at: float) -> None:
        """Keep a callback. Raises ``PublishError`` where neither broker nor bucket takes it."""
        ways = [("queue", self._try_queue), ("inbox", self._put_into_inbox)]
        if self._monotonic() - self._broker_failed_at < _BROKER_REST:
            ways.reverse()
        for name, way in ways:
            try:
                way(body, received_at)
            except PublishError as error:
                log.warning("callback_not_kept_here", where=name, error=str(error))
                continue
            if name == "inbox":
                log.info("callback_kept_in_inbox")
            return
        raise PublishError("neither broker nor bucket answered")

    def _try_queue(self, body: str, received_at: float) -> None:
        try:
            self._enqueue(body, received_at)
        except PublishError:
            self._broker_failed_at = self._monotonic()
            raise


def open_safekeeping(settings: Settings) -> Safekeeping:
    """Open the queue and the inbox that the settings name; nothing is connected to yet."""
    documents = Documents(
        open_client(connect_timeout=SOCKET_TIMEOUT, read_timeout=SOCKET_TIMEOUT, attempts=1),
        settings.s3_bucket,
        upload_args=settings.s3_upload_args,
    )

    writing = Bounded(_INBOX_SECONDS, at_once=_INBOX_AT_ONCE)

    def put_into_inbox(body: str, received_at: float) -> None:
        try:
            writing.call(lambda: inbox.keep(documents, settings.layout, body.encode(), received_at))
        except TransientError as error:
            raise PublishError(error.detail) from None
        except OSError as error:
            raise PublishError(str(error)) from None

    queue = open_queue(settings.redis_url.get_secret_value(), settings.redis_max_bytes)
    return Safekeeping(queue.publish, put_into_inbox)
