"""The deadline of an asset: the end of the provider's retention, or the expiry that its URL carries."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from config.settings import Settings
from workers.callbacks.assets import Asset

#: Seconds that an asset has at least, even if its URL says that it has expired: clocks differ.
LEAST = 60.0

_COMPACT = "%Y%m%dT%H%M%SZ"
#: Ten digits are unix seconds from 2001 to 2286; thirteen are milliseconds.
_PLAUSIBLE_SECONDS = re.compile(r"[0-9]{10}")
#: Later unix seconds, from the year 5138 on, are not an expiry.
_LATEST = 1e11
_PLAUSIBLE_MILLISECONDS = re.compile(r"[0-9]{13}")


def deadline_of(asset: Asset, *, received_at: float, settings: Settings) -> float:
    """Give the deadline in unix seconds: after it, the asset's URL is treated as dead.

    It is the earlier of the end of the provider's retention and the expiry that the URL carries. The retention is 15
    days, as the provider's music-video page says; streams live for an unknown, short time.
    """
    retention = settings.stream_retention if asset.short_lived else settings.retention
    expiry = url_expiry(asset.url)
    deadline = received_at + retention
    return deadline if expiry is None else max(received_at + LEAST, min(deadline, expiry))


def url_expiry(url: str) -> float | None:
    """Read the expiry of a signed URL in unix seconds; the earliest of several, None without any."""
    try:
        query = dict(parse_qsl(urlsplit(url).query, max_num_fields=200))
    except ValueError:
        return None
    query = {name.lower(): value for name, value in query.items()}
    found = [expiry for read in _READERS for expiry in read(query)]
    return min(found, default=None)


def _signed_for_a_time(prefix: str) -> Callable[[Mapping[str, str]], Iterator[float]]:
    """Make a reader for a date and a number of seconds after it, as AWS and services like it write them."""

    def read(query: Mapping[str, str]) -> Iterator[float]:
        seconds = query.get(f"{prefix}expires", "")
        signed = _compact_date(query.get(f"{prefix}date", ""))
        if signed is not None and re.fullmatch(r"[0-9]{1,9}", seconds):
            yield signed + int(seconds)

    return read


def _cloudfront_policy(query: Mapping[str, str]) -> Iterator[float]:
    """Read ``DateLessThan`` of CloudFront's custom policy, in base64 with three characters exchanged."""
    text = query.get("policy", "").translate(str.maketrans("-_~", "+=/"))
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
        moment = float(policy["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"])
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError):
        return
    if 0 <= moment < _LATEST:
        yield moment


def _tencent(query: Mapping[str, str]) -> Iterator[float]:
    """Read Tencent's ``q-sign-time`` and ``q-key-time``: start and end, joined by a semicolon."""
    for name in ("q-sign-time", "q-key-time"):
        _, _, end = query.get(name, "").partition(";")
        yield from _moment(end)


def _azure(query: Mapping[str, str]) -> Iterator[float]:
    """Read Azure's ``se``, a date or a time in ISO 8601, in a signed query (``sig``)."""
    if "sig" in query:
        yield from _iso(query.get("se", ""))


def _plain(query: Mapping[str, str]) -> Iterator[float]:
    """Read a time under the names that S3's signature version 2, CloudFront, Aliyun and many others use."""
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
