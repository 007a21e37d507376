"""``python -m tests.benchmarks [SECTION ...]``: measure all sections, or those named, and write RESULTS.md.

It takes about three quarters of an hour. Peers run in ``.venv/peers``, which ``make bench`` makes. nginx, wrk, webhook
and curl are those of the system (``apt install nginx wrk webhook curl``). The results name missing programs.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import tests.conftest  # noqa: F401 - takes the machine's own AWS and proxy settings out of the environment
from app.embedded.stack import redis_server
from tests.benchmarks import choices, growth
from tests.benchmarks.ends import MIB, Ends, running_ends
from tests.benchmarks.fleet import OURS, PEERS, Figures, installed_peers, ours, side_by_side
from tests.benchmarks.ingress import Contestant, contestants, load, lost_when_killed, steady, wrk_script
from tests.benchmarks.measuring import in_turn, table
from tests.benchmarks.real import against_a_real_store
from tests.benchmarks.slow import against_slow_sources

ROUNDS = 5
RESULTS = Path(__file__).parent / "RESULTS.md"
PEERS_BIN = Path(sys.executable).parent.parent / "peers" / "bin"
_GB = 1e9
#: The size of files in MiB and their number.
_WORKLOADS = {(4, 100): "100 × 4 MB", (40, 5): "5 × 40 MB", (1024, 1): "1 × 1 GB"}


_ABOUT_FLEET = """\
Wall and CPU seconds, CPU seconds a GB, and peak memory (shared pages counted once, in a separate round). The figures
of Stemvault are for the whole way from the callback to the manifest: gunicorn, Redis, worker and beat, with SHA-256,
CRC-32C, media check, egress filter and conditional writes. A peer only copies. Imports and the opening of clients are
not counted.
"""
_ABOUT_INGRESS = """\
Signed bodies of 2 KB; two gunicorn workers on gevent for each server (FastAPI: two uvicorn workers). For the last two
columns, the server is killed under load twice, and the callbacks that it answered with 200 are compared with those that
were kept.

