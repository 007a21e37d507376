"""Authenticates callbacks by token and signature. A request must pass each of the two that is configured.

A valid signature does not prove the body: the provider signs only the task id and the timestamp. Within the time
window, a captured signature can be sent with other URLs. The URLs are checked when they are fetched
(``workers.source.egress``). Settings without token and key are refused, unless ``ALLOW_UNSIGNED`` is set.
"""

import base64
import hashlib
import hmac
import re

from pydantic import SecretStr
from werkzeug.datastructures import Headers

from app.ingress.refusals import RefusedError
from config.settings import Settings

TIMESTAMP_HEADER = "X-Webhook-Timestamp"
SIGNATURE_HEADER = "X-Webhook-Signature"
_UNAUTHORIZED = 401


def sign(key: str, task_id: str, timestamp: str) -> str:
    """Make the provider's signature: base64(HMAC-SHA256(key, task_id + "." + timestamp))."""
    message = f"{task_id}.{timestamp}".encode()
    return base64.b64encode(hmac.digest(key.encode(), message, hashlib.sha256)).decode()


class Authenticator:
    """The checks of one configuration. Secrets are compared in constant time."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.get_secret_value() for key in settings.webhook_hmac_keys]
        self._token = settings.callback_token
        self._tolerance = settings.signature_tolerance

    def check_request(self, token: str | None, headers: Headers, now: float) -> None:
        """Check the token and the time window of the timestamp, before the body is read.

        Raises ``RefusedError`` (401).
        """
        if self._token and not _same(token or "", self._token):
            raise RefusedError(
                _UNAUTHORIZED, "wrong_token", "The callback URL must end in the token: /callbacks/<token>."
            )
        if self._keys:
            self._check_timestamp(headers, now)

    def check_body(self, task_id: str, headers: Headers) -> None:
        """Check the signature of the task id. Raises ``RefusedError`` (401)."""
        if not self._keys:
            return
        given = headers.get(SIGNATURE_HEADER, "")
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        matches = [_same(given, SecretStr(sign(key, task_id, timestamp))) for key in self._keys]
        if not any(matches):
            raise RefusedError(
                _UNAUTHORIZED,
                "wrong_signature",
                f"{SIGNATURE_HEADER} does not match the task id and {TIMESTAMP_HEADER} under any configured key.",
            )

    def _check_timestamp(self, headers: Headers, now: float) -> None:
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        if not headers.get(SIGNATURE_HEADER) or not timestamp:
            raise RefusedError(
                _UNAUTHORIZED, "no_signature", f"{SIGNATURE_HEADER} and {TIMESTAMP_HEADER} are both needed."
            )
        if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > self._tolerance:
            raise RefusedError(
                _UNAUTHORIZED,
                "stale_timestamp",
                f"{TIMESTAMP_HEADER} must be unix seconds within {self._tolerance:.0f} s of now.",
            )


def _same(given: str, expected: SecretStr) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.get_secret_value().encode())
