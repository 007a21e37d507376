"""The ingress as a WSGI application: its routes, and everything that they need."""

import time
from collections.abc import Callable

from flask import Flask

from app.ingress import health, routes
from app.ingress.authentication import Authenticator
from app.ingress.keeping.safekeeping import Publish, open_safekeeping
from app.ingress.refusals import register_refusals
from app.ingress.request_ids import register_request_ids
from config.logging import configure_logging
from config.settings import Settings, load_settings_or_exit
from workers.ledger.connection import open_redis
from workers.ledger.ledger import Ledger


def create_app(
    settings: Settings | None = None, *, publish: Publish | None = None, now: Callable[[], float] = time.time
) -> Flask:
    """Build the WSGI application.

    ``settings`` are read from the environment if not given; faults in them are printed and end the process. ``publish``
    replaces the queue and the inbox: it takes a body and its time of arrival. ``now`` returns unix seconds.
    """
    if settings is None:
        settings = load_settings_or_exit()
        configure_logging(settings.log_level)
    app = Flask("stemvault", static_folder=None)
    # One byte more than allowed: Werkzeug cuts a longer chunked body off without an error, so its length must show it.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_callback_bytes + 1
    publish = publish or open_safekeeping(settings).publish
    app.register_blueprint(routes.blueprint(Authenticator(settings), settings.max_callback_bytes, publish, now))
    redis = open_redis(
        settings.redis_url.get_secret_value(), timeout=health.SOCKET_TIMEOUT, connect_timeout=health.SOCKET_TIMEOUT
    )
    app.register_blueprint(health.blueprint(settings, redis))
    register_request_ids(app)
    ledger = Ledger(redis)
    register_refusals(app, lambda status, reason, number: ledger.count("refusals", status, reason, by=number))
    return app
