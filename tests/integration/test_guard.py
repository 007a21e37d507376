"""The guard ends processes whose starter has ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.guard import announced, groups_left, guarded
from tests.conftest import eventually

#: Prints a line when it runs, and ignores SIGTERM.
_STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "part.log").touch()
    return folder


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_the_guard_kills_a_process_that_ignores_sigterm_and_removes_the_folder(folder: Path) -> None:
    command = announced([sys.executable, "-c", _STUBBORN])
    with guarded(folder) as guard:
        part = subprocess.Popen(command, stdin=guard, stdout=subprocess.PIPE, start_new_session=True)
        assert part.stdout
        assert part.stdout.readline() == b"here\n"
        assert folder.exists()
    with part:
        assert part.wait(5) == -signal.SIGKILL
    assert not folder.exists()


def test_the_guard_ends_the_child_processes_of_a_process_that_has_exited(folder: Path) -> None:
    with guarded(folder) as guard:
        shell = ["/bin/sh", "-c", "sleep 600 >/dev/null & echo $!"]
        part = subprocess.run(announced(shell), stdin=guard, stdout=subprocess.PIPE, start_new_session=True, check=True)
        orphan = Path(f"/proc/{int(part.stdout)}/stat")
        assert orphan.exists()
    eventually(lambda: not orphan.exists() or ") Z " in orphan.read_text(), patience=5)


def test_a_guarded_process_does_not_inherit_the_guards_pipe(folder: Path) -> None:
    with guarded(folder) as guard:
        part = subprocess.run(
            announced(["readlink", "/proc/self/fd/0"]), stdin=guard, stdout=subprocess.PIPE, start_new_session=True,
            check=True,
        )  # fmt: skip
        assert part.stdout == b"/dev/null\n"


def test_the_guard_forgets_an_ended_process_group_before_its_number_is_reused(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedded.guard.CHECK_EVERY", 0.01)
    reading, writing = pipe
    looks: list[int] = []

    def lives(group: int) -> bool:
        """Group 101 lives all the time. Group 102 has ended once; later its number belongs to another process."""
        looks.append(group)
        if len(looks) == 50:
            os.close(writing)
        return group == 101 or looks.count(102) != 1

    os.write(writing, b"101\n10")
    os.write(writing, b"2\n")
    assert groups_left(reading, lives) == {101}
