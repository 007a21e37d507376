"""The ledger: one record for each task and each asset, and the time of its next step.

Each unsettled asset has exactly one next step: it is in a ready set, where it waits for a worker until its
deadline, or in ``timers`` (``test_each_asset_has_exactly_one_next_step_until_it_is_settled``). A task whose manifest is
due is in ``timers`` too. Every change of state is one Lua script, so it happens whole or not at all and may be
repeated. All times are unix seconds by Redis's clock.

The scripts name records that they find in a set. Redis Cluster would not allow that; Celery does not run on it either.
"""

from workers.ledger.assets import Assets
from workers.ledger.storage.keys import FORMAT, FORMATS
from workers.ledger.tasks import Tasks
from workers.ledger.timers import Timers
from workers.ledger.uploads import Uploads


class Ledger(Tasks, Assets, Timers, Uploads):
    """The records of tasks and assets in Redis (a client with ``decode_responses=True``).

    All methods raise redis-py's errors.
    """

    def newest_format(self) -> int:
        """Register this version's format, and give the newest one that a worker on this Redis has registered."""
        self.redis.sadd(FORMATS, FORMAT)
        return max(int(each) for each in self.redis.smembers(FORMATS))
