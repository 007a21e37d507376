"""Gunicorn's settings for production: ``gunicorn -c python:config.gunicorn 'app:create_app()'``."""

import os

from config.settings import load_settings_or_exit

bind = os.environ.get("STEMVAULT_BIND", "0.0.0.0:8000")
workers = 2
# Threads read requests while others wait for Redis, and a connection that idles holds no thread.
worker_class = "gthread"
threads = 8
timeout = 30
graceful_timeout = 20
keepalive = 15

# A callback's own headers are a handful; what is longer is refused before it costs memory.
limit_request_line = 2048
limit_request_fields = 50
limit_request_field_size = 4096

# No access log: its lines would hold the token of /callbacks/<token>. We log our own events.
accesslog = None
errorlog = "-"
loglevel = "warning"

# Heartbeats go to memory, and no socket is left in a home directory: the root file system may be read-only.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Find faults in the settings once, in the master, before any worker is there to die of them."""
    load_settings_or_exit()
