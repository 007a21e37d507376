"""Every log line of a request says which request it was: its id, and who asked."""

import re
import secrets
from itertools import count

from flask import Flask, g, request

from config.logging import request_of

HEADER = "X-Request-Id"
#: What a proxy in front may have given; anything else is replaced, since it would go into the log as it is.
_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def register_request_ids(app: Flask) -> None:
    """Have ``request`` and ``remote`` stand in what is logged; a refusal tells the id in its headers."""
    process, numbers = secrets.token_hex(4), count(1)

    def bind() -> None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if given and _USABLE.fullmatch(given) else f"{process}-{next(numbers):x}"
        request_of.set((g.request_id, request.environ.get("REMOTE_ADDR", "")))

    app.before_request(bind)
