"""Checks of a file while its parts pass: its kind, the length of its audio, and its end.

A check lets every part but the last pass at once. It gives its verdict before the last part is written, so that a file
that fails is not stored: the object is only completed after its last part.
"""

from collections.abc import Iterator

from workers.archiving.facts import Findings
from workers.archiving.partial import keep_partial
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ledger.backoff import is_last_chance
from workers.ledger.values.lease import Lease
from workers.media import content
from workers.media.duration import AudioSample, is_short
from workers.media.formats import Follower, walk
from workers.transfer.parts import Part


def check_head(first: Part, key: str) -> Findings:
    """Sniff the content type from the first part, and note it if it contradicts the key's extension.

    Raises ``TransientError`` (``not_media``) for a page or a program in place of the file.
    """
    ext = key.rpartition(".")[2]
    content_type = content.content_type(bytes(first.data[: content.HEAD_BYTES]), ext)
    return Findings(content_type, [note for note in [content.contradiction(content_type, ext)] if note])


def check_seconds(context: WorkerContext, lease: Lease, parts: Iterator[Part], findings: Findings) -> Iterator[Part]:
    """Pass the parts on, and compare the audio's length with the announced one before the last part.

    Short audio is retried, as the provider may not have finished it; the audio so far is kept as a partial file. Two
    kinds are stored at once, and the ledger marks them as short: audio of several parts, which is too large to be kept
    twice, and audio of the last attempt. Raises ``ShortError``.
    """
    announced = lease.announced_seconds
    if announced is None:
        yield from parts
        return
    sample = AudioSample()
    for number, part in enumerate(sample.follow(parts)):
        if part.is_last:
            seconds = findings.seconds = sample.seconds(findings.content_type)
            if number == 0 and seconds is not None and is_short(seconds, announced) and not lease.final:
                _keep_for_later(context, lease, part.data, seconds)
        yield part


def _keep_for_later(context: WorkerContext, lease: Lease, audio: memoryview, seconds: float) -> None:
    """Keep short audio as a partial file and raise ``ShortError``; on the last attempt, let the longest be stored."""
    if not _is_last_chance(context, lease, "short") or seconds < lease.seconds:
        raise keep_partial(context, lease, audio, seconds)


def check_end(context: WorkerContext, lease: Lease, parts: Iterator[Part], findings: Findings) -> Iterator[Part]:
    """Pass on the parts of a body without an announced length, and check the end of its format before the last part.

    A file that is cut off is retried. On the last attempt it is stored with a note: the source may have no more of it,
    or the file may not follow its format strictly. Short audio that ``check_seconds`` let pass is stored with a note,
    too. Raises ``TransientError`` (``incomplete``).
    """
    findings.length = "unannounced"
    follower = Follower(walk())
    for part in parts:
        follower.see(part.data)
        if part.is_last:
            _judge_end(context, lease, follower, findings)
        yield part


def _judge_end(context: WorkerContext, lease: Lease, follower: Follower, findings: Findings) -> None:
    try:
        doubt = follower.end()
    except TransientError as cut_off:
        is_short_audio = is_short(findings.seconds, lease.announced_seconds or 0.0)
        if not is_short_audio and not _is_last_chance(context, lease, cut_off.reason):
            raise
        findings.notes.append(f"cut off: {cut_off.detail}")
    else:
        if doubt:
            findings.notes.append(f"the end may be missing: {doubt}")


def _is_last_chance(context: WorkerContext, lease: Lease, reason: str) -> bool:
    return is_last_chance(reason, lease.last_reason, lease.streak, deadline=lease.deadline, now=context.now())
