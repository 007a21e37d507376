"""Has a submitted task watched: in Redis, or by a note in the bucket's inbox while Redis is away.

``wait_for_turn`` comes before the request to the provider. It raises if neither Redis nor the bucket could take the
task (``test_with_redis_and_bucket_down_nothing_is_forwarded``). ``keep`` comes after the provider's answer.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from app.ingress.keeping.batching import PublishError
from app.ingress.keeping.safekeeping import Publish, open_safekeeping
from app.ingress.refusals import RefusedError
from config.settings import Settings
from workers.bucket.documents import Documents
from workers.connections.bounded import Bounded
from workers.errors import TransientError
from workers.provider.errors import ProviderError
from workers.s3.client import open_client
from workers.watching.notes import note_of
from workers.watching.pauses import pause_after
from workers.watching.watches import Watches

log = structlog.get_logger()

Kept = Literal["redis", "inbox", "no"]

#: The most seconds that a submission waits for its turn. Then it is sent without one.
MAX_WAIT = 2.0
#: Time limits in seconds for one answer of Redis, and for a write into the bucket; and how many of each may wait.
_REDIS_SECONDS, _BUCKET_SECONDS, _AT_ONCE = 2.0, 4.0, 32
_RETRY_AFTER = 10


class Keeping:
    """Keeps submitted tasks.

    ``publish`` stores the body of a note. ``try_bucket`` raises ``TransientError`` or ``OSError`` if the bucket takes
    no object. ``now`` gives unix seconds.
    """

    def __init__(
        self,
        watches: Watches,
        publish: Publish,
        try_bucket: Callable[[], object],
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._watches = watches
        self._publish = publish
        self._try_bucket = try_bucket
        self._sleep = sleep
        self._now = now
        self._redis = Bounded(_REDIS_SECONDS, at_once=_AT_ONCE)
        self._bucket = Bounded(_BUCKET_SECONDS, at_once=_AT_ONCE)

    def wait_for_turn(self) -> float | None:
        """Wait for a turn at the provider, ``MAX_WAIT`` at most; give the time by Redis's clock, or None without Redis.

        Raises ``RefusedError`` (503) if neither Redis nor the bucket can keep a task.
        """
        turns, left = self._watches.turns, MAX_WAIT
        try:
            while (wait := self._redis.call(turns.take)) > 0:
                if wait > left:
                    log.info("submission_without_turn", wait=round(wait, 1))
                    break
                self._sleep(wait)
                left -= wait
            return self._redis.call(turns.now)
        except (RedisError, OSError) as error:
            log.warning("redis_did_not_answer", error=type(error).__name__)
        try:
            self._bucket.call(self._try_bucket)
        except (TransientError, OSError) as error:
            log.error("nothing_can_be_kept", error=type(error).__name__)  # noqa: TRY400 - the kind is enough
            raise RefusedError(
                503,
                "unavailable",
                "The task could not be kept, so nothing was sent to the provider; send it again.",
                retry_after=_RETRY_AFTER,
            ) from None
        return None

    def keep(self, task_id: str, family: str) -> Kept:
        """Have a task watched, and tell where it is kept. Idempotent."""
        watches = self._watches
        try:
            self._redis.call(lambda: watches.add(task_id, family, "watch", after=watches.interval))
        except (RedisError, OSError) as error:
            log.warning("redis_did_not_answer", error=type(error).__name__)
        else:
            return "redis"
        try:
            self._publish(note_of(task_id, family), self._now())
        except PublishError:
            log.error("submitted_task_not_watched", task_id=task_id, family=family)  # noqa: TRY400 - the kind is enough
            return "no"
        return "inbox"

    def pause(self, error: ProviderError, *, sent_at: float | None) -> None:
        """Pause the requests about all tasks after a refusal of a request that was ``sent_at``; None: Redis is away."""
        if sent_at is None:
            return
        with suppress(RedisError, OSError):
            self._redis.call(lambda: pause_after(self._watches.turns, error, sent_at=sent_at))


def open_keeping(settings: Settings, watches: Watches) -> Keeping:
    """Open the inbox beside the watches. Nothing is connected to yet."""
    documents = Documents(
        open_client(connect_timeout=1, read_timeout=_BUCKET_SECONDS, attempts=1),
        settings.s3_bucket,
        upload_args=settings.s3_upload_args,
    )
    key = settings.layout.probe_key(f"console-{uuid4().hex}")

    def try_bucket() -> None:
        documents.write_text(key, b"", "text/plain")
        documents.delete(key)

    return Keeping(watches, open_safekeeping(settings).publish, try_bucket)
