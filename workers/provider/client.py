"""Requests to the provider's API, with limits that the provider cannot extend.

The API key goes to the base URL alone, in the ``Authorization`` header: redirects are not followed, and no error text,
log line or ``repr`` has it. The base URL is the operator's own setting, so it may be a private address.
"""

import json
import re
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, Self

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from config.layout import is_safe_name
from workers.callbacks import parse_body
from workers.callbacks.envelope import SUCCESS, code_of
from workers.callbacks.naming import text_of
from workers.connections.attempt import cut_off_after
from workers.connections.sessions import open_session
from workers.errors import UnreadableCallbackError
from workers.provider.answers import Answer, read_answer
from workers.provider.errors import ProviderFaultError, RefusedError, refusal
from workers.provider.families import PolledFamily

#: Seconds for one question, with its name lookup, its connection and its whole answer; the largest answer in bytes.
TIMEOUT, MAX_BYTES = 20.0, 1024**2

_API = "/api/v1"
_PATH = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_KEY = re.compile(r"[!-~]+")
_PIECE = 64 * 1024
#: HTTP statuses that mean the same as the code in the provider's JSON.
_TOLD_BY_STATUS = frozenset({401, 402, 429, 500, 502, 503, 504})
_JSON = {"Content-Type": "application/json"}


class ProviderClient:
    """The provider's API at ``base_url``, for one API key. It may be shared by threads, and not by processes.

    As a context manager, it closes its connections at the end. Raises ``ValueError`` if the base URL is no http(s) URL,
    or if the key cannot be a header. ``timeout`` is the limit of each call in seconds; the provider cannot extend it,
    and it covers all of the provider's addresses (``test_a_question_ends_when_its_time_is_over``,
    ``test_silent_addresses_of_the_provider_have_one_limit_together``). ``at_once`` is the number of connections that
    are kept.
    """

    def __init__(
        self, base_url: str, key: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES, at_once: int = 4
    ) -> None:
        if not _KEY.fullmatch(key):
            raise ValueError("the provider's API key must be printable ASCII without blanks")
        self._api = _api_url(base_url)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._session = open_session("application/json", at_once)
        self._authorization = {"Authorization": f"Bearer {key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, family: PolledFamily, task_id: str) -> Answer:
        """Ask about one task. Raises a ``ProviderError``."""
        if not is_safe_name(task_id):
            raise RefusedError("the task id is not usable")
        status, _, content = self._request("GET", family.path, params={family.id_parameter: task_id})
        return read_answer(family, _payload(status, content), task_id)

    def fresh_url(self, url: str) -> str | None:
        """Ask for a new URL of a file, which is good for 20 minutes. None if the provider says that it is not its file.

        Raises a ``ProviderError``.
        """
        body = json.dumps({"url": url}).encode()
        status, _, content = self._request("POST", "common/download-url", body=body)
        payload = _payload(status, content)
        code = code_of(payload)
        if code == HTTPStatus.UNPROCESSABLE_ENTITY:
            return None
        if code != SUCCESS:
            raise refusal(code, text_of(payload.get("msg")))
        fresh = text_of(payload.get("data"))
        if not fresh.lower().startswith(("http://", "https://")):
            raise ProviderFaultError("the answer names no URL")
        return fresh

    def submit(self, path: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Send a JSON body to a path below ``/api/v1/``; give the answer's status, headers and body unchanged.

        Raises ``RefusedError`` for another path, and ``ProviderFaultError`` where there is no answer. The request is
        never repeated: after a ``ProviderFaultError``, the provider may have taken it all the same.
        """
        return self._request("POST", path.strip("/"), body=body)

    def _request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        if not _PATH.fullmatch(path):
            raise RefusedError("the path is not one of the provider's")
        headers = self._authorization | (_JSON if body is not None else {})
        with cut_off_after(self._timeout) as attempt:
            try:
                response = self._session.request(
                    method,
                    f"{self._api}/{path}",
                    params=params,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    stream=True,
                    timeout=self._timeout,
                )
                with closing(response):
                    if response.is_redirect:
                        raise ProviderFaultError(f"a redirect ({response.status_code})", for_all=True)
                    content = _bounded(response, self._max_bytes)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                # The error's own text can hold the URL with its query, and the header.
                over = "no whole answer in time" if attempt.is_over else type(error).__name__
                raise ProviderFaultError(over, for_all=True) from None
            if attempt.is_over:  # the connection was shut down, which ends a body without a length
                raise ProviderFaultError("no whole answer in time", for_all=True)
        return response.status_code, response.headers, content


def _api_url(base_url: str) -> str:
    try:
        parsed = parse_url(base_url.strip())
    except HTTPError:
        raise ValueError("the provider's base URL cannot be read") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.auth or parsed.query or parsed.fragment:
        raise ValueError("the provider's base URL must be http(s)://host, without user, query and fragment")
    return parsed.url.rstrip("/").removesuffix(_API) + _API


def _bounded(response: requests.Response, max_bytes: int) -> bytes:
    """Read the body. Content that is encoded all the same is decoded piece by piece, so its size is bounded too."""
    content = bytearray()
    for piece in response.iter_content(_PIECE):
        content += piece
        if len(content) > max_bytes:
            raise ProviderFaultError(f"an answer of more than {max_bytes} bytes")
    return bytes(content)


def _payload(status: int, content: bytes) -> dict[str, Any]:
    """Read an answer as JSON. Without JSON, or without a code in it, the HTTP status is the refusal."""
    try:
        payload = parse_body(content)
    except UnreadableCallbackError:
        payload = {}
    if code_of(payload) is not None:
        return payload
    if status in _TOLD_BY_STATUS or (payload and status == HTTPStatus.NOT_FOUND):
        raise refusal(status)
    if status != HTTPStatus.OK:
        # A gateway, or a base URL that is not the provider's: this says nothing about the task.
        raise ProviderFaultError(f"HTTP status {status} without JSON", for_all=True)
    raise ProviderFaultError("the answer is not JSON with a code")
