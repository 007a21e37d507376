"""Turns at the provider: a rate for the whole fleet, and a pause for each key after a refusal of all its requests."""

import hashlib
from dataclasses import dataclass

from redis import Redis

from workers.ledger.storage.keys import PREFIX
from workers.ledger.storage.scripts import redis_now, script

#: When the next request may be sent.
PROVIDER = PREFIX + "provider"
#: The keys (by fingerprint) that have, or lately had, a pause; the pause of each key; and the tasks whose requests
#: failed since this key's last answer.
_PAUSED_KEYS = PROVIDER + ":keys"
_PAUSE, _FAILED = PROVIDER + ":pause:", PROVIDER + ":failed:"
#: The most seconds of a pause, and how long a pause that no request has ended is remembered.
MAX_PAUSE = 900.0
_REMEMBER = 86400


@dataclass(frozen=True, slots=True)
class Pause:
    """Why no worker asks the provider with a key at present."""

    reason: str
    detail: str
    since: float
    """Unix seconds of the first refusal for this reason."""
    until: float
    """Unix seconds of the next request."""
    fingerprint: str
    """The address and key that it concerns (``fingerprint_of``)."""


class Turns:
    """The turns in Redis (a client with ``decode_responses=True``). All methods raise redis-py's errors.

    ``rate`` is in requests a second. ``fingerprint`` stands for the provider's address and the key: a refusal of one
    key does not keep another key from asking.
    """

    def __init__(self, redis: "Redis", *, rate: float = 5.0, fingerprint: str = "") -> None:
        self._redis = redis
        self.rate = rate
        self.fingerprint = fingerprint
        self.pause_key = _PAUSE + fingerprint
        self.failed_key = _FAILED + fingerprint
        self._take = script(redis, "take_turn")
        self._pause = script(redis, "pause_provider")
        self._resume = script(redis, "resume_provider")

    def take(self) -> float:
        """Take a turn: 0, or the seconds after which to try again."""
        return float(self._take(keys=[PROVIDER, self.pause_key], args=[self.rate]))

    def pause(  # noqa: PLR0913 - a refusal, and the request that was refused
        self, reason: str, detail: str, *, seconds: float, sent_at: float, task_id: str = "", different_tasks: int = 1
    ) -> tuple[float, bool]:
        """Pause all requests after a refusal of the request that was ``sent_at`` (unix seconds).

        ``seconds`` is the first pause; it doubles while the reason stays the same. With ``different_tasks``, that many
        tasks must have failed since the last answer. Give the pause in seconds, 0 if there is none yet, and whether
        the reason is new.
        """
        args: list[str | float] = [
            reason,
            detail,
            seconds,
            MAX_PAUSE,
            sent_at,
            task_id,
            different_tasks,
            _REMEMBER,
            self.fingerprint,
        ]
        wait, is_new = self._pause(keys=[self.pause_key, self.failed_key, _PAUSED_KEYS], args=args)
        return float(wait), bool(is_new)

    def resume(self, *, sent_at: float) -> str:
        """End the pause, as the provider has answered a request that was ``sent_at`` (unix seconds).

        Give the reason of the pause; empty if there was none, or if it began after the request was sent.
        """
        return str(self._resume(keys=[self.pause_key, self.failed_key], args=[sent_at]))

    def paused(self) -> Pause | None:
        """Give the present pause of this key, or None. It lasts until a request is answered."""
        return next((pause for pause in self.pauses() if pause.fingerprint == self.fingerprint), None)

    def pauses(self) -> list[Pause]:
        """Give the present pauses of all keys."""
        keys = sorted(map(str, self._redis.smembers(_PAUSED_KEYS)))
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(_PAUSE + key)
        found = dict(zip(keys, pipe.execute(), strict=True))
        if over := [key for key, known in found.items() if "reason" not in known]:
            self._redis.srem(_PAUSED_KEYS, *over)
        return [_pause_of(key, known) for key, known in found.items() if "reason" in known]

    def now(self) -> float:
        """Give the time in unix seconds by Redis's clock."""
        return redis_now(self._redis)


def _pause_of(key: str, known: dict[str, str]) -> Pause:
    return Pause(known["reason"], known["detail"], float(known["since"]), float(known["until"]), key)


def fingerprint_of(base_url: str, key: str) -> str:
    """Give a short digest of the provider's address and key, from which the key cannot be found."""
    return hashlib.sha256(f"{base_url}\n{key}".encode()).hexdigest()[:16]
