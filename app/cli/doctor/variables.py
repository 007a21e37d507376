"""``stemvault doctor`` on the settings: valid ones that are probably not meant, and variables that are no settings."""

import os
from collections.abc import Iterator
from difflib import get_close_matches

from app.cli.doctor.finding import Finding
from config.settings import PREFIX, Settings

_SHORTEST_TOKEN = 16
#: Read by gunicorn's configuration and by docker-compose.yml.
_OTHER_VARIABLES = {f"{PREFIX}BIND", f"{PREFIX}PUBLISH"}


def unknown_variables() -> Iterator[Finding]:
    """Find variables that have the prefix of the settings and are none of them."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        own = {each.removeprefix(PREFIX): each for each in known}
        similar = [own[each] for each in get_close_matches(name.removeprefix(PREFIX), own, n=1)]
        hint = f"Did you mean {similar[0]}?" if similar else "Remove it; README.md lists the settings."
        yield Finding("unknown_variable", f"{name} is not a setting", good=False, warning=True, advice=hint)


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """Warn of settings that are valid, but unsafe or without effect."""
    if settings.allow_unsigned and not (settings.webhook_hmac_keys or settings.callback_token):
        yield _warning(
            "authentication",
            "callbacks are not authenticated",
            f"Anyone who knows the URL can send callbacks. Set {PREFIX}WEBHOOK_HMAC_KEYS or {PREFIX}CALLBACK_TOKEN.",
        )
    if settings.callback_token and len(settings.callback_token.get_secret_value()) < _SHORTEST_TOKEN:
        yield _warning(
            "callback_token",
            "callback token is short",
            f"It can be guessed. Use {_SHORTEST_TOKEN} characters or more, for example from: openssl rand -hex 16",
        )
    if settings.s3_prefix and not settings.s3_prefix.endswith("/"):
        yield _warning(
            "s3_prefix",
            "S3 prefix does not end in a slash",
            f"Keys begin with {settings.s3_prefix}<task id>. For a folder, write {settings.s3_prefix}/ instead.",
        )
    yield from _limits_without_effect(settings)


def _limits_without_effect(settings: Settings) -> Iterator[Finding]:
    """Find limits that another, stricter limit makes useless."""
    if settings.low_speed_time > settings.transfer_timeout:
        yield _warning(
            "low_speed_time",
            "the low-speed limit has no effect",
            f"A transfer ends after {PREFIX}TRANSFER_TIMEOUT ({settings.transfer_timeout:g} s), before it can be slow "
            f"for {PREFIX}LOW_SPEED_TIME ({settings.low_speed_time:g} s). Set {PREFIX}LOW_SPEED_TIME to less.",
        )
    if (limit := settings.max_transfers_per_host) and limit > settings.transfers:
        yield _warning(
            "max_transfers_per_host",
            "the limit of transfers from one host has no effect",
            f"{PREFIX}MAX_TRANSFERS_PER_HOST is {limit}, but a worker has only {settings.transfers} transfers "
            f"({PREFIX}TRANSFERS), and one slow host can occupy all of them. "
            f"Set {PREFIX}MAX_TRANSFERS_PER_HOST to less.",
        )


def _warning(name: str, what: str, advice: str) -> Finding:
    return Finding(name, what, good=False, warning=True, advice=advice)
