"""The console as a WSGI application: its routes, and everything that they need."""

import sys
from dataclasses import dataclass

from flask import Flask, Response, jsonify

from app.console import submissions, tasks
from app.console.access import require_token
from app.console.keeping import Keeping, open_keeping
from app.ingress.refusals import register_refusals
from app.ingress.request_ids import register_request_ids
from config.logging import configure_logging
from config.settings import EXIT_MISCONFIGURED, PREFIX, Settings, SettingsError, load_settings_or_exit
from workers.context import open_provider
from workers.ledger.connection import open_redis
from workers.ledger.ledger import Ledger
from workers.provider.client import ProviderClient
from workers.watching.watches import Watches, open_watches

#: Time limit in seconds for each of connecting to Redis and its answer.
_SOCKET_TIMEOUT = 1.0


@dataclass(frozen=True)
class Clients:
    """The clients that the console uses."""

    ledger: Ledger
    watches: Watches
    keeping: Keeping
    provider: ProviderClient | None
    """None without an address and a key of the provider."""


def open_clients(settings: Settings) -> Clients:
    """Open the clients that the settings name. No connection is made yet."""
    redis = open_redis(settings.redis_url.get_secret_value(), timeout=_SOCKET_TIMEOUT, connect_timeout=_SOCKET_TIMEOUT)
    watches = open_watches(redis, settings)
    return Clients(Ledger(redis), watches, open_keeping(settings, watches), open_provider(settings))


def create_app(settings: Settings | None = None, *, clients: Clients | None = None) -> Flask:
    """Build the WSGI application.

    ``settings`` are read from the environment if not given. Faults in them are printed and end the process, and so does
    a missing ADMIN_TOKEN. ``clients`` replaces those that the settings name.
    """
    if settings is None:
        settings = load_settings_or_exit()
        configure_logging(settings.log_level)
    if settings.admin_token is None:
        fault = f"{PREFIX}ADMIN_TOKEN is not set; the console needs it, for example from: openssl rand -hex 16"
        print(SettingsError([fault]), file=sys.stderr)  # noqa: T201 - the process ends here
        sys.exit(EXIT_MISCONFIGURED)
    clients = clients or open_clients(settings)
    app = Flask("stemvault.console", static_folder=None)
    # One byte more than allowed: Werkzeug cuts a longer chunked body off without an error, so its length must show it.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_callback_bytes + 1
    register_request_ids(app)
    require_token(app, settings.admin_token)
    app.register_blueprint(tasks.blueprint(settings, clients.watches, clients.ledger))
    app.register_blueprint(submissions.blueprint(settings, clients.provider, clients.keeping))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    register_refusals(app, lambda status, reason, number: clients.ledger.count("refusals", status, reason, by=number))
    return app
