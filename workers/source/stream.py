"""A bounded HTTP stream of one asset: every way in which it can end early, late or never is an error here."""

import contextlib
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import DEFAULT_BUFFER_SIZE
from typing import Any

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import HTTPError, ReadTimeoutError

from config.settings import Settings
from workers.connections.hard_end import Attempt, cut_off_after, never
from workers.errors import AssetError, PermanentError, TransientError
from workers.source import representation
from workers.source.decoding import decoded
from workers.source.egress import check_redirect, check_url

#: How long a source may take to accept a connection, and how long it may then send nothing at all.
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 25.0
#: Of a lease, neither may take more, so that a silent source never costs a worker its lease.
_SHARE_OF_LEASE = 0.4
MAX_REDIRECTS = 5
#: So often one attempt goes on where a connection broke.
MAX_RESUMPTIONS = 100
#: What one read may give: many times what one packet holds, little beside a part.
READ_BYTES = 256 * 1024

#: How long to wait for a byte behind the announced end, once an asset.
_MOMENT = 0.005

_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_REDIRECTS = {301, 302, 303, 307, 308}

#: Asks the source again, with these headers; raises AssetError.
Reopen = Callable[[Mapping[str, str]], requests.Response]


@dataclass(frozen=True, slots=True)
class LowSpeed:
    """A source is too slow if it gives less than this for so long: curl's ``--speed-limit`` and ``--speed-time``."""

    bytes_a_second: int
    seconds: float


class Source:
    """One file, read once from start to end; a connection that breaks is taken up where it broke.

    ``read_into`` raises ``TransientError`` (``truncated``, ``stalled``, ``slow``, ``overlong``,
    ``undecodable``) or ``PermanentError`` (``too_large``); after it has given 0, the file was whole.
    """

    def __init__(  # noqa: PLR0913 - a response, and every limit to it
        self,
        response: requests.Response,
        reopen: Reopen,
        *,
        max_bytes: int,
        attempt: Attempt,
        low_speed: LowSpeed,
        clock: Callable[[], float],
    ) -> None:
        self._response = response
        self._reopen = reopen
        self._max_bytes = max_bytes
        self._attempt = attempt
        self._low_speed = low_speed
        self._clock = clock
        self._waited, self._came = 0.0, 0
        self.received = 0
        self._resumed_at, self._resumptions = 0, 0
        self._past_head = False
        representation.check_decodable(response)
        self.announced = representation.announced_length(response)
        self.has_announced_end = representation.has_announced_end(response)
        self._validator = representation.validator(response)
        self._decoded = decoded(self._read_encoded, representation.encoding(response))
        if self.announced is not None and self.announced > max_bytes:
            raise PermanentError("too_large", f"{self.announced} bytes announced, {max_bytes} allowed")

    def read_into(self, buffer: memoryview) -> int:
        """Read some bytes to the front of ``buffer`` and give their number, 0 at the end of the file."""
        began = self._clock()
        while True:
            try:
                with _slow_if_over(self._attempt), self._attempt.waiting():
                    count = self._read(buffer[:READ_BYTES])
                break
            except TransientError as broken:
                self._resume(broken)
        self.received += count
        self._check_speed(count, self._clock() - began)
        if self.received > self._max_bytes:
            raise PermanentError("too_large", f"more than the {self._max_bytes} bytes allowed")
        return count

    def _check_speed(self, came: int, waited: float) -> None:
        """Count what comes while this side waits for the source; what it waits for S3 does not count."""
        self._waited, self._came = self._waited + waited, self._came + came
        if self._waited < self._low_speed.seconds:
            return
        if self._came < self._low_speed.bytes_a_second * self._waited:
            raise TransientError("slow", f"{self._came} bytes within {self._waited:.0f} s; {self.received} in all")
        self._waited, self._came = 0.0, 0

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()

    def _read(self, buffer: memoryview) -> int:
        remaining = 0 if self.announced is None else self.announced - self.received
        try:
            if remaining == 1:
                self._look_behind()
            count = self._read_some(buffer[: max(1, remaining - 1)] if remaining else buffer)
        except (ReadTimeoutError, TimeoutError):
            raise TransientError("stalled", f"silent for too long after {self.received} bytes") from None
        except (HTTPError, OSError, ValueError):
            raise TransientError("truncated", f"the connection broke after {self.received} bytes") from None
        if not count and self._attempt.is_over:
            # A connection that was shut down ends like a file without a length.
            raise TransientError("slow", f"cut off after {self.received} bytes")
        if not count and self.announced not in {None, self.received}:
            raise TransientError("truncated", f"{self.received} bytes of {self.announced} came")
        return count

    def _read_some(self, buffer: memoryview) -> int:
        raw = self._response.raw
        http: Any = raw._fp  # noqa: SLF001 - there is no public way to a body without a copy
        large = len(buffer) > DEFAULT_BUFFER_SIZE
        remaining = 0 if self.announced is None else self.announced - self.received
        if large and self._past_head and http.length == remaining > 0:
            # Straight from the connection, and accounted for. The last byte is left to urllib3, which then gives
            # the connection back to its pool.
            count: int = http.fp.readinto1(buffer)
            http.length -= count
            raw.length_remaining = http.length
            return count
        data = self._decoded(len(buffer))
        buffer[: len(data)] = data
        # What came with the headers is read first, and by itself; nothing is buffered behind that.
        self._past_head |= large
        return len(data)

    def _read_encoded(self, size: int) -> bytes:
        data: bytes = self._response.raw.read1(size, decode_content=False)
        return data

    def _look_behind(self) -> None:
        """Look behind the last announced byte, before it is read.

        HTTP ends a body where it was announced to end, whatever comes then. But a source that sends
        more has lied about the length, and what we have is not the file.
        """
        connection = getattr(getattr(self._response.raw, "_fp", None), "fp", None)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if connection is not None and (len(connection.peek(1)) > 1 or _more_arrives(connection.raw)):
                raise TransientError("overlong", f"more than the {self.announced} bytes announced came")

    def _resume(self, broken: TransientError) -> None:
        """Go on behind the last byte, if the source proves that it still has the same file; else raise ``broken``.

        The proof is RFC 9110's: ``If-Range`` with a strong validator, answered by 206 from that very
        byte, with the same validator again. Each resumption must have come further than the last.
        """
        if (
            self._attempt.is_over
            or broken.reason not in {"truncated", "stalled"}
            or not self._validator
            or self.received <= self._resumed_at
        ):
            raise broken
        if self._resumptions == MAX_RESUMPTIONS:
            raise broken
        self._resumptions += 1
        self._resumed_at = self.received
        self._response.close()
        self._attempt.forget_source()
        try:
            response = self._reopen({"Range": f"bytes={self.received}-", "If-Range": self._validator})
        except (TransientError, PermanentError):
            raise broken from None
        if not representation.continues(response, self.received, self.announced, self._validator):
            response.close()
            raise broken
        self._response, self._past_head = response, False


