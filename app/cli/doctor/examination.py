"""``stemvault doctor``: examine each component, and print or give all findings."""

import json
from collections.abc import Iterator

from rich.console import Console

from app.cli.doctor.broker import examine_broker
from app.cli.doctor.finding import Finding
from app.cli.doctor.fleet import examine_fleet
from app.cli.doctor.provider import examine_provider
from app.cli.doctor.store.bucket import examine_bucket
from app.cli.doctor.variables import examine_settings, unknown_variables
from config.settings import SettingsError, load_settings
from workers.ledger.connection import open_redis

_MARKS = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]FAIL[/red]"}
#: Seconds to wait for Redis.
_PATIENCE = 5.0


def examine_as_json() -> tuple[str, bool]:
    """Give all findings as a JSON list, and tell whether Stemvault can run like this."""
    findings = list(_findings())
    return json.dumps([each.as_json() for each in findings], indent=1), all(each.passes for each in findings)


def examine(console: Console) -> bool:
    """Print a line for each finding, and tell whether Stemvault can run like this."""
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
    yield from examine_settings(settings)
    redis = open_redis(settings.redis_url.get_secret_value(), timeout=_PATIENCE, connect_timeout=_PATIENCE)
    broker = list(examine_broker(redis, settings))
    yield from broker
    if broker[0].good:
        yield from examine_fleet(redis)
    yield from examine_bucket(settings)
    yield from examine_provider(settings)
