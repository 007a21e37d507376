"""Fresh URLs in an answer of the provider, for files whose URL is dead.

An answer may name the same dead URL again. Where the provider's host offers it, it makes a new link to such a URL. The
link lives for 20 minutes (``common/download-url``).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from workers.callbacks import parse_body, parse_callback
from workers.context import WorkerContext
from workers.errors import StemvaultError
from workers.polling.refresh import is_dead
from workers.provider.errors import ProviderError
from workers.provider.writing import text_of
from workers.watching.pauses import pause_after

log = structlog.get_logger()

#: The most links that are asked for with one answer, and the most seconds that each waits for its turn.
_MAX_LINKS, _MAX_WAIT = 32, 10.0


def with_fresh_urls(
    context: WorkerContext, body: dict[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Give the body of an answer with new links in place of the dead URLs that it repeats.

    Raises redis-py's errors. A link that the provider does not give leaves the URL as it is.
    """
    fresh: dict[str, str] = {}
    for url in _repeated_dead_urls(context, body)[:_MAX_LINKS]:
        link = _link_to(context, url, sleep)
        if link is None:
            break
        if link:
            fresh[url] = link
    return {**_replaced(body, fresh), "fresh_links": len(fresh)} if fresh else body


def _repeated_dead_urls(context: WorkerContext, body: dict[str, Any]) -> list[str]:
    """Give the URLs in the body that assets of the task have already, and with which their attempts fail."""
    try:
        callback = parse_callback(parse_body(text_of(body)), own_hosts=context.settings.own_hosts)
    except StemvaultError:
        return []
    snapshot = context.ledger.snapshot(callback.task_id)
    known = snapshot.assets if snapshot else {}
    return [
        asset.url
        for asset in callback.assets
        if (record := known.get(asset.id.name))
        and record.state in {"pending", "transferring", "rejected", "expired"}
        and not record.optional
        and record.url == asset.url
        and (record.state == "expired" or is_dead(record.error or "", record.streak or 1))
    ]


def _link_to(context: WorkerContext, url: str, sleep: Callable[[float], None]) -> str | None:
    """Ask for a link; empty if the provider has none for this URL, None if it does not answer such requests now."""
    turns = context.watches.turns
    waited = 0.0
    while (wait := turns.take()) > 0:
        waited += wait
        if waited > max(_MAX_WAIT, 2 / turns.rate):
            return None
        sleep(wait)
    sent_at = turns.now()
    try:
        return (context.provider.fresh_url(url) if context.provider else None) or ""
    except ProviderError as error:
        log.warning("no_fresh_link", reason=error.reason, detail=error.detail)
        if error.for_all:
            pause_after(turns, error, sent_at=sent_at)
        return None


def _replaced(value: Any, fresh: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    """Give a JSON value with texts replaced that are equal to a key of ``fresh``."""
    if isinstance(value, str):
        return fresh.get(value, value)
    if isinstance(value, list):
        return [_replaced(inner, fresh) for inner in value]
    if isinstance(value, dict):
        return {name: _replaced(inner, fresh) for name, inner in value.items()}
    return value