def _more_arrives(stream: socket.SocketIO) -> bool:
    """Tell whether more than has been read lies in the connection, or comes in a moment.

    What TLS sends at an end cannot be told from data without reading it, so there nobody looks.
    """
    connection: socket.socket = stream._sock  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to it
    if isinstance(connection, ssl.SSLSocket):
        return False
    # Not by select(), which knows no descriptor above 1,023.
    arriving = select.poll()
    arriving.register(connection, select.POLLIN)
    if not arriving.poll(_MOMENT * 1000):
        return False
    return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))


@contextlib.contextmanager
def open_source(
    session: requests.Session,
    url: str,
    settings: Settings,
    *,
    clock: Callable[[], float],
    must_stop: Callable[[], bool] = never,
) -> Iterator[Source]:
    """Open the URL for reading, following at most 5 redirects, each checked like the first address.

    Raises ``TransientError`` (``unreachable``, ``timed_out``, ``gone``, ``rate_limited``,
    ``origin_error``, ``refused``) or ``PermanentError`` (``forbidden_address`` and what
    ``egress`` and ``Source`` refuse). ``clock`` gives seconds that never run backwards. The connections are
    cut off when ``must_stop`` says so.
    """
    low_speed = LowSpeed(settings.low_speed_limit, settings.low_speed_time)
    limits = cut_off_after(settings.transfer_timeout, patience=settings.low_speed_time, must_stop=must_stop)
    with limits as attempt:

        def reopen(headers: Mapping[str, str]) -> requests.Response:
            with attempt.waiting():
                return _open(session, url, settings, headers, attempt)

        with _slow_if_over(attempt):
            response = reopen({})
        with contextlib.closing(response):
            with _slow_if_over(attempt):
                _check_status(response)
            source = Source(
                response,
                reopen,
                max_bytes=settings.max_asset_bytes,
                attempt=attempt,
                low_speed=low_speed,
                clock=clock,
            )
            with contextlib.closing(source):
                yield source


@contextlib.contextmanager
def _slow_if_over(attempt: Attempt) -> Iterator[None]:
    """Whatever goes wrong when the attempt's time is over, the reason is that the source took so long."""
    try:
        yield
    except AssetError as error:
        if not attempt.is_over:
            raise
        raise TransientError("slow", f"{attempt.why_over} ({error.detail})") from None


def _open(
    session: requests.Session, url: str, settings: Settings, headers: Mapping[str, str], attempt: Attempt
) -> requests.Response:
    address = check_url(url, settings)
    for _ in range(MAX_REDIRECTS + 1):
        response = _get(session, address, settings, headers, attempt)
        location = response.headers.get("Location")
        if response.status_code not in _REDIRECTS or not location:
            return response
        response.close()
        address = check_redirect(address, location, settings)
    raise PermanentError("too_many_redirects", f"more than {MAX_REDIRECTS}")


def _get(
    session: requests.Session, url: str, settings: Settings, headers: Mapping[str, str], attempt: Attempt
) -> requests.Response:
    share = settings.lease * _SHARE_OF_LEASE
    timeout = (max(_MOMENT, min(CONNECT_TIMEOUT, share, attempt.left)), min(READ_TIMEOUT, share))
    try:
        return session.get(url, stream=True, allow_redirects=False, timeout=timeout, headers=headers)
    except (InvalidIPAddress, requests.exceptions.InvalidURL):
        raise PermanentError("forbidden_address", "it leads to no public address") from None
    except requests.exceptions.Timeout:
        raise TransientError("timed_out", "no answer in time") from None
    except (requests.exceptions.RequestException, HTTPError, OSError, ValueError) as error:
        raise TransientError("unreachable", type(error).__name__) from None


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    detail = f"the source answered {status}"
    wish = representation.retry_after(response)
    if status in _GONE:
        raise TransientError("gone", detail, retry_after=wish)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise TransientError("rate_limited", detail, retry_after=wish)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError("origin_error", detail, retry_after=wish)
    raise TransientError("refused", detail, retry_after=wish)
