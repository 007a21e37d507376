"""Gunicorn's settings for production: ``gunicorn -c python:config.gunicorn 'app:create_app()'``."""

import gc
import logging
import os
import resource
from typing import Any

import gevent
from gunicorn.glogging import Logger
from gunicorn.util import write_error
from gunicorn.workers.ggevent import GeventWorker

from config.logging import log_all_output
from config.settings import load_settings_or_exit

#: From the end of its headers a request may take so many seconds to come and be answered. Slow is not wrong,
#: but whoever sends a byte a second would stay for days.
REQUEST_SECONDS = 30


class IngressWorker(GeventWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Serves each connection in a greenlet, so that thousands of slow ones cost memory and nobody's turn."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Answer one request, or end it when its time is over."""
        try:
            with gevent.Timeout(REQUEST_SECONDS):
                super().handle_request(listener_name, req, sock, addr)
        except gevent.Timeout:
            write_error(sock, 408, "Request Timeout", "")
            raise StopIteration from None  # gunicorn's way to close a connection


class IngressLog(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Sends gunicorn's own lines the way of all ours: as JSON, and without the token that ends a path."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Use the root logger's handler and level instead of gunicorn's; with a fault in the settings, end.

        gunicorn calls this before it starts any worker, so a fault is told once and in plain text.
        """
        log_all_output(load_settings_or_exit().log_level)
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.NOTSET)


bind = os.environ.get("STEMVAULT_BIND", "0.0.0.0:8000")
workers = 2
worker_class = IngressWorker
worker_connections = 4000
timeout = 30
graceful_timeout = 20
# So long may a connection be silent between requests, and so long may a request's headers take.
keepalive = 5

# A callback's own headers are a handful; what is longer is refused before it costs memory.
limit_request_line = 2048
limit_request_fields = 50
limit_request_field_size = 4096

# No access log: its lines would hold the token of /callbacks/<token>. We log our own events.
accesslog = None
logger_class = IngressLog

# Heartbeats go to memory, and no socket is left in a home directory: the root file system may be read-only.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Make room for connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def post_worker_init(_worker: object) -> None:
    """Take what is there for good out of the collector's sight: looking through it all would cost a request 70 ms."""
    gc.collect()
    gc.freeze()
