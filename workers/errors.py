"""All errors of our own, as one small tree. ``reason`` is a fixed word: the metric's label and the ledger's text."""


class StemvaultError(Exception):
    """Root of all errors of our own."""


class UnreadableCallbackError(StemvaultError):
    """The body is not a JSON object that names a task. The message names the fault."""


class UnrecognizedCallbackError(StemvaultError):
    """The body names a task, but has none of the shapes that the provider documents."""


class CallbackFaultError(StemvaultError):
    """Reading a callback failed for an unknown reason: a fault in our code, and no outage."""


class LeaseLostError(StemvaultError):
    """Another worker has taken the asset over; this one must end its transfer and change nothing."""


class FreshUrlError(StemvaultError):
    """A callback has named a new URL during an attempt with the old one; the asset is pending again."""


class HandedBackError(StemvaultError):
    """The worker must stop before the transfer has ended; the asset is made ready for another worker."""


class AssetError(StemvaultError):
    """An asset could not be stored this time. ``detail`` is for people and contains no URL query."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TransientError(AssetError):
    """It may work later. ``retry_after`` is the source's ``Retry-After`` in seconds, if it sent one."""

    def __init__(self, reason: str, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class ShortError(TransientError):
    """The audio is shorter than announced. The longest so far, of ``seconds``, is kept under the key ``partial``."""

    def __init__(self, detail: str, *, partial: str, seconds: float) -> None:
        super().__init__("short", detail)
        self.partial = partial
        self.seconds = seconds


class PermanentError(AssetError):
    """It will not work later either; an operator has to examine it."""
