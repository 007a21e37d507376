"""Stores a callback before it is acknowledged: in the queue, or in the bucket's inbox if the broker is down.

Both tries together take less than 2 s, with name resolution: a dead broker or bucket is an error, not a hang
(``tests/integration/test_outages.py``).
"""

import time
from collections.abc import Callable

import structlog

from app.ingress.keeping.batching import SOCKET_TIMEOUT, PublishError, open_queue
from config.settings import Settings
from workers.bucket.documents import Documents
from workers.connections.bounded import Bounded
from workers.errors import TransientError
from workers.intake import inbox
from workers.s3.client import open_client

log = structlog.get_logger()

#: (body as received, unix seconds of its arrival) → stored; raises PublishError
Publish = Callable[[str, float], None]

#: Seconds after a failure of the broker in which the bucket is tried first: not every request must wait for the broker.
_BROKER_REST = 3.0
#: Time limit in seconds for a write into the inbox, and how many may run at once.
_INBOX_SECONDS, _INBOX_AT_ONCE = 0.9, 64


class Safekeeping:
    """Stores callbacks in the queue, or else in the inbox."""

    def __init__(
        self, enqueue: Publish, put_into_inbox: Publish, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._enqueue = enqueue
        self._put_into_inbox = put_into_inbox
        self._monotonic = monotonic
        self._broker_failed_at = -_BROKER_REST

    def publish(self, body: str, received_at: float) -> None:
        """Store a callback. Raises ``PublishError`` if neither broker nor bucket accepts it."""
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
    """Open the queue and the inbox that the settings name. Nothing is connected to yet."""
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
