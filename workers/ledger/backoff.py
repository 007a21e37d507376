"""The time of the next attempt, as a pure function."""

from dataclasses import dataclass

FIRST_DELAY = 5.0
MAX_DELAY = 900.0
#: At most this fraction of a delay is added at random, so that assets that failed together are not retried together.
JITTER = 0.25
#: The last attempt is made this long before the deadline.
LAST_CALL = 60.0

#: An asset is rejected after this many failed attempts in a row for the same reason. From 30 s, doubled each time, 7
#: delays take 63 minutes: content networks lag, but not for longer. A source may be busy for hours, so a slow one is
#: tried for more than four hours. An asset that fails for any other reason is tried until its deadline.
_LIMITED = ("gone", "refused", "not_media", "empty", "overlong", "undecodable", "internal_error", "short", "incomplete")
ATTEMPTS = {**dict.fromkeys(_LIMITED, 8), "slow": 24, "stalled": 24}
_FIRST_DELAY_OF_LIMITED = 30.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at ``at`` (unix seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Settle the asset as ``state``."""

    state: str


def is_last_chance(reason: str, last_reason: str, streak: int, *, deadline: float, now: float) -> bool:
    """Tell whether this attempt is the last one that may fail for ``reason``.

    This is so if the ``streak`` attempts before it failed for the same reason and one more failure is final, or if the
    deadline is so near that a later attempt is not certain.
    """
    failed_before = streak if last_reason == reason else 0
    return failed_before + 1 >= ATTEMPTS.get(reason, failed_before + 2) or deadline - now <= LAST_CALL


def next_step(  # noqa: PLR0913 - a pure function of six facts
    reason: str, streak: int, *, deadline: float, now: float, random: float, retry_after: float | None = None
) -> Retry | GiveUp:
    """Decide the next step after ``streak`` attempts in a row failed for ``reason``.

    ``random`` in [0, 1) sets the jitter, which only adds to a delay. ``retry_after`` (seconds) is the source's
    Retry-After header and a lower bound. No attempt is postponed past the deadline (unix seconds): a delay that would
    reach it ends ``LAST_CALL`` before it, if enough time is left.
    """
    if streak >= ATTEMPTS.get(reason, streak + 1):
        return GiveUp("rejected")
    if now >= deadline:
        return GiveUp("expired")
    first = _FIRST_DELAY_OF_LIMITED if reason in _LIMITED else FIRST_DELAY
    longest = max(MAX_DELAY, first * 2 ** (ATTEMPTS[reason] - 1)) if reason in _LIMITED else MAX_DELAY
    delay = min(longest, first * 2 ** min(streak - 1, 32))
    delay = max(delay, retry_after or 0.0) * (1 + JITTER * random)
    last_call = max(now + FIRST_DELAY, deadline - LAST_CALL)
    return Retry(min(now + delay, last_call, deadline))
