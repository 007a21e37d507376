"""Both ends of every transfer: an origin that serves files and an S3 server that throws them away, over http and TLS.

The origin is nginx where it is installed, else the sink's own file server. The sink is ``sink.c``.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import trustme

from app.embedded.origin import song
from app.embedded.processes import free_port, process_group, wait_until

BUCKET = "bench"
MIB = 1024**2
#: MiB a second that each connection gets below /slow/<rate>/ (nginx alone can do that).
RATES = (1, 4, 16)

_NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type audio/mpeg;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  scgi_temp_path {directory}/nginx-scgi;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {directory}/files;
    {slow}
  }}
}}
"""
_SLOW = """
    location /slow/{rate}/ {{
      alias {directory}/files/;
      limit_rate {rate}m;
    }}
"""


@dataclass(frozen=True)
class Ends:
    """Where the files come from and go to, both plain (``http``) or both over TLS (``https``)."""

    scheme: str
    origin: str
    s3_url: str
    authority: Path
    """The certificate of whoever issued theirs."""
    nginx: bool

    def file(self, megabytes: int, number: int) -> str:
        """Give the URL of a sound file."""
        if self.nginx:
            return f"{self.origin}/{megabytes}/{number}.mp3"
        return f"{self.origin}/-/file/{megabytes * MIB}/{number}.mp3"

    def slow(self, megabytes: int, number: int, rate: int) -> str:
        """Give the URL of a sound file that comes at ``rate`` (one of ``RATES``) MiB a second."""
        return self.file(megabytes, number).replace(self.origin, f"{self.origin}/slow/{rate}")

    def arrived(self) -> tuple[int, int]:
        """Tell how many objects the sink has been given, and their bytes."""
        number, size = requests.get(f"{self.s3_url}/-/objects", timeout=5, verify=str(self.authority)).text.split()
        return int(number), int(size)

    def forget(self) -> None:
        """Have the sink forget its objects."""
        requests.post(f"{self.s3_url}/-/forget", timeout=5, verify=str(self.authority))


def build_sink(directory: Path) -> Path:
    """Compile the sink; it needs a C compiler and OpenSSL's headers (``apt install gcc libssl-dev``)."""
    binary = directory / "sink"
    source = Path(__file__).parent / "sink.c"
    subprocess.run(["cc", "-O2", "-pthread", "-o", str(binary), str(source), "-lssl", "-lcrypto"], check=True)
    return binary


@contextmanager
def running_ends(directory: Path, sizes: dict[int, int]) -> Iterator[dict[str, Ends]]:
    """Run origin and sink, by scheme. ``sizes`` tells how many files of each size (in MiB) there are."""
    certificate, key, authority = (directory / name for name in ("own.pem", "own.key", "authority.pem"))
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(authority))
    issued = issuer.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))

    sink = build_sink(directory)
    ports = {name: free_port() for name in ("origin", "tls_origin", "s3", "tls_s3")}
    with process_group({}) as group:
        for name, arguments in {"s3": [], "tls_s3": [str(certificate), str(key)]}.items():
            process = group.start(name, [str(sink), str(ports[name]), *arguments])
            scheme = "https" if arguments else "http"
            url = f"{scheme}://127.0.0.1:{ports[name]}/-/objects"
            wait_until(lambda url=url: requests.get(url, timeout=1, verify=str(authority)).ok, "answer", process)  # type: ignore[misc]
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        if nginx:
            _make_files(directory / "files", sizes)
            configuration = directory / "nginx.conf"
            configuration.write_text(
                _NGINX.format(
                    directory=directory,
                    slow="".join(_SLOW.format(directory=directory, rate=rate) for rate in RATES),
                    http=ports["origin"],
                    https=ports["tls_origin"],
                    certificate=certificate,
                    key=key,
                )
            )
            process = group.start("origin", [nginx, "-c", str(configuration), "-p", str(directory)])
            wait_until(
                lambda: requests.get(f"http://127.0.0.1:{ports['origin']}/", timeout=1).status_code, "answer", process
            )
        else:
            ports |= {"origin": ports["s3"], "tls_origin": ports["tls_s3"]}
        names = {"http": ("origin", "s3"), "https": ("tls_origin", "tls_s3")}
        yield {
            scheme: Ends(
                scheme,
                f"{scheme}://127.0.0.1:{ports[origin]}",
                f"{scheme}://127.0.0.1:{ports[s3]}",
                authority,
                bool(nginx),
            )
            for scheme, (origin, s3) in names.items()
        }


def _make_files(directory: Path, sizes: dict[int, int]) -> None:
    for megabytes, number in sizes.items():
        folder = directory / str(megabytes)
        folder.mkdir(parents=True)
        piece = song("bench", 60)
        piece = (piece * (MIB // len(piece) + 1))[:MIB]
        with (folder / "0.mp3").open("wb") as file:
            for _ in range(megabytes):
                file.write(piece)
        for other in range(1, number):
            (folder / f"{other}.mp3").hardlink_to(folder / "0.mp3")
    # nginx's workers are another user, where it is started by root.
    for path in [directory.parent, directory, *directory.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o055)
