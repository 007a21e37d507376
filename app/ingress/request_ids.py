"""Adds the request's id and the sender's address to each log line of a request."""

import re
import secrets
from itertools import count

from flask import Flask, g, request

from config.logging import request_of

HEADER = "X-Request-Id"
#: Ids from a proxy that are accepted. Any other id is replaced, since it would be written to the log unchanged.
_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def register_request_ids(app: Flask) -> None:
    """Log ``request`` and ``remote`` with each event of a request. A refusal carries the id in a header."""
    process, numbers = secrets.token_hex(4), count(1)

    def bind() -> None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if given and _USABLE.fullmatch(given) else f"{process}-{next(numbers):x}"
        request_of.set((g.request_id, request.environ.get("REMOTE_ADDR", "")))

    app.before_request(bind)
