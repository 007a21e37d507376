"""Sources that are slow for each connection, like real ones, and one that never ends."""

from functools import partial
from pathlib import Path

from tests.benchmarks.ends import MIB, RATES, Ends
from tests.benchmarks.fleet import OURS, Ours, Peer, installed_peers, ours
from tests.benchmarks.measuring import in_turn, table
from tests.never_ending import dripped_body, never_ending

#: Transfers at a time, of Stemvault and of the peers.
AT_ONCE = 64
_COMPARED = ("obstore", "rclone_batch", "upload_fileobj")
_ROUNDS = 3
#: The number of files by their size in MiB.
_MIXED = {1: 40, 4: 18, 40: 5, 16: 1}


def against_slow_sources(ends: Ends, peers: Path, directory: Path, installed: dict[str, str]) -> str:
    """Archive 100 × 4 MB at each of the rates, and files of mixed sizes beside one that never ends."""
    if not ends.nginx:
        return "nginx is not installed, and only nginx can limit the rate here.\n"
    compared = installed_peers(_COMPARED, installed, peers / "python", ends, directory, at_once=AT_ONCE)
    rows = []
    with ours(ends) as running:
        running.warm_up(4)
        ways: dict[str, Ours | Peer] = {OURS: running, **compared}
        for rate in RATES:
            urls = [ends.slow(4, number, rate) for number in range(100)]
            found = in_turn({name: partial(way.archive, urls) for name, way in ways.items()}, _ROUNDS)
            memory = {OURS: running.peak_of_worker(urls)}
            memory |= {name: peer.peak_memory(urls) for name, peer in compared.items()}
            rows += [
                [
                    f"100 × 4 MB at {rate} MiB/s",
                    name,
                    figures["wall"].show(),
                    figures["cpu"].show(),
                    f"{memory[name] / MIB:,.0f}",
                ]
                for name, figures in found.items()
            ]
        mixed = [ends.slow(size, number, 4) for size, count in _MIXED.items() for number in range(count)]
        with never_ending(dripped_body, 0.05) as source:
            dripping = f"{source.url}/drip.mp3"
            turns = {name: partial(way.archive_beside, mixed, dripping) for name, way in ways.items()}
            found = in_turn(turns, 1)
        named = f"{len(mixed)} files of 1 to 40 MB at 4 MiB/s, beside one that never ends"
        rows += [[named, name, figures["wall"].show(), "-", "-"] for name, figures in found.items()]
    about = (
        f"Each connection to the source has the rate in the row. Stemvault and the peers run {AT_ONCE} transfers at a "
        f"time. Stemvault has its default settings, so {AT_ONCE - AT_ONCE // 8} of them are from one host. Memory is "
        "that of all processes of the worker, or of the peer.\n\n"
    )
    return about + table(["files", "way", "wall s", "CPU s", "memory MiB"], rows)
