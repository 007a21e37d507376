"""Both ends of every transfer: an origin that serves files and an S3 server that discards them, over http and TLS.

The origin is nginx if it is installed, else the sink's own file server. The sink is ``sink.c``.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests
import trustme

from app.embedded.origin import song
from app.embedded.processes import ProcessGroup, free_port, process_group, wait_until

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
    """The certificate of the authority that issued theirs."""
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
    """Run origin and sink, by scheme. ``sizes`` maps the size of files (in MiB) to their number."""
    certificates = _issue(directory)
    ports = {name: free_port() for name in ("origin", "tls_origin", "s3", "tls_s3")}
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    with process_group({}) as group:
        _start_sinks(group, build_sink(directory), ports, certificates)
        if nginx:
            _make_files(directory / "files", sizes)
            _start_nginx(group, nginx, directory, ports, certificates)
        else:
            ports |= {"origin": ports["s3"], "tls_origin": ports["tls_s3"]}
        names = {"http": ("origin", "s3"), "https": ("tls_origin", "tls_s3")}
        yield {
            scheme: Ends(
                scheme,
                f"{scheme}://127.0.0.1:{ports[origin]}",
                f"{scheme}://127.0.0.1:{ports[s3]}",
                certificates.authority,
                bool(nginx),
            )
            for scheme, (origin, s3) in names.items()
        }


@dataclass(frozen=True)
class _Certificates:
    """PEM files: of the servers, of their key, and of the authority that issued the certificate."""

    own: Path
    key: Path
    authority: Path


def _issue(directory: Path) -> _Certificates:
    files = _Certificates(*(directory / name for name in ("own.pem", "own.key", "authority.pem")))
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(files.authority))
    issued = issuer.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(files.own))
    issued.private_key_pem.write_to_path(str(files.key))
    return files


def _start_sinks(group: ProcessGroup, sink: Path, ports: dict[str, int], certificates: _Certificates) -> None:
    """Start the S3 server twice: plain, and over TLS."""
    for name, arguments in {"s3": [], "tls_s3": [str(certificates.own), str(certificates.key)]}.items():
        process = group.start(name, [str(sink), str(ports[name]), *arguments])
        url = f"{'https' if arguments else 'http'}://127.0.0.1:{ports[name]}/-/objects"
        answers = partial(requests.get, url, timeout=1, verify=str(certificates.authority))
        wait_until(lambda answers=answers: answers().ok, "answer", process)  # type: ignore[misc]


def _start_nginx(
    group: ProcessGroup, nginx: str, directory: Path, ports: dict[str, int], certificates: _Certificates
) -> None:
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            directory=directory,
            slow="".join(_SLOW.format(directory=directory, rate=rate) for rate in RATES),
            http=ports["origin"],
            https=ports["tls_origin"],
            certificate=certificates.own,
            key=certificates.key,
        )
    )
    process = group.start("origin", [nginx, "-c", str(configuration), "-p", str(directory)])
    url = f"http://127.0.0.1:{ports['origin']}/"
    wait_until(lambda: requests.get(url, timeout=1).status_code, "answer", process)


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
    # If root starts nginx, its workers run as another user, who must be able to read the files.
    for path in [directory.parent, directory, *directory.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o055)