"""


def installed() -> dict[str, str]:
    """Give the versions of the installed peers, by name."""
    python = PEERS_BIN / "python"
    if not python.exists():
        return {}
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], capture_output=True, check=True).stdout
    return {each["name"].lower().replace("-", "_"): each["version"] for each in json.loads(listed)}


def fleet(ends: dict[str, Ends], directory: Path) -> str:
    """Measure the whole product and its peers, over http and over TLS."""
    there = installed()
    told = [_ABOUT_FLEET]
    for scheme, both in ends.items():
        for (megabytes, number), workload in _WORKLOADS.items():
            urls = [both.file(megabytes, at) for at in range(number)]
            peers = installed_peers(PEERS, there, PEERS_BIN / "python", both, directory)
            with ours(both) as running:
                running.warm_up(4)
                found = side_by_side(running, peers, urls, ROUNDS)
                memory = {OURS: running.peak_memory(urls)}
            memory |= {name: peer.peak_memory(urls) for name, peer in peers.items()}
            size = megabytes * MIB * number / _GB
            rows = [
                [
                    name,
                    figures["wall"].show(),
                    figures["cpu"].show(),
                    f"{figures['cpu'].median / size:.2f}",
                    f"{memory[name] / MIB:,.0f}",
                ]
                for name, figures in found.items()
            ]
            told += [f"\n**{workload}, {scheme}**\n", table(["way", "wall s", "CPU s", "CPU s/GB", "memory MiB"], rows)]
    missing = [name for name, needs in PEERS.values() if needs and needs not in there]
    if missing:
        told.append(f"\nNot installed, so not measured: {', '.join(missing)}.\n")
    return "\n".join(told)


def ingress(ends: dict[str, Ends], directory: Path) -> str:
    """Measure acknowledging: at full load, at a steady rate, and the loss when the server is killed."""
    with contestants(ends["http"], PEERS_BIN) as running:
        script = wrk_script(directory)

        def turn(contestant: Contestant) -> Callable[[], Figures]:
            def measure() -> Figures:
                contestant.up()
                try:
                    steady(contestant.url, seconds=1)
                    calm = steady(contestant.url)
                    few, many = load(contestant.url, script, 16), load(contestant.url, script, 256)
                finally:
                    contestant.down()
                return {
                    "16": few["rate"],
                    "256": many["rate"],
                    "16 p50": few["p50"],
                    "16 p99": few["p99"],
                    "256 p50": many["p50"],
                    "256 p99": many["p99"],
                    "steady p50": calm["p50"],
                    "steady p99": calm["p99"],
                }

            return measure

        found = in_turn({name: turn(each) for name, each in running.items()}, ROUNDS)
        lost = in_turn({name: lambda each=each: lost_when_killed(each, script) for name, each in running.items()}, 2)  # type: ignore[misc]
    loads = [f"{what}, {number} connections" for number in (16, 256) for what in ("requests/s", "p50 ms", "p99 ms")]
    head = ["way", *loads, "p50 ms at 1,000/s", "p99 ms at 1,000/s", "acknowledged", "lost of these"]
    rows = []
    for name, figures in found.items():
        acknowledged, gone = (lost[name][what].figures for what in ("acknowledged", "lost"))
        shown = [
            figures[what].show(0 if what in {"16", "256"} else 1)
            for what in ("16", "16 p50", "16 p99", "256", "256 p50", "256 p99", "steady p50", "steady p99")
        ]
        rows.append([name, *shown, f"{sum(acknowledged):,.0f}", f"{sum(gone):,.0f}"])
    return _ABOUT_INGRESS + table(head, rows)


def growing(ends: dict[str, Ends], _: Path) -> str:
    """Measure growth."""
    return "\n".join(
        [
            "Median in µs with the range over the rounds, and the ratio to the first row.\n",
            growth.costs(),
            growth.redis_bytes(),
            "A worker with one process that stores one asset after the other:\n",
            growth.worker_memory(ends["http"]),
            "100 × 4 MB, by the number of processes that run transfers:\n",
            growth.worker_processes(ends["http"]),
        ]
    )


def deciding(ends: dict[str, Ends], directory: Path) -> str:
    """Measure the alternatives behind decisions."""
    return "\n".join(
        [
            choices.divisions(ends["http"]),
            choices.parts(ends["http"]),
            choices.checksums_of_parts(),
            choices.gunicorn_workers(ends["http"], directory),
            choices.appendfsync(ends["http"], directory),
        ]
    )


def real(ends: dict[str, Ends], directory: Path) -> str:
    """Measure with an S3 server that keeps objects on disk."""
    return against_a_real_store(ends["http"], PEERS_BIN, directory, installed())


def slow(ends: dict[str, Ends], directory: Path) -> str:
    """Measure with sources that are slow."""
    return against_slow_sources(ends["http"], PEERS_BIN, directory, installed())


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Ends], Path], str]]] = {
    "fleet": ("From callback to bucket", fleet),
    "slow": ("Slow sources", slow),
    "real": ("A store that writes to disk", real),
    "ingress": ("Acknowledging callbacks", ingress),
    "growth": ("Growth", growing),
    "choices": ("Alternatives behind decisions", deciding),
}


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    yield from (
        f"{name} {version(name)}"
        for name in ("celery", "kombu", "redis", "flask", "gunicorn", "gevent", "requests", "boto3", "awscrt")
    )
    yield _first_line([redis_server(), "--version"])
    for command in (["nginx", "-v"], ["wrk", "-v"], ["webhook", "-version"], ["curl", "--version"]):
        found = shutil.which(command[0], path="/usr/sbin:/usr/bin:/usr/local/bin")
        yield _first_line([found, *command[1:]]) if found else f"{command[0]}: not installed"
    there = installed()
    wanted = {needs for _, needs in PEERS.values() if needs} | {"fastapi", "uvicorn"}
    yield "peers: " + ", ".join(f"{name} {there.get(name, 'not installed')}" for name in sorted(wanted))


def _first_line(command: list[str]) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return (told.stdout + told.stderr).strip().splitlines()[0]


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{len(os.sched_getaffinity(0))} × {found[1] if found else '?'}"


def main() -> None:
    """Run the sections and put each in its place in RESULTS.md."""
    wanted = sys.argv[1:] or list(SECTIONS)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stacks:
        directory = Path(name)
        ends = stacks.enter_context(running_ends(directory, {1: 40, 4: 100, 16: 1, 40: 5, 1024: 1}))
        origin = "nginx" if ends["http"].nginx else "the sink's own file server (nginx is not installed)"
        for section in wanted:
            title, measure = SECTIONS[section]
            print(f"{datetime.now(UTC):%H:%M} {title}", flush=True)
            _write(title, measure(ends, directory), origin)
            print(RESULTS.read_text(), flush=True)


def _write(title: str, text: str, origin: str) -> None:
    """Replace one section, and leave the others unchanged."""
    before = RESULTS.read_text() if RESULTS.exists() else ""
    kept: dict[str, str] = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", before, re.DOTALL | re.MULTILINE))
    when = f"Measured {datetime.now(UTC):%Y-%m-%d}, {ROUNDS} rounds in turn, medians (and ranges)."
    kept[title] = f"\n{when}\n\n{text.strip()}\n\n"
    head = "# Measurements\n\nWritten by `make bench`; docs/performance.md has the conclusions.\n\n"
    head += f"Machine: {_processor()}. Origin: {origin}. Sink: `sink.c`, both on loopback.\n\n"
    head += "".join(f"- {line}\n" for line in _versions()) + "\n"
    order = [title for title, _ in SECTIONS.values() if title in kept]
    RESULTS.write_text(head + "".join(f"## {title}\n{kept[title]}" for title in order).rstrip() + "\n")


if __name__ == "__main__":
    main()
