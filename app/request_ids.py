"""Every log line of a request says which request it was: its id, and who asked."""

import re
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
#: What a proxy in front may have given; anything else is replaced, since it would go into the log as it is.
_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def register_request_ids(app: Flask) -> None:
    """Bind ``request`` and ``remote`` to what is logged, and tell the request's id in the answer."""

    def bind() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _USABLE.fullmatch(given) else uuid4().hex[:16]
        # A connection's next request runs in the same context.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=g.request_id, remote=request.remote_addr)

    def tell(answer: Response) -> Response:
        answer.headers[HEADER] = g.request_id
        return answer

    app.before_request(bind)
    app.after_request(tell)
