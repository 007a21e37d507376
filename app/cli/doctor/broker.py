"""``stemvault doctor`` on Redis: its durability, its memory, and the format of the ledger in it."""

import math
from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from app.cli.doctor.finding import Finding
from config.settings import PREFIX, Settings
from workers.intake.fullness import SWEEP_FORGETS, RedisMemory
from workers.ledger.storage.keys import FORMAT, FORMATS

#: Bytes up to which Redis should store a hash's value compactly: most URLs are shorter. Redis's own default is 64.
_COMPACT_BYTES = 512
_FIRST_WITH_LISTPACKS = 7


def examine_broker(redis: "Redis", settings: Settings) -> Iterator[Finding]:
    """Examine Redis. The first finding tells whether it answers; if not, it is the only one.

    If Redis fails later, the findings that need it are left out.
    """
    try:
        info: dict[str, Any] = redis.info("server")
        # Redis 7 renamed ziplist to listpack and still answers to both names.
        names = ("appendonly", "appendfsync", "maxmemory-policy", "hash-max-ziplist-value")
        config = {name: str(redis.config_get(name).get(name) or "") for name in names}
    except RedisError as error:
        yield Finding("broker", "broker", good=False, advice=redis_fault(error, settings.redis_address))
        return
    version = str(info["redis_version"])
    yield Finding("broker", f"broker answers (Redis {version})", good=True)
    yield from _durability(config)
    yield _compactness(config, int(version.partition(".")[0]))
    yield from _ledger_format(redis)
    yield from _memory(redis, settings.redis_max_bytes)


def redis_fault(error: RedisError, address: str) -> str:
    """Name the fault of Redis and its remedy, in a sentence."""
    if isinstance(error, (AuthenticationError, NoPermissionError)):
        return f"Redis at {address} refused user or password ({type(error).__name__}). Correct {PREFIX}REDIS_URL."
    if isinstance(error, ResponseError):
        return f"Redis at {address} refused a command ({error}). Check user and database in {PREFIX}REDIS_URL."
    return (
        f"Redis did not answer at {address} ({type(error).__name__}). Check that {PREFIX}REDIS_URL is right and that "
        "Redis runs."
    )


def _durability(config: dict[str, str]) -> Iterator[Finding]:
    """Judge whether Redis can lose a callback that was acknowledged."""
    yield Finding(
        "broker_append_only",
        "broker keeps acknowledged callbacks across a restart",
        good=config["appendonly"] == "yes",
        advice="Start Redis with --appendonly yes. Otherwise a restart loses callbacks that were acknowledged.",
    )
    fsync = config["appendfsync"]
    yield Finding(
        "broker_fsync",
        "broker writes each command to disk before it answers",
        good=fsync == "always",
        warning=True,
        advice=f"appendfsync is {fsync}. Set it to always, or a crash can lose callbacks that were acknowledged.",
    )
    policy = config["maxmemory-policy"] or "noeviction"
    yield Finding(
        "broker_eviction",
        "broker never evicts keys",
        good=policy == "noeviction",
        warning=True,
        advice=f"maxmemory-policy is {policy}. Set it to noeviction, or Redis can drop callbacks when memory is short.",
    )


def _compactness(config: dict[str, str], version: int) -> Finding:
    option = "--hash-max-ziplist-value" if version < _FIRST_WITH_LISTPACKS else "--hash-max-listpack-value"
    return Finding(
        "broker_compact",
        "broker stores records compactly",
        good=int(config["hash-max-ziplist-value"] or 0) >= _COMPACT_BYTES,
        warning=True,
        advice=f"Start Redis with {option} 1024. An asset then needs two thirds of the memory.",
    )


def _ledger_format(redis: "Redis") -> Iterator[Finding]:
    """Check whether a newer version has written records that this version cannot read."""
    try:
        newest = max((int(each) for each in redis.smembers(FORMATS)), default=FORMAT)
    except RedisError:
        return
    yield Finding(
        "ledger_format",
        "ledger has this version's format",
        good=newest <= FORMAT,
        warning=True,
        advice=f"A newer version has written records of format {newest}. This version reads formats up to {FORMAT} and "
        "leaves the others alone: update this host.",
    )


def _memory(redis: "Redis", limit: int | None) -> Iterator[Finding]:
    """Judge how full Redis is; ``limit`` is STEMVAULT_REDIS_MAX_BYTES."""
    what = "broker has a memory limit"
    try:
        used, most = RedisMemory(redis, limit).usage()
    except ResponseError as error:
        advice = (
            f"Redis refused to tell its memory use ({error}), so Stemvault cannot keep it from filling up. "
            "Allow the user the command INFO."
        )
        yield Finding("broker_memory", what, good=False, warning=True, advice=advice)
        return
    except RedisError:
        return
    if math.isinf(most):
        advice = (
            f"Redis can take all memory of its host and be killed. Set Redis's maxmemory or {PREFIX}REDIS_MAX_BYTES."
        )
        yield Finding("broker_memory", what, good=False, warning=True, advice=advice)
        return
    yield Finding(
        "broker_memory",
        f"broker uses {used / most:.0%} of its memory",
        good=used / most < SWEEP_FORGETS,
        warning=True,
        advice="Give Redis more memory. Above 80 %, new callbacks wait in the bucket's inbox until there is space.",
    )
