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


def test_a_part_that_does_not_end_when_asked_is_made_to_and_the_folder_is_removed(folder: Path) -> None:
    command = announced([sys.executable, "-c", _STUBBORN])
    with guarded(folder) as guard:
        part = subprocess.Popen(command, stdin=guard, stdout=subprocess.PIPE, start_new_session=True)
        assert part.stdout
        assert part.stdout.readline() == b"here\n"
        assert folder.exists()
    with part:
        assert part.wait(5) == -signal.SIGKILL
    assert not folder.exists()


def test_what_a_part_started_is_ended_too_when_the_part_itself_is_gone(folder: Path) -> None:
    with guarded(folder) as guard:
        shell = ["/bin/sh", "-c", "sleep 600 >/dev/null & echo $!"]
        part = subprocess.run(announced(shell), stdin=guard, stdout=subprocess.PIPE, start_new_session=True, check=True)
        orphan = Path(f"/proc/{int(part.stdout)}/stat")
        assert orphan.exists()
    eventually(lambda: not orphan.exists() or ") Z " in orphan.read_text(), patience=5)


def test_no_part_can_keep_the_pipe_open_or_read_from_it(folder: Path) -> None:
    with guarded(folder) as guard:
        part = subprocess.run(
            announced(["readlink", "/proc/self/fd/0"]), stdin=guard, stdout=subprocess.PIPE, start_new_session=True,
            check=True,
        )  # fmt: skip
        assert part.stdout == b"/dev/null\n"


def test_a_number_whose_group_has_ended_is_struck_off_before_a_stranger_can_have_it(
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
