"""The Lua scripts in ``lua/``. Redis runs each of them whole or not at all.

The scripts read the time from Redis, so hosts whose clocks differ agree on when a lease ends.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.commands.core import Script

#: Files with functions for other scripts. A script calls them by the file's name, or by that name and a dot.
_SHARED = ("clock", "mark_short", "names", "turns", "waiting")


@cache
def text(name: str) -> str:
    """Read a script's file."""
    return (files("workers.ledger.storage") / "lua" / f"{name}.lua").read_text()


def script(redis: "Redis", name: str) -> Script:
    """Prepare the script of that name, preceded by the shared functions that it calls."""
    own = text(name)
    shared = [text(each) for each in _SHARED if f"{each}(" in own or f"{each}." in own]
    return redis.register_script("".join([*shared, own]))


def redis_now(redis: "Redis") -> float:
    """Give the time in unix seconds by Redis's clock, as the scripts read it. Raises redis-py's errors."""
    seconds, micros = redis.time()
    return float(seconds) + float(micros) / 1e6


class Scripted:
    """The base class of the ledger's methods: the Redis client (``decode_responses=True``), its clock and the scripts.

    ``lease_seconds`` is the length of a lease. An asset with less than ``urgent_window`` seconds left is urgent.
    """

    def __init__(self, redis: "Redis", *, lease_seconds: float = 60.0, urgent_window: float = 86400.0) -> None:
        self.redis = redis
        self.lease_seconds = lease_seconds
        self._urgent_window = urgent_window
        self._scripts: dict[str, Script] = {}

    def now(self) -> float:
        """Give the time in unix seconds by Redis's clock."""
        return redis_now(self.redis)

    def _run(self, name: str, keys: list[str], *args: object) -> Any:  # noqa: ANN401 - each script has its own reply
        if name not in self._scripts:
            self._scripts[name] = script(self.redis, name)
        return self._scripts[name](keys=keys, args=[str(arg) for arg in args])
