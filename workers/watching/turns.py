"""Turns at the provider: a rate for the whole fleet, and one pause for all after a refusal that concerns all tasks."""

import hashlib
from dataclasses import dataclass

from redis import Redis

from workers.ledger.storage.keys import PREFIX
from workers.ledger.storage.scripts import redis_now, script

#: When the next request may be sent, and the pause: reason, detail, since, until.
PROVIDER = PREFIX + "provider"
#: The most seconds of a pause.
MAX_PAUSE = 900.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Why no worker asks the provider at present."""

    reason: str
    detail: str
    since: float
    """Unix seconds of the first refusal for this reason."""
    until: float
    """Unix seconds of the next request."""


class Turns:
    """The turns in Redis (a client with ``decode_responses=True``). All methods raise redis-py's errors.

    ``rate`` is in requests a second. ``fingerprint`` stands for the provider's address and the key: a refusal of one
    key does not keep another key from asking.
    """

    def __init__(self, redis: "Redis", *, rate: float = 5.0, fingerprint: str = "") -> None:
        self._redis = redis
        self.rate = rate
        self.fingerprint = fingerprint
        self._take = script(redis, "take_turn")
        self._pause = script(redis, "pause_provider")
        self._resume = script(redis, "resume_provider")

    def take(self) -> float:
        """Take a turn: 0, or the seconds after which to try again."""
        return float(self._take(keys=[PROVIDER], args=[self.rate, self.fingerprint]))

    def pause(self, reason: str, detail: str, *, seconds: float, sent_at: float) -> tuple[float, bool]:
        """Pause all requests after a refusal of the request that was ``sent_at`` (unix seconds).

        ``seconds`` is the first pause; it doubles while the reason stays the same. Give the pause in seconds, and
        whether the reason is new.
        """
        args: list[str | float] = [reason, detail, seconds, MAX_PAUSE, self.fingerprint, sent_at]
        wait, is_new = self._pause(keys=[PROVIDER], args=args)
        return float(wait), bool(is_new)

    def resume(self, *, sent_at: float) -> str:
        """End the pause, as the provider has answered a request that was ``sent_at`` (unix seconds).

        Give the reason of the pause; empty if there was none, or if it began after the request was sent.
        """
        return str(self._resume(keys=[PROVIDER], args=[sent_at]))

    def paused(self) -> Pause | None:
        """Give the present pause, or None. It lasts until a request is answered."""
        known: dict[str, str] = self._redis.hgetall(PROVIDER)  # type: ignore[assignment]
        if "reason" not in known:
            return None
        return Pause(known["reason"], known.get("detail", ""), float(known["since"]), float(known["until"]))

    def now(self) -> float:
        """Give the time in unix seconds by Redis's clock."""
        return redis_now(self._redis)


def fingerprint_of(base_url: str, key: str) -> str:
    """Give a short digest of the provider's address and key, from which the key cannot be found."""
    return hashlib.sha256(f"{base_url}\n{key}".encode()).hexdigest()[:16]
