"""``stemvault doctor``: try every part for real, and say how to mend what is wrong."""

import json
import math
import os
import time
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from rich.console import Console

from app.cli.doctor.bucket import examine_bucket
from app.cli.doctor.finding import Finding
from config.settings import PREFIX, Settings, SettingsError, load_settings
from workers.intake.fullness import SWEEP_FORGETS, Room
from workers.ledger.connection import open_redis
from workers.ledger.keys import FORMAT, FORMATS
from workers.ledger.scripts import redis_now
from workers.liveness.signs_of_life import SILENCE, SignsOfLife

#: As long as most URLs are; Redis's own default is 64.
_COMPACT_BYTES = 512
_FIRST_WITH_LISTPACKS = 7
_SHORTEST_TOKEN = 16
#: Seconds by which clocks may differ, as they do where NTP runs.
_MAX_SKEW = 2.0
_MARKS = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]FAIL[/red]"}
#: Seconds to wait for Redis.
_PATIENCE = 5.0


def examine_as_json() -> tuple[str, bool]:
    """Give all findings as a JSON list, and tell whether Stemvault could run like this."""
    findings = list(_findings())
    return json.dumps([each.as_json() for each in findings], indent=1), all(each.passes for each in findings)


def examine(console: Console) -> bool:
    """Print a line a finding and tell whether Stemvault could run like this."""
    healthy = True
    for finding in _findings():
        console.print(f"{_MARKS[finding.verdict]}  {finding.what}", highlight=False, soft_wrap=True)
        if not finding.good:
            console.print(f"      {finding.advice}", highlight=False, soft_wrap=True, markup=False)
        healthy = healthy and finding.passes
    return healthy


def _findings() -> Iterator[Finding]:
    yield from unknown_variables()
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "settings", good=False, advice="\n      ".join(error.faults))
        return
    yield Finding("settings", "settings", good=True)
    if settings.allow_unsigned and not (settings.webhook_hmac_keys or settings.callback_token):
        advice = (
            f"Anyone who finds the URL may send callbacks. Set {PREFIX}WEBHOOK_HMAC_KEYS or {PREFIX}CALLBACK_TOKEN."
        )
        yield Finding("authentication", "callbacks are unsigned", good=False, warning=True, advice=advice)
    if settings.callback_token and len(settings.callback_token.get_secret_value()) < _SHORTEST_TOKEN:
        advice = f"It can be guessed. Make one of {_SHORTEST_TOKEN} characters or more: openssl rand -hex 16"
        yield Finding("callback_token", "callback token is short", good=False, warning=True, advice=advice)
    if settings.s3_prefix and not settings.s3_prefix.endswith("/"):
        advice = f"Keys begin like {settings.s3_prefix}<task id>. Write {settings.s3_prefix}/ if a folder is meant."
        yield Finding("s3_prefix", "S3 prefix does not end in a slash", good=False, warning=True, advice=advice)
    redis = open_redis(settings.redis_url.get_secret_value(), timeout=_PATIENCE, connect_timeout=_PATIENCE)
    broker = list(_broker(redis, settings.redis_address))
    yield from broker
    if broker[0].good:
        yield from _format(redis)
        yield from _room(redis, settings.redis_max_bytes)
        yield from _clock(redis)
        yield from _fleet(redis)
    yield from examine_bucket(settings)


