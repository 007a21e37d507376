"""Who may send callbacks. Every way that is configured must be passed; at least one is (config.settings).

A good signature does not make a body true: the provider signs the task id and the time alone, so a
captured one can carry other URLs for as long as the time window lasts. What a callback names is
checked where it is fetched.
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
    """The checks of one configuration. All comparisons take the same time wherever texts differ."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.get_secret_value() for key in settings.webhook_hmac_keys]
        self._token = settings.callback_token
        self._tolerance = settings.signature_tolerance

    def check_request(self, token: str | None, headers: Headers, now: float) -> None:
        """Check what shows before the body is read: the token, and whether the timestamp is in the window.

        Raises ``RefusedError`` (401).
        """
        if self._token and not _same(token or "", self._token):
            raise RefusedError(
                _UNAUTHORIZED, "wrong_token", "The callback URL must end in the token: /callbacks/<token>."
            )
        if self._keys:
            self._check_timestamp(headers, now)

    def check_body(self, task_id: str, headers: Headers) -> None:
        """Check the signature over the task's id. Raises ``RefusedError`` (401)."""
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
