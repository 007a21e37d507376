"""The Lua scripts in ``lua/``. Redis runs each of them whole or not at all.

Time is read inside the scripts, from Redis: hosts whose clocks differ agree on when a lease ends.
"""

from functools import cache
from importlib.resources import files

from redis import Redis
from redis.commands.core import Script

#: Files with functions that other scripts call by the file's name, or by that name and a dot.
_SHARED = ("clock", "mark_short", "names", "waiting")


@cache
def text(name: str) -> str:
    """Read a script's file."""
    return (files("workers.ledger") / "lua" / f"{name}.lua").read_text()


def script(redis: "Redis", name: str) -> Script:
    """Prepare the script of that name, and before it the shared functions that it calls."""
    own = text(name)
    shared = [text(each) for each in _SHARED if f"{each}(" in own or f"{each}." in own]
    return redis.register_script("".join([*shared, own]))


def redis_now(redis: "Redis") -> float:
    """Give the time in unix seconds by Redis's clock, as the scripts read it. Raises redis-py's errors."""
    seconds, micros = redis.time()
    return float(seconds) + float(micros) / 1e6
