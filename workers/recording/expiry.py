"""By when an asset must be stored: the provider's retention, or what its URL says of its own expiry."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from config.settings import Settings
from workers.callbacks.assets import Asset

#: Even a URL that says it has expired gets this long: one attempt costs little, and clocks differ.
LEAST = 60.0

_COMPACT = "%Y%m%dT%H%M%SZ"
#: From 2001 to 2286 as unix seconds; longer numbers are milliseconds.
_PLAUSIBLE_SECONDS = re.compile(r"[0-9]{10}")
#: No moment is later than year 5138.
_LATEST = 1e11
_PLAUSIBLE_MILLISECONDS = re.compile(r"[0-9]{13}")


def deadline_of(asset: Asset, *, received_at: float, settings: Settings) -> float:
    """Give the unix time at which the asset's URL counts as dead.

    The earlier of the provider's retention (15 days, as its music-video page says; streams live for
    an unknown, short time) and the expiry that the URL carries.
    """
    retention = settings.stream_retention if asset.short_lived else settings.retention
    expiry = url_expiry(asset.url)
    deadline = received_at + retention
    return deadline if expiry is None else max(received_at + LEAST, min(deadline, expiry))


def url_expiry(url: str) -> float | None:
    """Read when a signed URL expires, in unix seconds, or None where it does not say.

    Where it says so in several ways, the earliest counts.
    """
    try:
        query = dict(parse_qsl(urlsplit(url).query, max_num_fields=200))
    except ValueError:
        return None
    query = {name.lower(): value for name, value in query.items()}
    found = [expiry for read in _READERS for expiry in read(query)]
    return min(found, default=None)


def _signed_for_a_time(prefix: str) -> Callable[[Mapping[str, str]], Iterator[float]]:
    """Read a date and a number of seconds, as AWS and those who followed it write them."""

    def read(query: Mapping[str, str]) -> Iterator[float]:
        seconds = query.get(f"{prefix}expires", "")
        signed = _compact_date(query.get(f"{prefix}date", ""))
        if signed is not None and re.fullmatch(r"[0-9]{1,9}", seconds):
            yield signed + int(seconds)

    return read


def _cloudfront_policy(query: Mapping[str, str]) -> Iterator[float]:
    """Read ``DateLessThan`` of a custom policy, base64 with three characters exchanged."""
    text = query.get("policy", "").translate(str.maketrans("-_~", "+=/"))
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
        moment = float(policy["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"])
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError):
        return
    if 0 <= moment < _LATEST:
        yield moment


def _tencent(query: Mapping[str, str]) -> Iterator[float]:
    """Read ``q-sign-time`` and ``q-key-time``: start and end, joined by a semicolon."""
    for name in ("q-sign-time", "q-key-time"):
        _, _, end = query.get(name, "").partition(";")
        yield from _moment(end)


def _azure(query: Mapping[str, str]) -> Iterator[float]:
    """Read ``se``, a date or a time in ISO 8601, in a query that is signed (``sig``)."""
    if "sig" in query:
        yield from _iso(query.get("se", ""))


def _plain(query: Mapping[str, str]) -> Iterator[float]:
    """Read a moment under one of the names that S3's old signature, CloudFront, Aliyun and many others use."""
    for name in ("expires", "expire", "expiry", "exp", "e", "x-expires", "expires_at", "expiration"):
        yield from _moment(query.get(name, ""))
        yield from _iso(query.get(name, ""))


_READERS: tuple[Callable[[Mapping[str, str]], Iterator[float]], ...] = (
    _signed_for_a_time("x-amz-"),
    _signed_for_a_time("x-goog-"),
    _signed_for_a_time("x-oss-"),
    _signed_for_a_time("x-tos-"),
    _cloudfront_policy,
    _tencent,
    _azure,
    _plain,
)


def _moment(text: str) -> Iterator[float]:
    if _PLAUSIBLE_SECONDS.fullmatch(text):
        yield float(text)
    elif _PLAUSIBLE_MILLISECONDS.fullmatch(text):
        yield float(text) / 1000


def _iso(text: str) -> Iterator[float]:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return
    yield (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _compact_date(text: str) -> float | None:
    try:
        return datetime.strptime(text, _COMPACT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
