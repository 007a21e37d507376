"""Gunicorn's settings for the console: ``gunicorn -c python:config.console_gunicorn 'app.console:create_app()'``.

They are those of the ingress, except for the settings below. It listens on loopback unless ``--bind`` names another
address.
"""

from config.gunicorn import *  # noqa: F403 - gunicorn reads settings from the names of this module
from config.gunicorn import IngressWorker


class ConsoleWorker(IngressWorker):
    """Gives a request more time: a submission waits for the provider."""

    request_seconds = 120.0


bind = "127.0.0.1:8001"
workers = 1
worker_class = ConsoleWorker  # type: ignore[misc]  # it takes the place of the imported name
# A submission that is under way ends before its process does.
graceful_timeout = 60
