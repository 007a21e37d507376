"""A broker with TLS and a password, like a hosted one; and forged messages in its queues."""

import base64
import json
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from redis.exceptions import ConnectionError as RedisConnectionError

from app.embedded.stack import embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service, serve_all
from tests.origin import Origin, film
from workers.ledger.connection import open_redis
from workers.ledger.ledger import Ledger

PASSWORD = "p@ss/word"  # signs that a URL must encode
ENCODED = "p%40ss%2Fword"


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def tls_in_front_of(port: int, directory: Path) -> Iterator[tuple[int, Path]]:
    """Serve TLS on a free loopback port and forward to ``port``; give the port and the authority's certificate."""
    authority = trustme.CA()
    certificate = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with suppress(OSError):
                    client = context.wrap_socket(plain, server_side=True)
                    server = socket.create_connection(("127.0.0.1", port))
                    for ends in ((client, server), (server, client)):
                        threading.Thread(target=_pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], certificate
    finally:
        listener.close()


def test_everything_works_with_a_broker_behind_tls_and_a_password(origin: Origin, payload: Payload) -> None:
    with embedded_stack(LOCAL) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.redis().config_set("requirepass", PASSWORD)
        with tls_in_front_of(stack.redis_port, stack.group.directory) as (port, certificate):
            url = f"rediss://:{ENCODED}@127.0.0.1:{port}/0?ssl_ca_certs={certificate}&ssl_cert_reqs=required"
            stack.group.environment = {**stack.group.environment, "STEMVAULT_REDIS_URL": url}
            stack.start_ingress()
            stack.start_worker()
            stack.start_beat()
            body = payload("separation_split_stem", origin.url)
            contents = serve_all(origin, body)
            assert Service(stack).post(body).ok
            ledger = Ledger(open_redis(url))

            def archived() -> bool:
                snapshot = ledger.snapshot(body["data"]["task_id"])
                states = [record.state for record in snapshot.assets.values()] if snapshot else []
                return states == ["archived"] * len(contents)

            eventually(archived, patience=60)
            strangers = trustme.CA()
            strangers.cert_pem.write_to_path(str(stack.group.directory / "other.pem"))
            with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                open_redis(url.replace("authority.pem", "other.pem")).ping()
            said = "".join(process.log.read_text() for process in stack.group.processes)
            assert PASSWORD not in said
            assert ENCODED not in said


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def message(body: bytes, content_type: str, task: str) -> str:
    """Write a message as Celery does."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": "1", "root_id": "1", "argsrepr": "", "kwargsrepr": ""},
            "properties": {
                "body_encoding": "base64",
                "correlation_id": "1",
                "delivery_info": {"exchange": "", "routing_key": "callbacks"},
                "delivery_mode": 2,
                "delivery_tag": "1",
                "priority": 0,
            },
        }
    )


def test_forged_messages_in_redis_run_no_code_and_stop_no_worker(
    service: Service, origin: Origin, payload: Payload, tmp_path: Path
) -> None:
    redis = service.stack.redis()
    trace = tmp_path / "ran"
    bomb = pickle.dumps(([Bomb(trace)], {}, {}))
    arguments = json.dumps([["assets", "x", 3], {"a": 1}, {}]).encode()
    for queue in ("alarms", "callbacks", "urgent", "assets"):
        for forged in (
            message(bomb, "application/x-python-serialize", "workers.tasks.sweep"),
            message(bomb, "application/json", "workers.tasks.sweep"),
            message(arguments, "application/json", "os.system"),
            message(arguments, "application/json", "workers.tasks.archive_assets"),
            message(json.dumps([["nowhere"], {}, {}]).encode(), "application/json", "workers.tasks.archive_assets"),
            message(b"[" * 100_000, "application/json", "workers.tasks.sweep"),
        ):
            redis.lpush(queue, forged)
    worker = service.stack.process("worker")
    body = payload("video", origin.url)
    origin.serve(body["data"]["video_url"].removeprefix(origin.url), film(1000))
    body["data"]["task_id"] = "after-the-forgeries"
    assert service.post(body).ok
    assert service.settled("after-the-forgeries", patience=60).assets["video"].state == "archived"
    assert worker.popen.poll() is None
    assert not trace.exists()
