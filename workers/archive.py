"""The story of an asset: take → open → check → store → record."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote, urlsplit

import structlog
from redis.exceptions import RedisError

from workers.archiving.partial import Readable, forget_partial, keep_partial, open_partial
from workers.bucket.store import NewObject, Stored
from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.errors import (
    AssetError,
    FreshUrlError,
    HandedBackError,
    LeaseLostError,
    PermanentError,
    ShortError,
    TransientError,
)
from workers.follow_up import follow_up
from workers.ledger.backoff import MAX_DELAY, GiveUp, Retry, is_last_chance, next_step
from workers.ledger.records import Lease
from workers.liveness.heartbeats import Hold
from workers.manifest import write_manifest
from workers.media import content
from workers.media.duration import AudioSample, is_short
from workers.media.formats import Follower, walk
from workers.source.opening import open_source
from workers.transfer.memory import Share
from workers.transfer.parts import Digest, Part, read_parts

log = structlog.get_logger()

#: S3 allows 2 KB for all metadata of an object together, and Swift 256 characters for each.
_MAX_URL_IN_METADATA = 255
#: RFC 3986's reserved signs, and the one that begins what is encoded already.
_PLAIN_IN_URLS = ":/?#[]@!$&'()*+,;=%"


def archive_next(context: WorkerContext, queues: Sequence[str], owner: str) -> bool:
    """Store what expires first of the assets in ``queues``, looked through in their order; tell whether there was one.

    Raises what ``archive`` raises. No two may be the same ``owner`` at a time.
    """
    if not (share := context.memory.reserve()):
        return False
    with share:
        lease = context.ledger.take(queues, owner)
        if lease is None:
            return False
        if lease.calls:
            with contained("call"):
                context.wake_ups.call(lease.calls, 1)
        archive(context, lease, share)
    return True


def archive(context: WorkerContext, lease: Lease, share: Share) -> None:
    """Store one asset, in memory of its ``share``.

    Whatever goes wrong with source or bucket is recorded with the asset, with the time of the next
    attempt. Raises redis-py's errors when the ledger cannot be reached; then the lease runs out
    and the asset's alarm brings it back.
    """
    with structlog.contextvars.bound_contextvars(task_id=lease.id.task_id, asset=lease.id.name):
        try:
            _attempt(context, lease, share)
        except LeaseLostError:
            log.warning("lease_lost", attempt=lease.attempts)
        except FreshUrlError:
            follow_up(context, lease.id)
            log.info("asset_has_fresh_url", attempt=lease.attempts)


def _attempt(context: WorkerContext, lease: Lease, share: Share) -> None:
    started = context.monotonic()
    log.info("asset_attempt_started", attempt=lease.attempts, worker=socket.gethostname())
    try:
        stored, found = _transfer(context, lease, share)
    except AssetError as error:
        # When the worker must end, it is the one who cuts connections off. What was judged was not cut off.
        if context.must_stop() and not isinstance(error, (ShortError, PermanentError)):
            _hand_back(context, lease)
        else:
            _record_failure(context, lease, error)
        return
    except HandedBackError:
        _hand_back(context, lease)
        return
    except (LeaseLostError, RedisError):
        raise
    except Exception as error:
        log.exception("attempt_crashed")
        _record_failure(context, lease, TransientError("internal_error", type(error).__name__))
        return
    facts = _facts(stored, found)
    if stored.found:
        log.warning("object_found", key=lease.key, found=stored.found)
    _settle(context, lease, "archived", facts=facts)
    # Not before: as long as the asset is not settled, its part is what it could end with.
    forget_partial(context.store, lease)
    log.info("asset_archived", key=lease.key, took=round(context.monotonic() - started, 3), **facts)


#: What a person should know of an object that stood there before, where it is not what the source has.
_FOUND = {
    "different": "found: another object stood under this key before; the source's bytes are not stored",
    "damaged": "found: the object under this key does not have the SHA-256 in its metadata; compare it with a copy",
}


@dataclass
class _Found:
    """What a file turned out to be while it passed."""

    content_type: str
    notes: list[str]
    """What a person should know who expected the file that the key names."""
    seconds: float | None = None
    length: str = ""
    """``unannounced`` for a body that ended with its connection, which may have been too early."""


def _facts(stored: Stored, found: _Found) -> dict[str, object]:
    """Give what is recorded of an archived asset."""
    if stored.found in _FOUND:
        # Nothing of the source's file is stored, so nothing that was seen of it is a fact of the object.
        found = _Found(stored.content_type, [_FOUND[stored.found]])
    facts: dict[str, object] = {"size": stored.size, "sha256": stored.sha256, "content_type": found.content_type}
    if stored.found:
        facts["found"] = stored.found
    if found.notes:
        facts["notes"] = "\n".join(found.notes)
    if found.seconds is not None:
        facts["seconds"] = found.seconds
    if found.length:
        facts["length"] = found.length
    return facts


def _transfer(context: WorkerContext, lease: Lease, share: Share) -> tuple[Stored, _Found]:
    with context.heartbeats.held(lease, context.must_stop) as hold, _source(context, lease) as source:
        digest = Digest()
        share.fit(source.announced)
        with closing(read_parts(_reading(source, hold), share, digest)) as parts:
            first = next(parts)
            ext = lease.key.rpartition(".")[2]
            content_type = content.content_type(bytes(first.data[: content.HEAD_BYTES]), ext)
            found = _Found(content_type, [note for note in [content.contradiction(content_type, ext)] if note])
            new = NewObject(lease.key, content_type, _metadata(lease))
            whole = _measured(context, lease, chain([first], parts), found)
            if not source.has_announced_end:
                whole = _followed_to_its_end(context, lease, whole, found)
            stored = context.store.write_once(new, whole, digest, hold)
    return stored, found


def _source(context: WorkerContext, lease: Lease) -> AbstractContextManager[Readable]:
    """Open what the asset is read from."""
    if lease.final:
        return open_partial(context, lease.partial)
    return open_source(
        context.session, lease.url, context.settings, clock=context.monotonic, must_stop=context.must_stop
    )


def _measured(context: WorkerContext, lease: Lease, parts: Iterator[Part], found: _Found) -> Iterator[Part]:
    """Pass the parts on, and compare the audio's length with the announced one before the last part is written.

    Audio that is cut off is retried, as the provider may not have finished it; what came is kept meanwhile. On the last
    chance it is stored, as a part of a song is worth more than nothing, and so is what is too large to be kept
    twice. The ledger marks it. Raises ``ShortError``.
    """
    announced = lease.announced_seconds
    if announced is None:
        yield from parts
        return
    sample = AudioSample()
    for number, part in enumerate(sample.follow(parts)):
        if part.is_last:
            seconds = found.seconds = sample.seconds(found.content_type)
            if number == 0 and seconds is not None and is_short(seconds, announced) and not lease.final:
                _keep_if_better_comes(context, lease, part.data, seconds)
        yield part


def _keep_if_better_comes(context: WorkerContext, lease: Lease, whole: memoryview, seconds: float) -> None:
    """Keep audio that is too short, unless it is to be stored as it is. Raises ``ShortError``."""
    if not _is_last_chance(context, lease, "short") or seconds < lease.seconds:
        raise keep_partial(context, lease, whole, seconds)


def _followed_to_its_end(context: WorkerContext, lease: Lease, parts: Iterator[Part], found: _Found) -> Iterator[Part]:
    """Pass the parts of a body without an announced length on, and ask its format whether the end has come.

    A file that is cut off is retried. On the last chance it is stored with a note: the source may have no more of it,
    or whoever wrote it took its format lightly. So is short audio that ``_measured`` has let pass. Raises
    ``TransientError`` (``incomplete``).
    """
    found.length = "unannounced"
    follower = Follower(walk())
    for part in parts:
        follower.see(part.data)
        if part.is_last:
            _judge_end(context, lease, follower, found)
        yield part


def _judge_end(context: WorkerContext, lease: Lease, follower: Follower, found: _Found) -> None:
    try:
        doubt = follower.end()
    except TransientError as cut_off:
        is_short_audio = is_short(found.seconds, lease.announced_seconds or 0.0)
        if not is_short_audio and not _is_last_chance(context, lease, cut_off.reason):
            raise
        found.notes.append(f"cut off: {cut_off.detail}")
    else:
        if doubt:
            found.notes.append(f"the end may be missing: {doubt}")


def _is_last_chance(context: WorkerContext, lease: Lease, reason: str) -> bool:
    return is_last_chance(reason, lease.last_reason, lease.streak, deadline=lease.deadline, now=context.now())


def _reading(source: Readable, hold: Hold) -> Callable[[memoryview], int]:
    def read_into(buffer: memoryview) -> int:
        hold.alive()
        return source.read_into(buffer)

    return read_into


def _metadata(lease: Lease) -> dict[str, str]:
    track_id, _, stem = lease.id.name.rpartition("/")
    url = urlsplit(lease.url)
    # A header carries printable ASCII; what else a URL may hold is written as URLs do.
    source = quote(f"{url.scheme}://{url.netloc}{url.path}", safe=_PLAIN_IN_URLS, errors="replace")
    named = {
        "task-id": lease.id.task_id,
        "track-id": track_id,
        "stem": stem,
        "source-url": source[:_MAX_URL_IN_METADATA],
    }
    return {name: value for name, value in named.items() if value}


def _hand_back(context: WorkerContext, lease: Lease) -> None:
    """Give the asset to another worker at once, since this one must end."""
    context.ledger.postpone(lease, "handed_back", streak=0, until=context.now())
    follow_up(context, lease.id)
    log.info("asset_handed_back", attempt=lease.attempts)


def _record_failure(context: WorkerContext, lease: Lease, error: AssetError) -> None:
    streak = lease.streak + 1 if error.reason == lease.last_reason else 1
    step = _after(context, lease, error, streak)
    facts = {"partial": error.partial, "seconds": error.seconds} if isinstance(error, ShortError) else {}
    part_is_gone = lease.final and isinstance(error, PermanentError)
    if isinstance(step, Retry):
        context.ledger.postpone(lease, error.reason, streak=streak, until=step.at, facts=facts)
        wait = round(step.at - context.now(), 1)
        log.warning(
            "asset_postponed",
            reason=error.reason,
            detail=error.detail,
            host=lease.host,
            attempt=lease.attempts,
            wait=wait,
        )
    elif (facts or lease.partial) and not part_is_gone:
        until = context.now() + (MAX_DELAY if lease.final else 0.0)
        context.ledger.postpone(lease, error.reason, streak=0, until=until, final=True, facts=facts)
        log.warning("asset_ends_with_its_part", reason=error.reason, detail=error.detail, attempt=lease.attempts)
        if not lease.final:
            follow_up(context, lease.id)
    else:
        _settle(context, lease, step.state, reason=error.reason)
        log.error(f"asset_{step.state}", reason=error.reason, detail=error.detail, attempt=lease.attempts)  # noqa: G004 - two fixed words


def _after(context: WorkerContext, lease: Lease, error: AssetError, streak: int) -> Retry | GiveUp:
    if isinstance(error, PermanentError):
        return GiveUp("rejected")
    wish = error.retry_after if isinstance(error, TransientError) else None
    return next_step(
        error.reason,
        streak,
        deadline=lease.deadline,
        now=context.now(),
        random=context.random(),
        retry_after=wish,
    )


def _settle(
    context: WorkerContext, lease: Lease, state: str, *, reason: str = "", facts: dict[str, object] | None = None
) -> None:
    still_open = context.ledger.settle(lease.id, lease.owner, state, reason=reason, facts=facts or {})
    if not still_open:
        write_manifest(context, lease.id.task_id)
