"""A bounded HTTP stream of one asset: every way in which it can end early, late or never is an error here."""

import contextlib
import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError, ReadTimeoutError

from config.settings import Settings
from workers.egress import check_redirect, check_url
from workers.errors import PermanentError, TransientError

CONNECT_TIMEOUT = 10.0
#: How long a source may send nothing at all. Below half of the ledger's lease, so that a silent
#: source never costs a worker its lease.
READ_TIMEOUT = 25.0
MAX_REDIRECTS = 5
#: What one read may give: many times what one packet holds, little beside a part.
READ_BYTES = 256 * 1024

_DECODABLE = frozenset({"identity", "gzip", "x-gzip", "deflate"})
_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_REDIRECTS = {301, 302, 303, 307, 308}


class Source:
    """One response's body, read once from start to end.

    ``read_into`` raises ``TransientError`` (``truncated``, ``stalled``, ``slow``, ``undecodable``)
    or ``PermanentError`` (``too_large``); after it has given 0, the body was whole.
    """

    def __init__(
        self, response: requests.Response, *, max_bytes: int, deadline: float, clock: Callable[[], float]
    ) -> None:
        self._raw = response.raw
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._clock = clock
        self.received = 0
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if not _DECODABLE.issuperset(name.strip() for name in encoding.split(",")):
            raise TransientError("undecodable", "the source insists on an encoding that was not asked for")
        # An encoded body's Content-Length counts what travels, not what is read; urllib3 checks that one.
        self.announced = _announced_length(response) if encoding == "identity" else None
        if self.announced is not None and self.announced > max_bytes:
            raise PermanentError("too_large", f"{self.announced} bytes announced, {max_bytes} allowed")

    def read_into(self, buffer: memoryview) -> int:
        """Read some bytes to the front of ``buffer`` and give their number, 0 at the end of the body."""
        if self._clock() > self._deadline:
            raise TransientError("slow", f"not done within the time for one transfer; {self.received} bytes came")
        data = self._read(min(len(buffer), READ_BYTES))
        if not data and self.announced not in {None, self.received}:
            raise TransientError("truncated", f"{self.received} bytes of {self.announced} came")
        self.received += len(data)
        if self.received > self._max_bytes:
            raise PermanentError("too_large", f"more than the {self._max_bytes} bytes allowed")
        buffer[: len(data)] = data
        return len(data)

    def _read(self, amount: int) -> bytes:
        try:
            data: bytes = self._raw.read1(amount, decode_content=True)
            # An encoded body can yield nothing yet from what has arrived; only a closed one is at its end.
            while not data and not self._raw.closed and self._raw.headers.get("Content-Encoding"):
                data = self._raw.read1(amount, decode_content=True)
        except ReadTimeoutError:
            raise TransientError("stalled", f"silent for {READ_TIMEOUT:.0f} s after {self.received} bytes") from None
        except DecodeError:
            raise TransientError("undecodable", "the body does not match its Content-Encoding") from None
        except (ProtocolError, HTTPError, OSError, ValueError):
            raise TransientError("truncated", f"the connection broke after {self.received} bytes") from None
        return data


@contextlib.contextmanager
def open_source(
    session: requests.Session, url: str, settings: Settings, *, clock: Callable[[], float]
) -> Iterator[Source]:
    """Open the URL for reading, following at most 5 redirects, each checked like the first address.

    Raises ``TransientError`` (``unreachable``, ``timed_out``, ``gone``, ``rate_limited``,
    ``origin_error``, ``refused``) or ``PermanentError`` (``forbidden_address`` and what
    ``workers.egress`` and ``Source`` refuse). ``clock`` gives seconds that never run backwards.
    """
    deadline = clock() + settings.transfer_timeout
    address = check_url(url, settings)
    for _ in range(MAX_REDIRECTS + 1):
        with contextlib.closing(_get(session, address)) as response:
            location = response.headers.get("Location")
            if response.status_code in _REDIRECTS and location:
                address = check_redirect(address, location, settings)
                continue
            _check_status(response)
            yield Source(response, max_bytes=settings.max_asset_bytes, deadline=deadline, clock=clock)
            return
    raise PermanentError("too_many_redirects", f"more than {MAX_REDIRECTS}")


def _get(session: requests.Session, url: str) -> requests.Response:
    try:
        return session.get(url, stream=True, allow_redirects=False, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
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
    wish = _retry_after(response)
    if status in _GONE:
        raise TransientError("gone", detail, retry_after=wish)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise TransientError("rate_limited", detail, retry_after=wish)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError("origin_error", detail, retry_after=wish)
    raise TransientError("refused", detail, retry_after=wish)


def _announced_length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _retry_after(response: requests.Response) -> float | None:
    """Read Retry-After, in seconds or as a date against the source's own Date (RFC 9110 section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        wanted, sent = parsedate_to_datetime(text), parsedate_to_datetime(response.headers["Date"])
        return max(0.0, (wanted - sent).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None
