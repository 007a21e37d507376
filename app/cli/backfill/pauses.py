"""The messages of a backfill while the provider refuses to answer, and the end of its waiting."""

from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from config.settings import PREFIX
from workers.errors import StemvaultError
from workers.watching.turns import Pause

#: Seconds for which a pause for a wrong key may last before the backfill ends. The pause of an earlier key ends when a
#: worker with another one takes a turn.
KEY_PATIENCE = 15.0
_WRONG_KEY = "wrong_key"


class ProviderRefusesError(StemvaultError):
    """The provider does not accept the fleet's API key, so waiting does not help."""


class Pauses:
    """Tells each pause once."""

    def __init__(self, console: Console, monotonic: Callable[[], float]) -> None:
        self._console = console
        self._monotonic = monotonic
        self._told: tuple[str, float] | None = None
        self._refused_since: float | None = None

    def look(self, pause: Pause | None) -> None:
        """Take the present pause. Raises ``ProviderRefusesError`` if the key is wrong and stays so."""
        if pause is None:
            if self._told:
                self._console.print("The provider answers again.")
            self._told = self._refused_since = None
            return
        if pause.reason == _WRONG_KEY:
            self._check_key(pause)
            return
        self._refused_since = None
        if self._told != (pause.reason, pause.since):
            self._told = (pause.reason, pause.since)
            self._console.print(
                f"The provider is not asked: {described(pause)}. The backfill waits and then continues.",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )

    def _check_key(self, pause: Pause) -> None:
        if self._refused_since is None:
            self._refused_since = self._monotonic()
        if self._monotonic() - self._refused_since >= KEY_PATIENCE:
            raise ProviderRefusesError(
                f"The provider does not accept the API key: {described(pause)}. Correct {PREFIX}PROVIDER_API_KEY, "
                "restart the workers, and run this command again; it skips archived tasks."
            )


def described(pause: Pause) -> str:
    """Say why and since when the provider is not asked, and when it is asked again."""
    detail = f" ({pause.detail})" if pause.detail else ""
    return f"{pause.reason}{detail} since {_time(pause.since)}, next request at {_time(pause.until)}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