def unknown_variables() -> Iterator[Finding]:
    """Find what looks like a setting of ours and is none."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}BIND", f"{PREFIX}PUBLISH"}
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        own = {each.removeprefix(PREFIX): each for each in known}
        similar = [own[each] for each in get_close_matches(name.removeprefix(PREFIX), own, n=1)]
        hint = f"Did you mean {similar[0]}?" if similar else "Remove it, or see README.md for the settings there are."
        yield Finding("unknown_variable", f"{name} is no setting", good=False, warning=True, advice=hint)


def told(error: RedisError, address: str) -> str:
    """Say what is wrong with Redis, and what to look at."""
    if isinstance(error, (AuthenticationError, NoPermissionError)):
        return f"Redis at {address} refused user or password ({type(error).__name__}): look at {PREFIX}REDIS_URL."
    if isinstance(error, ResponseError):
        return f"Redis at {address} refused a command ({error}): look at {PREFIX}REDIS_URL."
    return f"Redis did not answer at {address} ({type(error).__name__}). Is {PREFIX}REDIS_URL right, and Redis up?"


def _broker(redis: "Redis", address: str) -> Iterator[Finding]:
    try:
        info: dict[str, Any] = redis.info("server")
        policy = redis.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
        append_only = redis.config_get("appendonly").get("appendonly", "")
        fsync = redis.config_get("appendfsync").get("appendfsync", "")
        # Redis 7 calls it listpack; both names mean the same there.
        compact = int(redis.config_get("hash-max-ziplist-value").get("hash-max-ziplist-value") or 0)
    except RedisError as error:
        yield Finding("broker", "broker", good=False, advice=told(error, address))
        return
    yield Finding("broker", f"broker answers (Redis {info['redis_version']})", good=True)
    old = int(str(info["redis_version"]).partition(".")[0]) < _FIRST_WITH_LISTPACKS
    option = "--hash-max-ziplist-value" if old else "--hash-max-listpack-value"
    yield Finding(
        "broker_append_only",
        "broker keeps what it acknowledged across a restart",
        good=append_only == "yes",
        advice="Start Redis with --appendonly yes, or a restart loses callbacks that were acknowledged.",
    )
    yield Finding(
        "broker_fsync",
        "broker writes each command to disk before it answers",
        good=fsync == "always",
        warning=True,
        advice=f"appendfsync is {fsync}: set always, or a crash can lose callbacks that were acknowledged.",
    )
    yield Finding(
        "broker_eviction",
        "broker never evicts",
        good=policy == "noeviction",
        warning=True,
        advice=f"maxmemory-policy is {policy}: set noeviction, or Redis may drop callbacks when memory is short.",
    )
    yield Finding(
        "broker_compact",
        "broker keeps records compact",
        good=compact >= _COMPACT_BYTES,
        warning=True,
        advice=f"Start Redis with {option} 1024: an asset then takes two thirds of the memory.",
    )


def _format(redis: "Redis") -> Iterator[Finding]:
    """Look whether a newer version has written records that this one does not see."""
    try:
        newest = max((int(each) for each in redis.smembers(FORMATS)), default=FORMAT)
    except RedisError:
        return  # told already
    yield Finding(
        "ledger_format",
        "ledger has this version's format",
        good=newest <= FORMAT,
        warning=True,
        advice=f"A newer version writes format {newest}; this one reads up to {FORMAT} and leaves those tasks alone.",
    )


def _room(redis: "Redis", limit: int | None) -> Iterator[Finding]:
    what = "broker has a limit to its memory"
    try:
        used, most = Room(redis, limit).usage()
    except ResponseError as error:
        advice = f"Redis does not tell how much it uses ({error}), so nothing keeps it from filling up: allow INFO."
        yield Finding("broker_memory", what, good=False, warning=True, advice=advice)
        return
    except RedisError:
        return  # told already
    if math.isinf(most):
        advice = f"Set Redis's maxmemory or {PREFIX}REDIS_MAX_BYTES, or Redis can take all memory and be killed."
        yield Finding("broker_memory", what, good=False, warning=True, advice=advice)
        return
    yield Finding(
        "broker_memory",
        f"broker uses {used / most:.0%} of its memory",
        good=used / most < SWEEP_FORGETS,
        warning=True,
        advice="Give Redis more memory: from 80 % on callbacks wait in the bucket's inbox until there is room.",
    )


def _clock(redis: "Redis") -> Iterator[Finding]:
    """Compare this host's clock with Redis's, by which the fleet counts leases and deadlines."""
    try:
        before, theirs, after = time.time(), redis_now(redis), time.time()
    except RedisError:
        return  # told already
    ahead = (before + after) / 2 - theirs
    yield Finding(
        "clock_skew",
        f"this host's time is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} Redis's",
        good=abs(ahead) <= _MAX_SKEW,
        warning=True,
        advice="The ingress checks signatures by its own clock, and so does S3: synchronize the hosts, by NTP say.",
    )


def _fleet(redis: "Redis") -> Iterator[Finding]:
    """Look for workers and clocks. They may be started later, so their absence is a warning."""
    try:
        fleet = SignsOfLife(redis).fleet()
    except RedisError:
        return  # told already
    yield Finding(
        "workers",
        f"{fleet.workers} workers are there" if fleet.workers else "no worker is there",
        good=bool(fleet.workers),
        warning=True,
        advice="Callbacks are kept and nothing is archived. Start one: celery -A workers worker",
    )
    yield Finding(
        "clocks",
        f"{fleet.clocks} beats are there" if fleet.clocks else "no beat is there",
        good=bool(fleet.clocks),
        warning=True,
        advice="Nothing that failed is tried again. Start one: celery -A workers beat",
    )
    if fleet.workers and fleet.clocks:
        since = fleet.since_sweep
        made = since is not None and since < SILENCE
        ago = "in the last hour" if since is None else f"for {since:.0f} s"
        yield Finding(
            "sweep",
            "the sweep is made" if made else f"no sweep was made {ago}",
            good=made,
            warning=True,
            advice="No worker takes the sweep to its end. The workers' logs tell why, if all use the same Redis.",
        )
