"""A proxy in front of a real S3 server. It passes requests on, refuses them, or changes them as other stores would."""

import base64
import hashlib
import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote

from awscrt.checksums import crc32c

from app.embedded.loopback import serving

_PIECE = 64 * 1024


class Bucket:
    """How the proxy behaves. A test may change each attribute at any time.

    ``mood`` is ``pass``, ``unavailable``, ``forbidden``, ``slow`` or ``reset``. ``allows`` is called for each request
    with its IAM action and resource; ``denied`` lists the requests for which it returned False.

    Of the operations ``put``, ``part`` and ``complete``, ``ignores`` and ``refuses`` name those whose ``If-None-Match``
    is removed or answered by 501. Any header in ``refuses_headers`` is answered by 501 too. ``checks`` names the
    checksums that are compared, such as ``put crc32c`` or ``part md5``. ``flips`` names operations: one bit of the next
    large body of each is flipped.

    ``asked`` lists the operations received. ``before`` is called with each before it is passed on.
    """

    def __init__(self, target_port: int) -> None:
        self.allows: Callable[[str, str], bool] = lambda _action, _resource: True
        self.denied: list[tuple[str, str]] = []
        self.mood = "pass"
        self.checks: set[str] = set()
        self.ignores: set[str] = set()
        self.refuses: set[str] = set()
        self.refuses_headers: set[str] = set()
        self.flips: list[str] = []
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda _operation: None
        self.failed = 0
        self.target_port = target_port
        self.port = 0


def asked_for(method: str, target: str) -> tuple[str, str]:
    """Return the IAM action and resource of an S3 request (path-style), by the table in S3's user guide."""
    path, _, query = target.partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    names = set(parse_qs(query, keep_blank_values=True))
    if not key:
        action = "s3:GetLifecycleConfiguration" if "lifecycle" in names else "s3:ListBucket"
        if method == "GET" and "uploads" in names:
            action = "s3:ListBucketMultipartUploads"
        elif method not in {"GET", "HEAD"} or names & {"policy", "acl", "versions"}:
            action = f"s3:{method} {' '.join(sorted(names))}"
        return action, f"arn:aws:s3:::{bucket}"
    if method == "DELETE":
        action = "s3:AbortMultipartUpload" if "uploadId" in names else "s3:DeleteObject"
    else:
        action = "s3:GetObject" if method in {"GET", "HEAD"} else "s3:PutObject"
    return action, f"arn:aws:s3:::{bucket}/{key}"


def operation_of(method: str, target: str) -> str:
    """Name a request's operation: ``put``, ``part``, ``create``, ``complete``, ``abort``, or else the method."""
    path, _, query = target.partition("?")
    names = set(parse_qs(query, keep_blank_values=True))
    if method == "PUT" and "/" in path.strip("/"):
        return "part" if "partNumber" in names else "put"
    if method == "POST" and names & {"uploads", "uploadId"}:
        return "create" if "uploads" in names else "complete"
    return "abort" if method == "DELETE" and "uploadId" in names else method.lower()


def _checksum(kind: str, body: bytes) -> str:
    digest = hashlib.md5(body).digest() if kind == "md5" else crc32c(body).to_bytes(4)
    return base64.b64encode(digest).decode()


_CHECKSUM_HEADERS = {"md5": "Content-MD5", "crc32c": "x-amz-checksum-crc32c"}
#: A body of up to this many bytes is a document, or part of an examination.
_LARGE = 500


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is several writes; with it, the second waits 40 ms for the first
    bucket: Bucket

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        mood = self.bucket.mood
        if mood == "reset" and length > _PIECE:
            self.rfile.read(_PIECE)
            self._reset()
            return
        body = self._read_slowly(length) if mood == "slow" else self.rfile.read(length)
        if not self.bucket.allows(*(asked := asked_for(self.command, self.path))):
            self.bucket.denied.append(asked)
            self._fail(403, "AccessDenied")
        elif mood == "unavailable":
            self._fail(503, "ServiceUnavailable")
        elif mood == "forbidden":
            self._fail(403, "InvalidAccessKeyId")
        else:
            self._by_habit(operation_of(self.command, self.path), body)

    def _by_habit(self, operation: str, body: bytes) -> None:
        bucket = self.bucket
        bucket.asked.append(operation)
        if operation in bucket.flips and len(body) > _LARGE:
            bucket.flips.remove(operation)
            body = body[:-1] + bytes([body[-1] ^ 1])
        for kind, header in _CHECKSUM_HEADERS.items():
            given = self.headers.get(header)
            if given and f"{operation} {kind}" in bucket.checks and given != _checksum(kind, body):
                self._fail(400, "BadDigest")
                return
        unknown = bucket.refuses_headers & {name.lower() for name in self.headers}
        if unknown or ("If-None-Match" in self.headers and operation in bucket.refuses):
            self._fail(501, "NotImplemented")
            return
        if operation in bucket.ignores:
            del self.headers["If-None-Match"]
        bucket.before(operation)
        self._pass_on(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

    def _read_slowly(self, length: int) -> bytes:
        body = b""
        while len(body) < length:
            body += self.rfile.read(min(_PIECE * 8, length - len(body)))
            time.sleep(0.05)
        return body

    def _reset(self) -> None:
        self.bucket.failed += 1
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _fail(self, status: int, code: str) -> None:
        self.bucket.failed += 1
        body = f"<Error><Code>{code}</Code><Message>a bad day</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        self._upstream.request(self.command, self.path, body=body or None, headers=headers)
        answer = self._upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    @cached_property
    def _upstream(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.bucket.target_port, timeout=60)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def handle(self) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def moody_bucket(target_port: int) -> Iterator[Bucket]:
    """Run the proxy on a free loopback port."""
    bucket = Bucket(target_port)
    with serving(type("Handler", (_Handler,), {"bucket": bucket})) as port:
        bucket.port = port
        yield bucket
