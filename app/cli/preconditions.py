"""The preconditions of asking the provider about tasks: its address and key, a worker, and a clock."""

from collections.abc import Iterator

from redis import Redis

from config.settings import PREFIX, Settings
from workers.liveness.signs_of_life import SignsOfLife


def missing_settings(settings: Settings) -> str:
    """Name the settings that are missing for asking the provider; empty if none is."""
    missing = [
        f"{PREFIX}{name}"
        for name, value in (
            ("PROVIDER_BASE_URL", settings.provider_base_url),
            ("PROVIDER_API_KEY", settings.provider_api_key),
        )
        if not value
    ]
    if not missing:
        return ""
    names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
    return f"{names} {verb} not set, so the provider cannot be asked. Set both here and for the workers."


def missing_processes(redis: "Redis") -> Iterator[str]:
    """Name the kinds of process of the fleet that give no sign of life. Raises redis-py's errors."""
    fleet = SignsOfLife(redis).fleet()
    if not fleet.workers:
        yield "No worker runs, so nothing is asked or archived until one does: celery -A workers worker"
    if not fleet.clocks:
        yield "No clock (celery beat) runs, so nothing is asked or tried again later: celery -A workers beat"
