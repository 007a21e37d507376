"""The story of an asset: claim → open → check → store → record."""

from collections.abc import Callable
from itertools import chain
from urllib.parse import urlsplit

import structlog
from redis.exceptions import RedisError

from workers import media
from workers.assets import AssetId
from workers.errors import AssetError, LeaseLostError, PermanentError, TransientError
from workers.ledger import LEASE
from workers.manifest import write_manifest
from workers.parts import read_parts
from workers.records import Lease
from workers.retry import GiveUp, Retry, next_step
from workers.source import Source, open_source
from workers.store import Stored
from workers.vault import Vault

log = structlog.get_logger()

#: S3 allows 2 KB for all metadata of an object together.
_MAX_URL_IN_METADATA = 1024


def archive(vault: Vault, asset: AssetId) -> None:
    """Store one asset, if it still needs it and nobody else is at it. Harmless when repeated.

    Whatever goes wrong with source or bucket is recorded with the asset, with the time of the next
    attempt. Raises redis-py's errors when the ledger cannot be reached; then the lease runs out
    and the asset's alarm brings it back.
    """
    with structlog.contextvars.bound_contextvars(task_id=asset.task_id, asset=asset.name):
        lease = vault.ledger.claim(asset, vault.token(), now=vault.now())
        if not isinstance(lease, Lease):
            log.info("asset_not_claimed", state=lease)
            return
        try:
            _attempt(vault, lease)
        except LeaseLostError:
            log.warning("lease_lost")


def _attempt(vault: Vault, lease: Lease) -> None:
    started = vault.monotonic()
    try:
        stored, content_type = _transfer(vault, lease)
    except AssetError as error:
        _record_failure(vault, lease, error)
        return
    except (LeaseLostError, RedisError):
        raise
    except Exception as error:
        log.exception("attempt_crashed")
        _record_failure(vault, lease, TransientError("internal_error", type(error).__name__))
        return
    facts = {"size": stored.size, "sha256": stored.sha256, "content_type": content_type}
    log.info("asset_archived", key=lease.key, seconds=round(vault.monotonic() - started, 3), **facts)
    _settle(vault, lease, "archived", facts=facts)


def _transfer(vault: Vault, lease: Lease) -> tuple[Stored, str]:
    settings = vault.settings
    alive = _heartbeat(vault, lease)
    with open_source(vault.session, lease.url, settings, clock=vault.monotonic) as source:
        parts = read_parts(_reading(source, alive), settings.part_bytes)
        first = next(parts, bytearray())
        content_type = media.content_type(bytes(first[: media.HEAD_BYTES]), lease.media)
        stored = vault.store.write_once(
            lease.key,
            chain([first], parts),
            content_type=content_type,
            metadata=_metadata(lease),
            alive=alive,
        )
    return stored, content_type


def _reading(source: Source, alive: Callable[[], None]) -> Callable[[memoryview], int]:
    def read_into(buffer: memoryview) -> int:
        alive()
        return source.read_into(buffer)

    return read_into


def _heartbeat(vault: Vault, lease: Lease) -> Callable[[], None]:
    """Make a function that keeps the lease, to be called as often as one likes."""
    last = vault.monotonic()

    def alive() -> None:
        nonlocal last
        if vault.monotonic() - last > LEASE / 6:
            vault.ledger.heartbeat(lease, now=vault.now())
            last = vault.monotonic()

    return alive


def _metadata(lease: Lease) -> dict[str, str]:
    track_id, _, stem = lease.id.name.rpartition("/")
    url = urlsplit(lease.url)
    source = f"{url.scheme}://{url.netloc}{url.path}".encode("ascii", "backslashreplace").decode()
    named = {
        "task-id": lease.id.task_id,
        "track-id": track_id,
        "stem": stem,
        "source-url": source[:_MAX_URL_IN_METADATA],
    }
    return {name: value for name, value in named.items() if value}


def _record_failure(vault: Vault, lease: Lease, error: AssetError) -> None:
    streak = lease.streak + 1 if error.reason == lease.last_reason else 1
    step = _after(vault, lease, error, streak)
    if isinstance(step, Retry):
        wait = round(step.at - vault.now(), 1)
        log.warning("asset_postponed", reason=error.reason, detail=error.detail, attempt=lease.attempts, wait=wait)
        vault.ledger.postpone(lease, error.reason, streak=streak, until=step.at)
    else:
        log.error("asset_given_up", state=step.state, reason=error.reason, detail=error.detail, attempt=lease.attempts)
        _settle(vault, lease, step.state, reason=error.reason)


def _after(vault: Vault, lease: Lease, error: AssetError, streak: int) -> Retry | GiveUp:
    if isinstance(error, PermanentError):
        return GiveUp("rejected")
    wish = error.retry_after if isinstance(error, TransientError) else None
    return next_step(
        error.reason,
        streak,
        deadline=lease.deadline,
        now=vault.now(),
        random=vault.random(),
        retry_after=wish,
    )


def _settle(
    vault: Vault, lease: Lease, state: str, *, reason: str = "", facts: dict[str, object] | None = None
) -> None:
    still_open = vault.ledger.settle(lease.id, lease.owner, state, reason=reason, now=vault.now(), facts=facts or {})
    if not still_open:
        write_manifest(vault, lease.id.task_id)
