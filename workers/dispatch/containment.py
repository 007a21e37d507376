"""An error in one piece of work is logged and ends only that piece."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workers.errors import AssetError

log = structlog.get_logger()


@contextmanager
def contained(work: str) -> Iterator[None]:
    """Log any exception of the block and suppress it. The work itself comes back by a timer or a lapsed lease."""
    try:
        yield
    except (RedisError, KombuError) as error:
        log.warning("broker_away", work=work, error=type(error).__name__)
    except AssetError as error:
        log.warning("work_postponed", work=work, reason=error.reason, detail=error.detail)
    except Exception:
        log.exception("work_crashed", work=work)
