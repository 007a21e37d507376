"""Accepts only requests with the administrator's token: ``Authorization: Bearer ADMIN_TOKEN``."""

import hmac

from flask import Flask, request
from pydantic import SecretStr

from app.ingress.refusals import RefusedError

#: The route for probes, whose answer contains no information.
_OPEN = "/healthz"
_UNAUTHORIZED = 401


def require_token(app: Flask, token: SecretStr) -> None:
    """Refuse every request without the token (401), unknown paths included; ``/healthz`` alone is open.

    The token is compared in constant time.
    """
    expected = token.get_secret_value().encode()

    def check() -> None:
        if request.path == _OPEN:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if not given or scheme.lower() != "bearer":
            raise RefusedError(_UNAUTHORIZED, "no_admin_token", "Send the header Authorization: Bearer ADMIN_TOKEN.")
        if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
            raise RefusedError(_UNAUTHORIZED, "wrong_admin_token", "The token is not the setting ADMIN_TOKEN.")

    app.before_request(check)
