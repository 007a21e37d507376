"""What goes wrong with one piece of work is logged, and ends that piece alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workers.errors import AssetError

log = structlog.get_logger()


@contextmanager
def contained(work: str) -> Iterator[None]:
    """Log what the block raises, and let none of it out. Whatever can fail comes back by an alarm or a lease."""
    try:
        yield
    except (RedisError, KombuError) as error:
        log.warning("broker_away", work=work, error=type(error).__name__)
    except AssetError as error:
        log.warning("work_postponed", work=work, reason=error.reason, detail=error.detail)
    except Exception:
        log.exception("work_crashed", work=work)
