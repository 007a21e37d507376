"""The provider's refusals, as one small tree. ``reason`` is a fixed word, for metrics and logs."""

import re
from typing import ClassVar

from workers.callbacks.codes import meaning_of
from workers.errors import StemvaultError

_WORDS_OF_CREDITS = re.compile(r"credit|balance|insufficient|top.?up|积分|余额|额度", re.IGNORECASE)
_AMBIGUOUS = 429
_GATEWAY_CODES = frozenset({502, 503, 504})


class ProviderError(StemvaultError):
    """The provider did not give the state of a task. ``detail`` is our own text, and contains no URL."""

    reason: ClassVar[str] = "provider_error"
    for_all: bool = False
    """Whether other tasks would be refused, too, so that all of them should wait."""
    wait: ClassVar[float] = 60.0
    """Seconds of backoff to begin with."""

    def __init__(self, detail: str = "", *, for_all: bool | None = None) -> None:
        super().__init__(f"{self.reason}: {detail}" if detail else self.reason)
        self.detail = detail
        if for_all is not None:
            self.for_all = for_all


class WrongKeyError(ProviderError):
    """The provider does not accept our API key."""

    reason = "wrong_key"
    for_all = True
    wait = 600.0


class MaintenanceError(ProviderError):
    """The provider is under maintenance."""

    reason = "maintenance"
    for_all = True
    wait = 300.0


class RateLimitedError(ProviderError):
    """The provider was called too often."""

    reason = "rate_limited"
    for_all = True
    wait = 30.0


class OutOfCreditsError(ProviderError):
    """The account has no credits, or its key has reached its limit."""

    reason = "out_of_credits"
    for_all = True
    wait = 600.0


class NotOfferedError(ProviderError):
    """The host does not have the path. Other families have other paths, so they can still be asked about."""

    reason = "not_offered"
    wait = 3600.0


class RefusedError(ProviderError):
    """The provider refuses the question about this task."""

    reason = "refused"
    wait = 300.0


class ProviderFaultError(ProviderError):
    """The provider failed, or its answer cannot be used."""

    reason = "provider_fault"
    wait = 60.0


_BY_CODE: dict[int, type[ProviderError]] = {
    400: RefusedError,
    401: WrongKeyError,
    402: OutOfCreditsError,
    404: NotOfferedError,
    405: RateLimitedError,
    422: RefusedError,
    429: RateLimitedError,
    430: RateLimitedError,
    433: OutOfCreditsError,
    455: MaintenanceError,
}


def refusal(code: int | None, text: str = "") -> ProviderError:
    """Make the error for a code other than 200. ``text`` is the provider's message.

    429 means "called too often" on one of the provider's hosts and "out of credits" on the other; the message tells
    which.
    """
    kind = _BY_CODE.get(code or 0, ProviderFaultError)
    if code == _AMBIGUOUS and _WORDS_OF_CREDITS.search(text):
        kind = OutOfCreditsError
    detail = f"{code}, {meaning_of(code)}" if code is not None else "the answer has no usable code"
    return kind(detail, for_all=True if code in _GATEWAY_CODES else None)
