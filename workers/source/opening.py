"""Opens a URL: requests with time limits, redirects that are checked hop by hop, and the meaning of each status."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import HTTPError

from config.settings import Settings
from workers.connections.attempt import Attempt, cut_off_after, never
from workers.errors import PermanentError, TransientError
from workers.source import representation
from workers.source.body import Source
from workers.source.egress import check_redirect, check_url
from workers.source.speed import LowSpeed, slow_if_over

#: Seconds that a source may take to accept a connection, and seconds that it may then send nothing at all.
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 25.0
#: Each is also limited to this fraction of a lease, so that a worker never loses its lease because of a silent source.
_FRACTION_OF_LEASE = 0.4
#: Seconds; a connect timeout of 0 is not allowed.
_MIN_TIMEOUT = 0.005
MAX_REDIRECTS = 5

_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_REDIRECTS = {301, 302, 303, 307, 308}


@contextlib.contextmanager
def open_source(
    session: requests.Session,
    url: str,
    settings: Settings,
    *,
    clock: Callable[[], float],
    must_stop: Callable[[], bool] = never,
) -> Iterator[Source]:
    """Open the URL for reading. Follow at most ``MAX_REDIRECTS`` redirects, each checked like the first address.

    Raises ``TransientError`` (``unreachable``, ``timed_out``, ``slow``, ``gone``, ``rate_limited``, ``origin_error``,
    ``refused``) or ``PermanentError`` (``forbidden_address``, ``too_many_redirects``, and the reasons of ``egress`` and
    ``Source``). ``clock`` is monotonic, in seconds. The connections are shut down when ``must_stop`` returns True.
    """
    low_speed = LowSpeed(settings.low_speed_limit, settings.low_speed_time)
    limits = cut_off_after(settings.transfer_timeout, patience=settings.low_speed_time, must_stop=must_stop)
    with limits as attempt:

        def reopen(headers: Mapping[str, str]) -> requests.Response:
            with attempt.waiting():
                return _open(session, url, settings, headers, attempt)

        with slow_if_over(attempt):
            response = reopen({})
        with contextlib.closing(response):
            with slow_if_over(attempt):
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
    limit = settings.lease * _FRACTION_OF_LEASE
    timeout = (max(_MIN_TIMEOUT, min(CONNECT_TIMEOUT, limit, attempt.left)), min(READ_TIMEOUT, limit))
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
    seconds = representation.retry_after(response)
    if status in _GONE:
        raise TransientError("gone", detail, retry_after=seconds)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise TransientError("rate_limited", detail, retry_after=seconds)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError("origin_error", detail, retry_after=seconds)
    raise TransientError("refused", detail, retry_after=seconds)
