"""Gunicorn's settings for production: ``gunicorn -c python:config.gunicorn 'app:create_app()'``."""

import gc
import logging
import os
import resource
import warnings
from typing import Any

import gevent
from gunicorn.glogging import Logger
from gunicorn.util import write_error
from gunicorn.workers.ggevent import GeventWorker

from config.logging import log_all_output
from config.settings import load_settings_or_exit

# gunicorn patches ssl when a worker starts, and this module has imported it by then. The modules that gevent warns of
# are imported after that, with the application.
warnings.filterwarnings("ignore", "Monkey-patching ssl after ssl has already been imported")

#: Seconds from the end of a request's headers until its answer. Without a limit, a client that sends one byte a second
#: would keep its connection for days.
REQUEST_SECONDS = 30


class IngressWorker(GeventWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Serves each connection in a greenlet, so that thousands of slow connections block no other one.

    ``handle_request`` and its ``StopIteration`` are gunicorn's internals, checked with 27.0. If they change,
    ``test_a_request_whose_body_comes_too_slowly_gets_408`` fails.
    """

    @property
    def request_seconds(self) -> float:
        """The limit for one request."""
        return REQUEST_SECONDS

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Answer one request, or end it with 408 after ``request_seconds``."""
        try:
            with gevent.Timeout(self.request_seconds):
                super().handle_request(listener_name, req, sock, addr)
        except gevent.Timeout:
            write_error(sock, 408, "Request Timeout", "")
            raise StopIteration from None  # gunicorn's way to close a connection


class IngressLog(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Writes gunicorn's own lines as JSON lines too, without the callback token in a path."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Use the root logger's handler and level instead of gunicorn's; exit if the settings have faults.

        gunicorn calls this before it starts a worker, so the faults are printed once and as plain text.
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
# Seconds that a connection may be idle between requests, and that a request's headers may take.
keepalive = 5

# Callbacks have few headers; larger ones are refused before they use memory.
limit_request_line = 2048
limit_request_fields = 50
limit_request_field_size = 4096

# No access log: its lines would contain the token of /callbacks/<token>. The ingress logs its own events instead.
accesslog = None
logger_class = IngressLog

# The root file system may be read-only: gunicorn's heartbeat files go to memory, and it makes no control socket.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Raise the limit of open files, one of which each connection needs, to the highest allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def post_worker_init(_worker: object) -> None:
    """Freeze the objects that stay for good: a garbage collection through all of them would cost a request 70 ms."""
    gc.collect()
    gc.freeze()
